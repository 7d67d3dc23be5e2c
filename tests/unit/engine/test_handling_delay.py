"""The processing of a message: the delay that is drawn for it, and how a busy stage stretches it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.delays import parse_delay
from simulator.behaviour.distributions import Constant
from simulator.behaviour.draws import draw
from tests.support.stage_rig import worker


@given(
    seed=st.integers(0, 2**63 - 1),
    message_id=st.text("abc-123", min_size=1, max_size=20),
    visit=st.text("0123456789abcdef", min_size=1, max_size=16),
    delay=st.sampled_from(
        [
            "constant(10ms)",
            "uniform(5ms, 50ms)",
            "exponential(20ms)",
            "normal(20ms, 5ms)",
            "lognormal(p50=12ms, p99=80ms, max=1s)",
            "pareto(min=5ms, shape=1.5, max=5s)",
            "mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))",
            "constant(0s)",
        ]
    ),
)
def test_the_delay_is_the_quantile_that_was_drawn(make_stage, make_message, seed, message_id, visit, delay):
    """The delay is exactly the distribution's quantile of the draw for this seed, stage, message and visit."""
    distribution = parse_delay(delay)
    rig = make_stage(seed=seed, delay=distribution)
    record = rig.handle(make_message(message_id=message_id, visit=visit))
    drawn = distribution.quantile(draw(seed, "parse", message_id, visit, "delay"))
    assert record.delay_drawn_seconds == record.processing_seconds == drawn
    assert rig.sleeps == ([drawn] if drawn else [])


def test_a_sleep_that_wakes_early_is_slept_again(make_stage, make_message):
    """Processing is never shorter than the delay that was drawn, however often the sleep wakes before its time."""
    wakings = []

    def too_short(time, seconds):
        wakings.append(seconds)
        time.advance(seconds * 0.75 if len(wakings) <= 5 else seconds)

    rig = make_stage(delay=Constant(1.0), sleep=too_short)
    record = rig.handle(make_message())
    assert wakings == [1.0, 0.25, 0.0625, 0.015625, 0.00390625, 0.0009765625]
    assert (record.delay_drawn_seconds, record.processing_seconds) == (1.0, 1.0)


def test_a_sleep_that_wakes_late_is_told(make_stage, make_message):
    """Where a sleep took longer than was drawn, the record says both, the drawn and the taken time."""
    rig = make_stage(delay=Constant(1.0), sleep=lambda time, seconds: time.advance(seconds + 0.5))
    record = rig.handle(make_message())
    assert (record.delay_drawn_seconds, record.processing_seconds) == (1.0, 1.5)


def test_no_delay_is_no_sleep(make_stage, make_message):
    """A stage without a delay does not sleep at all."""
    rig = make_stage(delay=Constant(0.0))
    assert rig.handle(make_message()).delay_drawn_seconds == 0.0
    assert rig.sleeps == []


@pytest.mark.parametrize(("busy", "seconds"), [(0, 1.5), (1, 2.0), (2, 2.5), (3, 3.0)])
def test_a_delay_grows_with_the_busy_workers(make_stage, make_message, busy, seconds):
    """A growing delay is stretched by the share of workers that are busy, the message's own among them."""
    rig = make_stage(delay="growing(constant(1s), full=3)", workers=4)
    with contextlib.ExitStack() as others:
        for _ in range(busy):
            others.enter_context(worker(rig.capacity))
        record = rig.handle(make_message())
    assert record.utilisation == (busy + 1) / 4
    assert record.delay_drawn_seconds == record.processing_seconds == seconds
    assert record.delay_spec == str(parse_delay("growing(constant(1s), full=3)"))


@given(busy=st.integers(0, 7), full=st.integers(1, 20), message_id=st.text("abc", min_size=1, max_size=5))
def test_a_growing_delay_is_a_stretched_quantile(make_stage, make_message, busy, full, message_id):
    """What is drawn is the idle stage's quantile of the same draw, stretched in a straight line."""
    rig = make_stage(delay=f"growing(exponential(20ms), full={full})")
    with contextlib.ExitStack() as others:
        for _ in range(busy):
            others.enter_context(worker(rig.capacity))
        record = rig.handle(make_message(message_id=message_id))
    idle = parse_delay("exponential(20ms)").quantile(draw(7, "parse", message_id, "0", "delay"))
    assert record.delay_drawn_seconds == pytest.approx(idle * (1 + (full - 1) * record.utilisation))
    assert record.utilisation == (busy + 1) / 8


def test_other_delays_do_not_grow(make_stage, make_message):
    """The delay of a busy stage is that of an idle one, unless it is a growing one."""
    rig = make_stage(delay=Constant(1.0), workers=2)
    with worker(rig.capacity):
        record = rig.handle(make_message())
    assert (record.delay_drawn_seconds, record.utilisation) == (1.0, 1.0)

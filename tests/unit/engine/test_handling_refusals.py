"""Messages that are rejected: invalid, no room for them, too many, or too late; and those that can't be kept."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.distributions import Constant
from simulator.errors import DeadlinePassed, InvalidMessage, OutputFailed, RateLimited, Rejected, ShuttingDown
from simulator.telemetry.record import Outcome
from tests.support.stage_rig import worker


@pytest.mark.parametrize(("body", "content_type"), [(b"", "application/json"), (b"{", "application/json")])
def test_an_invalid_message_costs_nothing(make_stage, make_message, body, content_type):
    """A message that is not the JSON it claims to be gets no worker, no delay, no fault and no call."""
    rig = make_stage(delay=Constant(1.0), faults=["error(503, 100%)"], calls=("enrich",), workers=1, queue=0)
    with pytest.raises(InvalidMessage):
        rig.handle(make_message(body, content_type))
    assert (rig.sleeps, rig.adapter.requests) == ([], [])
    assert (rig.record.outcome, rig.record.code, rig.record.queue_wait_seconds) == (Outcome.INVALID, 400, None)


def test_a_message_that_can_t_be_read_is_observed(make_stage, make_message):
    """What is wrong with a body is recorded like every other end of a message."""

    def read():
        raise InvalidMessage("too much", 413, "Content too large")

    rig = make_stage()
    with pytest.raises(InvalidMessage):
        rig.handle(make_message(read=read))
    assert [(record.outcome, record.code) for record in rig.sink.records] == [(Outcome.INVALID, 413)]


def test_no_room_is_no_delay(make_stage, make_message):
    """A message for which there is no room is rejected with 503 at once, unprocessed."""
    rig = make_stage(delay=Constant(1.0), workers=1, queue=0)
    with worker(rig.capacity), pytest.raises(Rejected):
        rig.handle(make_message())
    assert rig.sleeps == []
    assert (rig.record.outcome, rig.record.code, rig.record.delay_drawn_seconds) == (Outcome.REJECTED, 503, None)


def test_a_stage_that_stops_may_be_called_back(make_stage, make_message):
    """While the stages of its circle finish, it takes what they send, and nothing from others, whatever it is."""
    rig = make_stage()
    rig.handling.take_only_from(["stock"])
    with pytest.raises(ShuttingDown):
        rig.handle(make_message())
    assert rig.record.outcome is Outcome.REJECTED
    rig.handle(make_message(caller="stock"))
    assert rig.record.outcome is Outcome.DELIVERED


def test_a_message_that_can_t_be_kept_has_failed(make_stage, make_message):
    """A terminator that can't keep a message says so, after its delay, and counts it as failed."""
    rig = make_stage(delay=Constant(0.5))
    rig.kept.error = OutputFailed("the disk is full")
    with pytest.raises(OutputFailed):
        rig.handle(make_message())
    assert (rig.record.outcome, rig.record.code, rig.record.error) == (Outcome.FAILED, 500, "the disk is full")


def test_a_limit_turns_away_what_is_too_much(make_stage, make_message):
    """Beyond the burst a message is rejected unread, with the whole seconds until there is room for it."""
    rig = make_stage(rate_limit="limit(30/min, burst=2)", delay=Constant(0.0))
    for _ in range(2):
        assert rig.handle(make_message()).outcome is Outcome.DELIVERED

    def read():
        raise AssertionError("it is not to be read")

    with pytest.raises(RateLimited, match=r"this stage takes at most limit\(0\.5/s, burst=2\)") as raised:
        rig.handle(make_message(read=read))
    assert (raised.value.status, raised.value.retry_after_seconds) == (429, 2)
    assert (rig.record.outcome, rig.record.code) == (Outcome.REJECTED, 429)
    rig.time.advance(1.5)
    with pytest.raises(RateLimited) as raised:
        rig.handle(make_message())
    assert raised.value.retry_after_seconds == 1
    rig.time.advance(0.5)
    rig.handle(make_message())
    with pytest.raises(RateLimited):
        rig.handle(make_message())


@given(
    rate=st.integers(1, 50),
    burst=st.none() | st.integers(1, 20),
    gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=60),
)
def test_a_limit_is_never_exceeded(make_stage, make_message, rate, burst, gaps):
    """However messages come, at most the burst and what the rate gives are taken; who waits as told is taken."""
    rig = make_stage(rate_limit=f"limit({rate}/s, burst={burst})" if burst else f"{rate}/s")
    taken = 0
    for gap in gaps:
        rig.time.advance(gap)
        try:
            rig.handle(make_message())
            taken += 1
        except RateLimited:
            pass
        assert taken <= (burst or rate) + rate * rig.time.seconds + 1e-6
    with contextlib.suppress(RateLimited):
        while True:
            rig.handle(make_message())
    with pytest.raises(RateLimited) as raised:
        rig.handle(make_message())
    rig.time.advance(raised.value.retry_after_seconds)
    assert rig.handle(make_message()).outcome is Outcome.DELIVERED


def test_a_deadline_that_passes_in_the_line(make_stage, make_message):
    """A message whose deadline passed while it waited for a worker gets no delay, no fault and no call."""
    rig = make_stage(
        delay=Constant(1.0),
        faults=["memory(1KB)", "error(503, 100%)"],
        calls=("price",),
        workers=1,
    )
    release = rig.time.event("the end of the message before")

    def hold():
        with worker(rig.capacity):
            release.wait()

    def let_go():
        rig.time.pass_time(3.0)
        release.set()

    rig.time.start(hold)
    rig.time.spawn(let_go)
    with pytest.raises(DeadlinePassed):
        rig.handle(make_message(deadline_seconds=3.0))
    assert (rig.record.outcome, rig.record.code, rig.record.queue_wait_seconds) == (Outcome.REJECTED, 504, 3.0)
    assert (rig.sleeps, rig.adapter.requests, rig.record.faults, rig.work.held) == ([], [], (), [])
    assert rig.record.delay_drawn_seconds is None

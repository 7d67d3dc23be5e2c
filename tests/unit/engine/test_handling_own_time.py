"""The delay is the stage's own time: what the stage costs fits into it, and what does not is recorded as overhead."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.distributions import Constant
from simulator.errors import DownstreamFailed, InvalidMessage, RateLimited
from simulator.telemetry.record import FaultTime
from tests.support.stage_rig import worker


def test_what_came_before_the_processing_is_part_of_the_delay(make_stage, make_message):
    """The delay counts from the request's first byte: what was spent on it since then is not slept once more."""
    rig = make_stage(delay=Constant(0.5))
    rig.time.advance(10.0)
    record = rig.handle(make_message(received_at=9.8))
    assert rig.sleeps == pytest.approx([0.3])
    assert (record.duration_seconds, record.overhead_seconds) == pytest.approx((0.5, 0.0))
    assert (record.arrival.received_at, record.processed_seconds) == (9.8, pytest.approx(0.5))


@pytest.mark.parametrize(("left_after", "overhead"), [(0.0, 0.0), (0.25, 0.25)])
def test_a_message_ends_when_its_answer_left(make_stage, make_message, left_after, overhead):
    """Time in which the client, which has the answer, or another process runs first is not the stage's."""

    def leaving(_):
        left_at = rig.time.seconds + left_after
        rig.time.pass_time(2.0)
        return left_at

    rig = make_stage(delay=Constant(0.5))
    record = rig.handle(make_message(leaving=leaving))
    assert (record.duration_seconds, record.overhead_seconds) == (0.5 + left_after, overhead)


def test_the_arrival_is_that_of_the_first_byte_on_both_clocks(make_stage, make_message):
    """What is told of the arrival is the same instant on the clock for durations and on that of the day."""
    rig = make_stage()
    rig.time.advance(10.0)
    message = make_message(received_at=9.75, received_unix_ns=1_700_000_009_750_000_000)
    arrival = rig.handle(message).arrival
    assert (arrival.received_at, arrival.received_unix_ns) == (9.75, 1_700_000_009_750_000_000)


def test_a_stage_that_takes_longer_than_the_delay_does_not_sleep(make_stage, make_message):
    """Where the delay is over before the processing starts nothing is slept, and what it took beyond is overhead."""
    rig = make_stage(delay=Constant(0.25))
    rig.time.advance(1.0)
    record = rig.handle(make_message(received_at=0.0))
    assert rig.sleeps == []
    assert (record.delay_drawn_seconds, record.overhead_seconds) == (0.25, 0.75)
    assert record.processing_seconds == 1.0


def test_waiting_is_no_part_of_the_delay(make_stage, make_message):
    """Neither the wait for the client's bytes nor that for a worker shortens the delay."""
    rig = make_stage(delay=Constant(0.5), workers=1)

    def read():
        rig.time.pass_time(2.0)
        message.exchange.waited_seconds = 2.0
        return b'{"n": 1}'

    message = make_message(read=read)
    with contextlib.ExitStack() as before:
        before.enter_context(worker(rig.capacity))

        def let_go():
            rig.time.pass_time(5.0)
            before.close()

        rig.time.spawn(let_go)
        record = rig.handle(message)
    assert (record.reading_seconds, record.queue_wait_seconds) == (2.0, 3.0)
    assert (record.delay_drawn_seconds, record.processing_seconds, record.overhead_seconds) == (0.5, 0.5, 0.0)
    assert record.duration_seconds == 5.5


def test_the_wait_for_a_body_is_known_where_it_did_not_come(make_stage, make_message):
    """A client that was waited for in vain is no overhead of the stage's."""
    rig = make_stage()

    def read():
        rig.time.pass_time(30.0)
        message.exchange.waited_seconds = 30.0
        raise InvalidMessage("the body did not arrive in time", 408, "Request timeout")

    message = make_message(read=read)
    with pytest.raises(InvalidMessage):
        rig.handle(message)
    assert (rig.record.reading_seconds, rig.record.overhead_seconds, rig.record.duration_seconds) == (30.0, 0.0, 30.0)


def test_a_body_that_nobody_wants_is_the_client_s_time(make_stage, make_message):
    """What a refused client takes to send the rest of its body is time of waiting for it, and no overhead."""
    rig = make_stage(rate_limit="limit(1/s, burst=1)")
    rig.handle(make_message())

    def discard(answer):
        rig.time.pass_time(0.75)
        message.exchange.waited_seconds = 0.75

    message = make_message(leaving=discard)
    with pytest.raises(RateLimited):
        rig.handle(message)
    assert (rig.record.reading_seconds, rig.record.overhead_seconds) == (0.75, 0.0)


def test_a_fault_is_no_part_of_the_delay(make_stage, make_message):
    """What faults take comes on top of the delay, before and after it."""
    rig = make_stage(delay=Constant(0.5), faults=["hang(2s, 100%)", "cpu(1s)"])
    record = rig.handle(make_message())
    assert record.fault_times == (FaultTime("hang", 0.5, 2.0), FaultTime("cpu", 2.5, 1.0))
    assert (record.processing_seconds, record.overhead_seconds, record.duration_seconds) == (0.5, 0.0, 3.5)


def test_the_calls_are_no_part_of_the_delay(make_stage, make_message):
    """The time with other stages, pauses before retries included, is neither the stage's own nor its overhead."""
    answers = iter([(1.0, 503, {}, b""), (1.0, 200, {}, b"")])
    rig = make_stage(
        delay=Constant(0.5),
        calls=[{"to": "price", "retries": "retries(1, backoff=100ms)"}],
        answer=lambda _: next(answers),
    )
    record = rig.handle(make_message())
    (call,) = record.calls
    assert record.downstream_seconds == pytest.approx(call.duration_seconds)
    assert call.duration_seconds > 2.0
    assert (record.processing_seconds, record.overhead_seconds) == pytest.approx((0.5, 0.0))


def costing(rig, seconds):
    """Let each answer of a rig's stage take so much of its own time to leave."""
    return {"leaving": lambda answer: rig.time.pass_time(seconds)}


def test_what_the_answer_takes_is_learned(make_stage, make_message):
    """When each message costs the stage 1 ms after its delay, the delays soon end that much earlier."""
    rig = make_stage(delay=Constant(0.05))
    overheads = [rig.handle(make_message(**costing(rig, 0.001))).overhead_seconds for _ in range(200)]
    assert overheads[0] == pytest.approx(0.001)
    assert overheads[-1] == pytest.approx(0.0, abs=0.00001)
    assert [later <= earlier + 1e-12 for earlier, later in pairwise(overheads)] == [True] * 199


def test_what_differs_ends_rather_late_than_early(make_stage, make_message):
    """Where what a message costs goes up and down, few messages are quicker than their delay, and none by much."""
    rig = make_stage(delay=Constant(0.05))
    overheads = [
        rig.handle(make_message(**costing(rig, 0.0005 + 0.0005 * (number % 2)))).overhead_seconds
        for number in range(400)
    ]
    late, early = (sum(max(0.0, sign * overhead) for overhead in overheads[200:]) for sign in (1, -1))
    assert late / early == pytest.approx(5.0, rel=0.1)
    assert min(overheads) > -0.0002


def test_one_message_that_was_held_up_says_little(make_stage, make_message):
    """After a message that took a second to answer the next one's delay is hardly any shorter."""
    rig = make_stage(delay=Constant(0.05))
    rig.handle(make_message(**costing(rig, 1.0)))
    record = rig.handle(make_message())
    assert -0.00005 - 1e-9 <= record.overhead_seconds < 0.0


@pytest.mark.parametrize("delay", [0.0, 0.0001])
def test_a_delay_that_is_shorter_than_the_cost(make_stage, make_message, delay):
    """A stage that costs more than its delay is as quick as it can be, and tells the rest as overhead."""
    rig = make_stage(delay=Constant(delay))
    records = [rig.handle(make_message(**costing(rig, 0.0004))) for _ in range(100)]
    assert rig.time.sleeps[50:] == []
    assert records[-1].overhead_seconds == pytest.approx(0.0004 - delay)


def with_delay(rig, seconds):
    """Change the delay of a rig's stage."""
    behaviour = rig.handling.behaviour
    rig.handling.behaviour = replace(behaviour, model=replace(behaviour.model, delay=Constant(seconds)))


def test_a_stage_without_a_delay_learns_nothing(make_stage, make_message):
    """However many messages cost more than there was to wait for, the next delay that is long enough is right."""
    rig = make_stage(delay=Constant(0.0))
    for _ in range(500):
        rig.handle(make_message(**costing(rig, 0.001)))
    with_delay(rig, 0.05)
    assert rig.handle(make_message(**costing(rig, 0.001))).overhead_seconds == pytest.approx(0.001)


def test_what_was_learned_in_bad_times_is_unlearned(make_stage, make_message):
    """A stage that has learned that answers take long finds back, also where its delay is shorter than that."""
    rig = make_stage(delay=Constant(0.1))
    for _ in range(400):
        rig.handle(make_message(**costing(rig, 0.02)))
    with_delay(rig, 0.001)
    overheads = [rig.handle(make_message(**costing(rig, 0.0))).overhead_seconds for _ in range(100)]
    assert overheads[0] == pytest.approx(-0.001)
    assert overheads[-1] == pytest.approx(0.0, abs=0.00001)


def test_messages_that_fail_teach_nothing(make_stage, make_message):
    """What a failed message costs is not what a good one does."""
    rig = make_stage(delay=Constant(0.05), calls=["price"], answer=lambda _: (500, {}, b""))
    for _ in range(50):
        with pytest.raises(DownstreamFailed):
            rig.handle(make_message(**costing(rig, 0.002)))
    rig.adapter.answer = lambda _: (200, {}, b"")
    assert rig.handle(make_message(**costing(rig, 0.002))).overhead_seconds == pytest.approx(0.002)


def up_to(milliseconds):
    """Return a strategy for times, to the microsecond."""
    return st.integers(0, 1000 * milliseconds).map(lambda microseconds: microseconds / 1e6)


@given(drawn=up_to(100), before=up_to(50), after=up_to(10), hang=st.booleans(), away=up_to(500))
def test_every_record_adds_up(make_stage, make_message, drawn, before, after, hang, away):
    """Waiting, faults, calls, the drawn delay and the overhead are together as long as the message took."""
    rig = make_stage(
        delay=Constant(drawn),
        faults=["hang(1s, 100%)"] if hang else [],
        calls=["price"],
        answer=lambda _: (away, 200, {}, b""),
    )
    for number in range(3):
        received_at = rig.time.now()
        rig.time.advance(before)
        record = rig.handle(make_message(received_at=received_at, message_id=f"m-{number}", **costing(rig, after)))
        waited = record.reading_seconds + record.queue_wait_seconds
        parts = waited + record.fault_seconds + record.downstream_seconds
        assert record.duration_seconds == pytest.approx(parts + record.delay_drawn_seconds + record.overhead_seconds)
        assert record.own_seconds == pytest.approx(record.delay_drawn_seconds + record.overhead_seconds)
        assert record.downstream_seconds == pytest.approx(away, abs=1e-9)
        assert record.fault_seconds == pytest.approx(1.0 if hang else 0.0)
        assert record.overhead_seconds == pytest.approx(max(after, before + after - drawn), abs=0.0003)

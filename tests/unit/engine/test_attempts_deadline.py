"""The deadline of a call: how it is told, and what is not begun or waited for beyond it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import DeadlinePassed, DownstreamFailed, DownstreamTooSlow, MessageError
from simulator.telemetry.record import CallOutcome, Outcome
from tests.support.attempts import TIMEOUT, calling, in_turn
from tests.support.stage_rig import worker


def test_no_deadline_no_header(make_stage, make_message):
    """Without a deadline nothing is said of one, and each attempt has the whole timeout."""
    rig = calling(make_stage, 503, 200, retries=1, timeout="3s")
    rig.handle(make_message())
    assert rig.adapter.timeouts == [3.0, 3.0]
    assert all("X-Simulator-Deadline" not in request.headers for request in rig.adapter.requests)


def test_the_deadline_on_the_wire(make_stage, make_message):
    """Each attempt says how long the answer is waited for in all, which is less with every attempt."""
    rig = calling(make_stage, (2.0, 503), (3.0, 503), 200, retries="retries(5, backoff=1ms)", deadline="10s")
    rig.handle(make_message())
    told = [request.headers["X-Simulator-Deadline"] for request in rig.adapter.requests]
    assert told == [f"{10.0 - moment:.6f}" for moment in rig.adapter.moments]
    assert float(told[0]) == 10.0
    assert float(told[2]) == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize(
    ("of_call", "of_caller", "deadline"),
    [("5s", None, 5.0), ("5s", 3.0, 3.0), ("5s", 9.0, 5.0), (None, 3.0, 3.0)],
)
def test_the_nearest_deadline_counts(make_stage, make_message, of_call, of_caller, deadline):
    """A call ends by its own deadline or by that of the caller of this stage, whichever is sooner."""
    call = {"to": "price", **({"deadline": of_call} if of_call else {})}
    rig = make_stage(calls=[call], answer=in_turn((60.0, 200)))
    with pytest.raises(DownstreamTooSlow):
        rig.handle(make_message(deadline_seconds=of_caller))
    (request,) = rig.adapter.requests
    assert float(request.headers["X-Simulator-Deadline"]) == deadline
    assert rig.adapter.timeouts == [deadline]
    assert rig.record.duration_seconds == deadline
    assert rig.record.calls[0].outcome is TIMEOUT


def test_the_deadline_of_a_call_begins_with_the_call(make_stage, make_message):
    """The processing counts for the caller's deadline, but not for that of a call."""
    from simulator.behaviour.distributions import Constant

    rig = make_stage(calls=[{"to": "price", "deadline": "4s"}], delay=Constant(2.0))
    rig.handle(make_message(deadline_seconds=5.0))
    assert rig.adapter.timeouts == [3.0]
    rig.handle(make_message(deadline_seconds=50.0))
    assert rig.adapter.timeouts[1:] == [4.0]


def test_a_timeout_is_cut_to_the_rest_of_the_deadline(make_stage, make_message):
    """An attempt waits no longer than the rest of the deadline, and after it there is no other."""
    rig = calling(make_stage, (9.0, 200), retries="retries(9, backoff=1ms)", timeout="4s", deadline="10s")
    with pytest.raises(DownstreamTooSlow):
        rig.handle(make_message())
    (call,) = rig.record.calls
    assert rig.adapter.timeouts == pytest.approx([4.0, 4.0, 2.0], abs=0.01)
    assert call.duration_seconds == pytest.approx(10.0)
    assert [attempt.outcome for attempt in call.attempts] == [TIMEOUT] * 3
    assert call.outcome is TIMEOUT


def test_no_pause_beyond_the_deadline(make_stage, make_message):
    """A retry whose pause would end after the deadline is not waited for."""
    rig = calling(make_stage, 503, retries="retries(9, backoff=10min)", deadline="2s")
    with pytest.raises(DownstreamFailed, match="it answered 503"):
        rig.handle(make_message())
    assert (rig.sleeps, rig.time.seconds, len(rig.adapter.requests)) == ([], 0.0, 1)


@given(
    deadline_ms=st.integers(1, 5000),
    timeout_ms=st.integers(1, 5000),
    retries=st.integers(1, 6),
    seconds=st.lists(st.floats(0, 3), min_size=1, max_size=8),
)
@settings(max_examples=80)
def test_a_call_never_outlasts_its_deadline(make_stage, make_message, deadline_ms, timeout_ms, retries, seconds):
    """However long the answers take, a call with its attempts and pauses ends by its deadline."""
    rig = calling(
        make_stage,
        *[(wait, 503) for wait in seconds],
        retries=f"retries({retries}, backoff=200ms)",
        timeout=f"{timeout_ms}ms",
        deadline=f"{deadline_ms}ms",
    )
    with suppress(MessageError):
        rig.handle(make_message())
    # The least that is left to an attempt is a millisecond.
    assert rig.record.calls[0].duration_seconds <= deadline_ms / 1e3 + 0.001 + 1e-9
    assert all(wait <= timeout_ms / 1e3 for wait in rig.adapter.timeouts)
    assert 1 <= len(rig.adapter.requests) <= retries + 1


def answering_just_then(make_stage, calls, seconds, status):
    """Make a stage that learns of its first answer after a time in which its process did nothing else.

    So it has no time to notice before that the deadline has passed.
    """
    rig = make_stage(calls=calls)

    def answer(request):
        if len(rig.adapter.requests) == 1:
            rig.time.advance(seconds)
        return status, {}, b""

    rig.adapter.answer = answer
    return rig


@pytest.mark.parametrize("calls", [["a", "b"], [{"parallel": ["a", "b"], "limit": 1}]])
def test_no_try_after_the_deadline(make_stage, make_message, calls):
    """A call that starts after the deadline expires without an attempt, and the message with it."""
    rig = answering_just_then(make_stage, calls, 3.0, 200)
    with pytest.raises(DownstreamTooSlow, match="b: its deadline has passed"):
        rig.handle(make_message(deadline_seconds=3.0))
    assert rig.adapter.names == ["a"]
    expired = rig.record.calls[1]
    assert (expired.outcome, expired.attempts, expired.code) == (CallOutcome.EXPIRED, (), None)
    assert (expired.injected, expired.duration_seconds) == (False, 0.0)
    assert (rig.record.outcome, rig.record.code) == (Outcome.FAILED, 504)


@pytest.mark.parametrize(("seconds", "error", "code"), [(2.9, DownstreamFailed, 502), (3.0, DownstreamTooSlow, 504)])
def test_an_error_after_the_deadline_is_lateness(make_stage, make_message, seconds, error, code):
    """If a downstream gives up and the caller learns of it before its own deadline, both have the same outcome."""
    rig = answering_just_then(make_stage, ["price"], seconds, 504)
    with pytest.raises(error):
        rig.handle(make_message(deadline_seconds=3.0))
    call = rig.record.calls[0]
    assert (call.outcome, call.code) == (CallOutcome.ERROR_STATUS, 504)
    assert (rig.record.outcome, rig.record.code) == (Outcome.FAILED, code)


def test_an_expired_call_may_be_optional(make_stage, make_message):
    """A call that is optional may expire too."""
    rig = answering_just_then(make_stage, ["a", {"to": "b", "optional": True}], 3.0, 200)
    assert rig.handle(make_message(deadline_seconds=3.0)).outcome is Outcome.FORWARDED


@pytest.mark.parametrize("left", [0.0, -0.001, -1e6])
def test_a_message_that_comes_too_late_costs_nothing(make_stage, make_message, left):
    """A message that nobody waits for any more gets no worker, no delay, no fault and no call."""
    from simulator.behaviour.distributions import Constant

    rig = make_stage(delay=Constant(1.0), faults=["error(503, 100%)"], calls=["price"], workers=1, queue=0)
    with pytest.raises(DeadlinePassed) as raised, worker(rig.capacity):
        rig.handle(make_message(deadline_seconds=left))
    assert (raised.value.status, raised.value.retry_after_seconds) == (504, None)
    assert (rig.sleeps, rig.adapter.requests, rig.record.faults) == ([], [], ())
    assert (rig.record.outcome, rig.record.code) == (Outcome.REJECTED, 504)
    assert (rig.record.queue_wait_seconds, rig.record.arrival.deadline_seconds) == (None, left)


def test_a_body_that_took_too_long_to_come(make_stage, make_message):
    """A deadline that passed while the body was read is passed as well."""
    rig = make_stage()

    def read():
        rig.time.advance(2.0)
        return b"x"

    with pytest.raises(DeadlinePassed):
        rig.handle(make_message(content_type="text/plain", read=read, deadline_seconds=2.0))
    assert rig.kept.messages == []

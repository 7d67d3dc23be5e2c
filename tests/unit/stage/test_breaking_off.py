"""A stage that must end breaks off what is not done: each message is told as such, and none as a genuine failure."""

from __future__ import annotations

import pytest

from simulator.behaviour.distributions import Constant
from simulator.errors import BrokenOff, InjectedFault
from simulator.telemetry.record import CallOutcome, Outcome


def broken_off(rig, message, after_seconds):
    """Handle a message and break it off after a time; return the error of its handling."""

    def handle():
        try:
            rig.handle(message)
        except (BrokenOff, InjectedFault) as error:
            return error

    task = rig.time.start(handle)
    rig.time.wait_for_one([task], after_seconds)
    assert rig.handling.under_way == 1
    assert rig.handling.break_off() == 1
    error = task.result()
    assert (rig.handling.under_way, rig.capacity.inside, rig.handling.break_off()) == (0, 0, 0)
    return error


def slow(request):
    return 60.0, 200, {}, b"{}"


def test_a_message_in_its_delay(make_stage, make_message):
    """It gets 503 and the outcome `broken_off`, which is neither a failure nor a fault."""
    rig = make_stage(delay=Constant(60.0))
    error = broken_off(rig, make_message(), 2.0)
    assert (error.status, error.injected, str(error)) == (
        503,
        False,
        "the stage had to end before this message was done",
    )
    assert (rig.record.outcome, rig.record.code) == (Outcome.BROKEN_OFF, 503)
    assert rig.record.duration_seconds == 2.0


@pytest.mark.parametrize("fault", ["hang(168h, 100%)", "cpu(168h, 100%)"])
def test_a_message_that_a_fault_holds(make_stage, make_message, fault):
    """What was injected is told as injected, with the time that the fault took until then."""
    rig = make_stage(faults=[fault])
    rig.work.burn = None
    error = broken_off(rig, make_message(), 2.0)
    name = fault.partition("(")[0]
    assert (rig.record.outcome, rig.record.faults, rig.record.fault_seconds) == (Outcome.FAULTED, (name,), 2.0)
    assert str(error) == f"the fault {name} was injected here: the stage had to end before it was over"


@pytest.mark.parametrize(
    "calls",
    [
        ["enrich"],
        [{"to": "enrich", "retries": 3}],
        [{"to": "enrich", "breaker": "breaker(failures=1, reset=1s)"}],
        [{"to": "enrich", "optional": True}],
        [{"to": "enrich", "fallback": "archive"}],
    ],
)
def test_a_message_in_a_call(make_stage, make_message, calls):
    """The attempt under way ends as abandoned, so that no attempt is without an end, and no other one is made."""
    rig = make_stage(calls=calls, answer=slow)
    broken_off(rig, make_message(), 2.0)
    assert rig.record.outcome is Outcome.BROKEN_OFF
    assert rig.tried == [(1, CallOutcome.ABANDONED, None)]
    assert rig.hearer.begun == ["enrich"]


def test_a_message_in_hedged_attempts(make_stage, make_message):
    """Both of two hedged attempts end as abandoned."""
    rig = make_stage(calls=[{"to": "enrich", "hedge": "1s"}], answer=slow)
    broken_off(rig, make_message(), 2.0)
    assert rig.record.outcome is Outcome.BROKEN_OFF
    assert rig.tried == [(1, CallOutcome.ABANDONED, None), (2, CallOutcome.ABANDONED, None)]


def test_a_message_in_a_group(make_stage, make_message):
    """Every attempt of a parallel group ends, those that were answered as they were."""
    answers = {"price": (1.0, 200, {}, b"{}")}
    rig = make_stage(
        calls=[{"parallel": ["price", "stock", ["reviews", "archive"]]}],
        answer=lambda request: next((answers[n] for n in answers if n in request.url), slow(request)),
    )
    broken_off(rig, make_message(), 2.0)
    assert rig.record.outcome is Outcome.BROKEN_OFF
    assert sorted(rig.hearer.begun) == ["price", "reviews", "stock"]
    assert sorted(outcome for _, outcome, _ in rig.tried) == ["abandoned", "abandoned", "ok"]

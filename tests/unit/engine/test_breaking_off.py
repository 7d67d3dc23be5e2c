"""A stage that stops breaks off what is not done: each message is recorded as such, and none as a genuine failure."""

from __future__ import annotations

import pytest
from greenlet import GreenletExit

from simulator.behaviour.distributions import Constant
from simulator.errors import BrokenOff, InjectedFault
from simulator.telemetry.record import CallOutcome, Outcome
from tests.support.attempts import INJECTED
from tests.support.calls import host
from tests.support.stage_rig import worker


def broken_off(rig, message, after_seconds):
    """Handle a message and break it off after a time; return the error of its handling."""

    def handle():
        try:
            rig.handle(message)
        except (BrokenOff, InjectedFault) as error:
            return error

    task = rig.time.start(handle)
    rig.time.wait_any([task], after_seconds)
    assert rig.handling.in_flight == 1
    assert rig.handling.break_off() == 1
    error = task.result()
    assert (rig.handling.in_flight, rig.capacity.inside, rig.handling.break_off()) == (0, 0, 0)
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
        "the stage was stopped before this message was done",
    )
    assert (rig.record.outcome, rig.record.code) == (Outcome.BROKEN_OFF, 503)
    assert rig.record.duration_seconds == 2.0


@pytest.mark.parametrize("fault", ["hang(168h, 100%)", "cpu(168h, 100%)"])
def test_a_message_that_a_fault_holds(make_stage, make_message, fault):
    """What was injected is recorded as injected, with the time that the fault took until then."""
    rig = make_stage(faults=[fault])
    error = broken_off(rig, make_message(), 2.0)
    name = fault.partition("(")[0]
    assert (rig.record.outcome, rig.record.faults, rig.record.fault_seconds) == (Outcome.FAULTED, (name,), 2.0)
    assert str(error) == f"the fault {name} was injected here: the stage was stopped before it was over"


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
    """The attempt in flight ends as abandoned, so that no attempt is without an end, and no other one is made."""
    rig = make_stage(calls=calls, answer=slow)
    broken_off(rig, make_message(), 2.0)
    assert rig.record.outcome is Outcome.BROKEN_OFF
    assert rig.tried == [(1, CallOutcome.ABANDONED, None)]
    assert rig.sink.started == ["enrich"]


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
    assert sorted(rig.sink.started) == ["price", "reviews", "stock"]
    assert sorted(outcome for _, outcome, _ in rig.tried) == ["abandoned", "abandoned", "ok"]


def withheld(*names):
    """Return an answer that takes a minute, of which some stages warn."""

    def answer(request):
        if host(request) in names:
            request.on_interim(INJECTED)
        return slow(request)

    return answer


@pytest.mark.parametrize(
    ("calls", "names", "outcome"),
    [
        (["a"], "a", Outcome.FAULTED),
        (["a"], "", Outcome.BROKEN_OFF),
        ([{"to": "a", "hedge": "1s"}], "a", Outcome.FAULTED),
        ([{"to": "a", "hedge": "1s"}], "", Outcome.BROKEN_OFF),
        ([{"to": "a", "hedge": "30s"}], "a", Outcome.FAULTED),
        ([{"parallel": ["a", "b"]}], "ab", Outcome.FAULTED),
        ([{"parallel": ["a", "b"]}], "a", Outcome.BROKEN_OFF),
        ([{"parallel": ["a", {"to": "b", "hedge": "1s"}]}], "ab", Outcome.FAULTED),
    ],
)
def test_a_message_that_waits_for_a_fault_further_down(make_stage, make_message, calls, names, outcome):
    """If all that a message waits for is withheld by injected faults, it and its attempts are recorded as faulted."""
    rig = make_stage(calls=calls, answer=withheld(*names), calls_stages=True)
    error = broken_off(rig, make_message(), 2.0)
    assert (rig.record.outcome, error.injected) == (outcome, outcome is Outcome.FAULTED)
    attempted = {(downstream, attempt.injected) for downstream, attempt, _ in rig.sink.attempts}
    assert attempted == {(downstream, downstream in names) for downstream, _ in attempted}


def test_what_has_ended_of_a_group_does_not_count(make_stage, make_message):
    """Only what a broken-off group still waited for says whether that was injected."""

    def answer(request):
        return (1.0, 200, {}, b"") if host(request) == "b" else withheld("a")(request)

    rig = make_stage(calls=[{"parallel": ["a", "b"]}], answer=answer, calls_stages=True)
    broken_off(rig, make_message(), 2.0)
    assert rig.record.outcome is Outcome.FAULTED


def test_a_message_in_the_line(make_stage, make_message):
    """One that waits for a worker leaves the line."""
    rig = make_stage(workers=1, queue=1)
    with worker(rig.capacity):
        task = rig.time.start(lambda: rig.handling.handle(make_message()))
        assert rig.capacity.waiting == 1
        assert rig.handling.break_off() == 1
        record = task.result()
        assert (rig.capacity.busy, rig.capacity.waiting) == (1, 0)
    assert (record.outcome, record.code, record.queue_wait_seconds) == (Outcome.BROKEN_OFF, 503, None)


def test_a_message_whose_body_still_comes(make_stage, make_message):
    """One of which not all has come is told that the stage ends."""
    rig = make_stage()
    error = broken_off(rig, make_message(read=lambda: rig.time.pass_time(60.0)), 2.0)
    assert (rig.record.outcome, error.status) == (Outcome.BROKEN_OFF, 503)


def test_a_message_in_the_pause_before_a_retry(make_stage, make_message):
    """One that waits for a retry makes none."""
    call = {"to": "enrich", "retries": "retries(1, backoff=10min, max=1h)"}
    rig = make_stage(calls=[call], answer=lambda _: (503, {}, b""))
    broken_off(rig, make_message(), 0.001)
    assert (rig.record.outcome, len(rig.adapter.requests)) == (Outcome.BROKEN_OFF, 1)


@pytest.mark.parametrize(
    ("faults", "outcome", "fault_seconds"),
    [(["slow_body(20B/s, 100%)"], Outcome.FAULTED, 2.0), ([], Outcome.BROKEN_OFF, 0.0)],
)
def test_a_message_whose_answer_is_leaving(make_stage, make_message, faults, outcome, fault_seconds):
    """One whose client does not have the whole answer was not done; it is faulted if a fault slows the answer."""
    rig, released = make_stage(faults=faults), []
    message = make_message(
        leaving=lambda answer: rig.time.pass_time(60.0), release=lambda: released.append(rig.capacity.busy)
    )
    task = rig.time.start(lambda: rig.handling.handle(message))
    rig.time.pass_time(2.0)
    assert rig.handling.break_off() == 1
    record = task.result()
    assert (record.outcome, record.code, record.fault_seconds) == (outcome, 503, fault_seconds)
    assert record.duration_seconds == 2.0
    assert (len(message.exchange.answers), released, rig.capacity.inside) == (1, [1], 0)


def test_many_messages_at_once(make_stage, make_message):
    """Every message that is not done is broken off, and those that are done already are left alone."""
    rig = make_stage(delay=Constant(10.0), workers=3, queue=2)
    tasks = []
    for _ in range(5):
        tasks.append(rig.time.start(lambda: rig.handling.handle(make_message())))
        rig.time.pass_time(1.0)
    rig.time.pass_time(5.5)
    assert rig.handling.break_off() == 4
    outcomes = [task.result().outcome for task in tasks]
    assert outcomes == [Outcome.DELIVERED, *[Outcome.BROKEN_OFF] * 4]
    assert (rig.handling.in_flight, rig.capacity.inside) == (0, 0)


@pytest.mark.parametrize("reason", [GreenletExit(), KeyboardInterrupt(), SystemExit()])
def test_what_ends_the_process_is_answered_too(make_stage, make_message, reason):
    """A message that is interrupted by the end of everything is answered and recorded as one that was broken off."""
    rig, message = make_stage(delay=Constant(60.0)), make_message()
    task = rig.time.start(lambda: rig.handling.handle(message))
    rig.time.pass_time(2.0)
    rig.time.interrupt(task.greenlet, reason)
    assert task.result().outcome is Outcome.BROKEN_OFF
    assert [type(answer.error) for answer in message.exchange.answers] == [BrokenOff]


def test_what_ends_the_process_while_an_answer_leaves(make_stage, make_message):
    """Also then there is a record, and nothing is held any more; what ends it is not kept back."""
    rig = make_stage()
    message = make_message(leaving=lambda answer: rig.time.pass_time(60.0))

    def handle():
        with pytest.raises(GreenletExit):
            rig.handling.handle(message)

    task = rig.time.start(handle)
    rig.time.pass_time(2.0)
    rig.time.interrupt(task.greenlet, GreenletExit())
    task.result()
    assert [(record.outcome, record.code) for record in rig.sink.records] == [(Outcome.BROKEN_OFF, 503)]
    assert (rig.capacity.inside, rig.handling.in_flight) == (0, 0)

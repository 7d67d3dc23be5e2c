"""Observing: whatever happens to a message, one record is made and each sink is told once."""

from __future__ import annotations

import contextlib

import pytest

from simulator.errors import (
    BrokenOff,
    DeadlinePassed,
    DownstreamFailed,
    DownstreamTooSlow,
    InjectedFault,
    InvalidMessage,
    KeepingFailed,
    MessageError,
    RateLimited,
    Rejected,
)
from simulator.telemetry.observe import Observer, outcome_of
from simulator.telemetry.record import (
    OUTSIDE,
    Arrival,
    Attempt,
    CallOutcome,
    CallRecord,
    Clock,
    FaultTime,
    Outcome,
    TraceIds,
    Via,
)

ENDINGS = [
    (InvalidMessage("the body is empty"), Outcome.INVALID, 400),
    (InvalidMessage("too much", 413, "Content too large"), Outcome.INVALID, 413),
    (Rejected("no room"), Outcome.REJECTED, 503),
    (RateLimited("5/s and no more", 2), Outcome.REJECTED, 429),
    (DeadlinePassed("nobody waits for it"), Outcome.REJECTED, 504),
    (InjectedFault("error", 503), Outcome.FAULTED, 503),
    (InjectedFault("error", 418), Outcome.FAULTED, 418),
    (InjectedFault("reset", None), Outcome.FAULTED, None),
    (DownstreamFailed("enrich: it answered 500"), Outcome.FAILED, 502),
    (DownstreamFailed("enrich: it answered 503", injected=True), Outcome.FAULTED, 502),
    (DownstreamTooSlow("enrich: no answer within 1 s"), Outcome.FAILED, 504),
    (DownstreamTooSlow("enrich: no answer within 1 s", injected=True), Outcome.FAULTED, 504),
    (KeepingFailed("the disk is full"), Outcome.FAILED, 500),
    (BrokenOff(), Outcome.BROKEN_OFF, 503),
    (BrokenOff(injected=True), Outcome.FAULTED, 503),
]


class Hearer:
    """A sink that writes down everything it is told."""

    def __init__(self):
        self.heard = []

    def received(self, arrival):
        self.heard.append(("received", arrival))

    def injected(self, arrival, fault):
        self.heard.append(("injected", arrival, fault))

    def sending(self, downstream):
        self.heard.append(("sending", downstream))

    def attempted(self, arrival, downstream, attempt, retry_in_seconds):
        self.heard.append(("attempted", arrival, downstream, attempt, retry_in_seconds))

    def sent(self, arrival, call):
        self.heard.append(("sent", arrival, call))

    def handled(self, record):
        self.heard.append(("handled", record))

    @property
    def records(self):
        return [told[1] for told in self.heard if told[0] == "handled"]


class Time:
    """A clock that stands still until it is moved; quarters and eighths of a second keep the sums exact."""

    def __init__(self):
        self.seconds = 0.0

    def pass_(self, seconds):
        self.seconds += seconds

    @property
    def clock(self):
        return Clock(lambda: 100.0 + self.seconds, lambda: 1_700_000_000_000_000_000 + int(self.seconds * 1e9))


def arrival(due_at=100.0):
    trace = TraceIds("0" * 31 + "1", "0" * 15 + "2", "03", True)
    return Arrival(
        "m-1",
        "0",
        OUTSIDE,
        Via.HTTP,
        "text/plain",
        7,
        1_700_000_000.0,
        due_at,
        1_700_000_000_000_000_000,
        100.0,
        trace,
    )


def observe(*sinks, time=None):
    return Observer(sinks, (time or Time()).clock)


def called(name, seconds=1.0):
    return CallRecord(name, (Attempt(CallOutcome.OK, 200, seconds),), seconds, CallOutcome.OK, 200)


def test_each_sink_hears_once_of_the_arrival_and_once_of_the_same_record():
    """A message that goes well is told to every sink once when it comes and once, as one record, when it ends."""
    hearers = [Hearer(), Hearer(), Hearer()]
    came = arrival()
    with observe(*hearers).observing(came) as seen:
        assert [hearer.heard for hearer in hearers] == [[("received", came)]] * 3
        seen.ended(Outcome.FORWARDED)
    assert [[told[0] for told in hearer.heard] for hearer in hearers] == [["received", "handled"]] * 3
    assert {id(hearer.records[0]) for hearer in hearers} == {id(seen.record)}


@pytest.mark.parametrize(("error", "outcome", "code"), ENDINGS, ids=lambda value: str(value)[:40])
def test_an_error_with_a_name_becomes_its_outcome_and_flies_on(error, outcome, code):
    """Every error of the tree ends in one record with its outcome, code and text, and is raised on."""
    first, second = Hearer(), Hearer()
    with pytest.raises(MessageError) as flown, observe(first, second).observing(arrival()):
        raise error
    assert flown.value is error
    assert len(first.records) == len(second.records) == 1
    record = first.records[0]
    assert (record.outcome, record.code, record.error) == (outcome, code, str(error))
    assert outcome_of(error) is outcome


@pytest.mark.parametrize("error", [ValueError("no such key"), RuntimeError(""), KeyboardInterrupt(), SystemExit(3)])
def test_an_unknown_exception_is_a_failure_and_flies_on(error):
    """An exception that nobody foresaw ends in one record, failed with 500, and is raised on."""
    first, second = Hearer(), Hearer()
    with pytest.raises(type(error)) as flown, observe(first, second).observing(arrival()):
        raise error
    assert flown.value is error
    assert len(first.records) == len(second.records) == 1
    record = first.records[0]
    assert (record.outcome, record.code, record.faults) == (Outcome.FAILED, 500, ())
    assert record.error == f"{type(error).__name__}: {error}"


def test_an_error_after_a_good_end_decides():
    """What flies after the end was noted, as from a keeper that fails late, is what the record says."""
    hearer = Hearer()
    with pytest.raises(KeepingFailed), observe(hearer).observing(arrival()) as seen:
        seen.ended(Outcome.DELIVERED)
        raise KeepingFailed("full")
    assert [(record.outcome, record.code) for record in hearer.records] == [(Outcome.FAILED, 500)]


def test_the_outcomes_are_exactly_those_that_errors_and_good_ends_can_give():
    """Every outcome of the closed set can come about, and no error gives one outside it."""
    assert {outcome for _, outcome, _ in ENDINGS} | {Outcome.DELIVERED, Outcome.FORWARDED} == set(Outcome)


def test_the_durations_are_exact():
    """Reading, waiting, processing, calls and the whole are each exactly what the clock said."""
    time, hearer = Time(), Hearer()
    with observe(hearer, time=time).observing(arrival()) as seen:
        time.pass_(0.125)
        seen.admitted()
        time.pass_(0.5)
        seen.waited(0.5)
        time.pass_(0.25)
        seen.processed(0.21875, 0.25, "uniform(5ms, 50ms)", 0.75)
        seen.suffered("hang", 100.0 + time.seconds, 0.5)
        time.pass_(0.5)
        for name, seconds in (("price", 1.0), ("stock", 2.0)):
            time.pass_(seconds)
            seen.called(called(name, seconds))
        seen.sent_on(3.0)
        time.pass_(0.0625)
        seen.ended(Outcome.FORWARDED)
    (record,) = hearer.records
    assert record.admission_seconds == 0.125
    assert record.queue_wait_seconds == 0.5
    assert (record.delay_drawn_seconds, record.processing_seconds) == (0.21875, 0.25)
    assert (record.delay_spec, record.utilisation) == ("uniform(5ms, 50ms)", 0.75)
    assert (record.fault_seconds, record.downstream_seconds) == (0.5, 3.0)
    assert record.duration_seconds == 0.125 + 0.5 + 0.25 + 0.5 + 3.0 + 0.0625
    assert [call.downstream for call in record.calls] == ["price", "stock"]


def test_the_whole_way_is_measured_where_a_message_is_delivered():
    """A delivered message's way is counted from its due time; one that goes on, or fails, has not come to its end,
    and one of which nothing credible is known has no duration.
    """
    time, hearer = Time(), Hearer()
    observer = observe(hearer, time=time)
    time.pass_(2.5)
    with observer.observing(arrival(due_at=99.0)) as seen:
        seen.ended(Outcome.DELIVERED)
    with observer.observing(arrival(due_at=None)) as seen:
        seen.ended(Outcome.DELIVERED)
    with observer.observing(arrival()) as seen:
        seen.ended(Outcome.FORWARDED)
    with pytest.raises(Rejected), observer.observing(arrival()):
        raise Rejected("no room")
    assert [record.pipeline_seconds for record in hearer.records] == [3.5, None, None, None]


def test_what_was_not_reached_is_not_there():
    """A message turned away before it got a worker has neither a wait nor a delay, but a duration."""
    time, hearer = Time(), Hearer()
    with pytest.raises(InvalidMessage), observe(hearer, time=time).observing(arrival()):
        time.pass_(0.375)
        raise InvalidMessage("not JSON")
    (record,) = hearer.records
    assert (record.queue_wait_seconds, record.delay_drawn_seconds, record.pipeline_seconds) == (None, None, None)
    assert (record.processing_seconds, record.downstream_seconds, record.calls) == (0.0, 0.0, ())
    assert record.duration_seconds == 0.375


def test_a_call_is_told_as_it_begins_and_as_it_ends():
    """The sinks hear of each try before and after it and then of the call, and the record has the call too."""
    hearer = Hearer()
    came = arrival()
    broken, good = Attempt(CallOutcome.BROKEN, None, 0.25), Attempt(CallOutcome.OK, 200, 0.5, number=2)
    call = CallRecord("price", (broken, good), 1.0, CallOutcome.OK, 200)
    with observe(hearer).observing(came) as seen:
        seen.sending("price")
        seen.attempted("price", broken, 0.25)
        seen.sending("price")
        seen.attempted("price", good, None)
        seen.called(call)
        seen.ended(Outcome.FORWARDED)
    assert hearer.heard == [
        ("received", came),
        ("sending", "price"),
        ("attempted", came, "price", broken, 0.25),
        ("sending", "price"),
        ("attempted", came, "price", good, None),
        ("sent", came, call),
        ("handled", seen.record),
    ]
    assert seen.record.calls == (call,)


def test_two_messages_under_way_do_not_mix():
    """What is noted of one message never shows in the record of another that is handled at the same time."""
    hearer = Hearer()
    observer = observe(hearer)
    with observer.observing(arrival()) as outer, pytest.raises(Rejected), observer.observing(arrival()) as inner:
        inner.waited(0.25)
        raise Rejected("no room")
    assert outer.record.queue_wait_seconds is None
    assert (inner.record.queue_wait_seconds, inner.record.outcome) == (0.25, Outcome.REJECTED)


def test_calls_at_the_same_time_count_once():
    """Two calls that are under way at the same time add to the message's time what the clock says, not their sum."""
    hearer = Hearer()
    with observe(hearer).observing(arrival()) as seen:
        seen.called(called("price", 2.0))
        seen.called(called("stock", 1.5))
        seen.sent_on(2.0)
        seen.ended(Outcome.FORWARDED)
    assert seen.record.downstream_seconds == 2.0
    assert [call.duration_seconds for call in seen.record.calls] == [2.0, 1.5]


def test_each_fault_is_told_as_it_strikes():
    """Every sink hears of each fault at once, while the message is still handled, and the record has all in order."""
    hearers = [Hearer(), Hearer()]
    came = arrival()
    with observe(*hearers).observing(came) as seen:
        for number, fault in enumerate(("memory", "hang", "hang"), 1):
            seen.struck(fault)
            for hearer in hearers:
                assert hearer.heard[-1] == ("injected", came, fault)
                assert len(hearer.heard) == 1 + number
        seen.ended(Outcome.FORWARDED)
    assert seen.record.faults == ("memory", "hang", "hang")
    assert (seen.record.outcome, seen.record.code) == (Outcome.FORWARDED, 200)


def test_a_fault_that_ends_the_message_stands_beside_those_before_it():
    """Where several faults strike and the last ends the message, the record names them all and fails by the last."""
    hearer = Hearer()
    with pytest.raises(InjectedFault), observe(hearer).observing(arrival()) as seen:
        seen.struck("cpu")
        seen.struck("reset")
        raise InjectedFault("reset", None)
    (record,) = hearer.records
    assert (record.outcome, record.code, record.faults) == (Outcome.FAULTED, None, ("cpu", "reset"))
    assert record.error == "the fault reset was injected here"
    assert [told[0] for told in hearer.heard] == ["received", "injected", "injected", "handled"]


def test_the_time_of_each_fault_is_exact():
    """A fault that takes time is recorded from how long after the arrival it began, and for how long it went on."""
    time, hearer = Time(), Hearer()
    with observe(hearer, time=time).observing(arrival()) as seen:
        for fault, before, seconds in (("hang", 0.125, 0.5), ("cpu", 0.25, 0.0625)):
            time.pass_(before)
            begin = time.clock.monotonic()
            time.pass_(seconds)
            seen.suffered(fault, begin, seconds)
        seen.ended(Outcome.DELIVERED)
    assert seen.record.fault_times == (FaultTime("hang", 0.125, 0.5), FaultTime("cpu", 0.875, 0.0625))
    assert seen.record.fault_seconds == 0.5625


def test_without_faults_there_is_no_time_of_theirs():
    """A message that no fault strikes has none in its record, and no time that they took."""
    with observe(Hearer()).observing(arrival()) as seen:
        seen.ended(Outcome.DELIVERED)
    record = seen.record
    assert (record.faults, record.fault_times, record.fault_seconds) == ((), (), 0)
    assert (record.delay_spec, record.utilisation, record.answer_seconds) == ("", 0.0, None)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.FORWARDED),
        (DownstreamFailed("enrich: it answered 500"), Outcome.FAILED),
        (InjectedFault("reset", None), Outcome.FAULTED),
        (ValueError("no such key"), Outcome.FAILED),
    ],
    ids=str,
)
def test_a_message_that_was_accepted_was_answered_then(error, outcome):
    """Whatever becomes of it later, a message's answer was 202, and its time the one at which that was given."""
    time, hearer = Time(), Hearer()
    with contextlib.suppress(MessageError, ValueError), observe(hearer, time=time).observing(arrival()) as seen:
        time.pass_(0.25)
        seen.accepted()
        time.pass_(2.0)
        if error is not None:
            raise error
        seen.ended(Outcome.FORWARDED)
    (record,) = hearer.records
    assert (record.outcome, record.code) == (outcome, 202)
    assert (record.answer_seconds, record.duration_seconds) == (0.25, 2.25)


def test_an_answer_that_is_cut_short_is_a_fault():
    """A message that went well but whose answer a fault cuts was answered, and is a faulted one all the same."""
    hearer = Hearer()
    with observe(hearer).observing(arrival()) as seen:
        seen.ended(Outcome.DELIVERED)
        seen.struck("truncate")
        seen.cut_short("truncate")
    (record,) = hearer.records
    assert (record.outcome, record.code, record.faults) == (Outcome.FAULTED, 200, ("truncate",))
    assert record.error == "the fault truncate was injected here"
    assert record.pipeline_seconds == 0.0


def test_a_call_s_number_of_tries_begins_at_one():
    """A try says by itself that it is the first and genuine; what is on purpose or forgiven is said aloud."""
    attempt, call = Attempt(CallOutcome.OK, 200, 1.0), called("price")
    assert (attempt.number, attempt.injected, attempt.error) == (1, False, "")
    assert (call.injected, call.forgiven, call.error) == (False, False, "")

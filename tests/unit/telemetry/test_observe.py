"""Observing: whatever happens to a message, one record is made and each sink is told once."""

from __future__ import annotations

import pytest

from simulator.errors import (
    DownstreamFailed,
    DownstreamTooSlow,
    InjectedFault,
    InvalidMessage,
    KeepingFailed,
    MessageError,
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
    Outcome,
    TraceIds,
    Via,
)

ENDINGS = [
    (InvalidMessage("the body is empty"), Outcome.INVALID, 400, ""),
    (InvalidMessage("too much", 413, "Content too large"), Outcome.INVALID, 413, ""),
    (Rejected("no room"), Outcome.REJECTED, 503, ""),
    (InjectedFault("error", 503), Outcome.FAULTED, 503, "error"),
    (InjectedFault("error", 418), Outcome.FAULTED, 418, "error"),
    (DownstreamFailed("enrich: it answered 500"), Outcome.FAILED, 502, ""),
    (DownstreamFailed("enrich: it answered 503", injected=True), Outcome.FAULTED, 502, ""),
    (DownstreamTooSlow("enrich: no answer within 1 s"), Outcome.FAILED, 504, ""),
    (KeepingFailed("the disk is full"), Outcome.FAILED, 500, ""),
]


class Hearer:
    """A sink that writes down everything it is told."""

    def __init__(self):
        self.heard = []

    def received(self, arrival):
        self.heard.append(("received", arrival))

    def sending(self, downstream):
        self.heard.append(("sending", downstream))

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


def arrival(due_unix_seconds=1_700_000_000.0):
    trace = TraceIds("0" * 31 + "1", "0" * 15 + "2", "03", True)
    return Arrival(
        "m-1",
        "0",
        OUTSIDE,
        Via.HTTP,
        "text/plain",
        7,
        due_unix_seconds,
        1_700_000_000_000_000_000,
        100.0,
        trace,
    )


def observe(*sinks, time=None):
    return Observer(sinks, (time or Time()).clock)


def test_each_sink_hears_once_of_the_arrival_and_once_of_the_same_record():
    """A message that goes well is told to every sink once when it comes and once, as one record, when it ends."""
    hearers = [Hearer(), Hearer(), Hearer()]
    came = arrival()
    with observe(*hearers).observing(came) as seen:
        assert [hearer.heard for hearer in hearers] == [[("received", came)]] * 3
        seen.ended(Outcome.FORWARDED)
    assert [[told[0] for told in hearer.heard] for hearer in hearers] == [["received", "handled"]] * 3
    assert {id(hearer.records[0]) for hearer in hearers} == {id(seen.record)}


@pytest.mark.parametrize(("error", "outcome", "code", "fault"), ENDINGS, ids=lambda value: str(value)[:40])
def test_an_error_with_a_name_becomes_its_outcome_and_flies_on(error, outcome, code, fault):
    """Every error of the tree ends in one record with its outcome, code, fault and text, and is raised on."""
    first, second = Hearer(), Hearer()
    with pytest.raises(MessageError) as flown, observe(first, second).observing(arrival()):
        raise error
    assert flown.value is error
    assert len(first.records) == len(second.records) == 1
    record = first.records[0]
    assert (record.outcome, record.code, record.fault, record.error) == (outcome, code, fault, str(error))
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
    assert (record.outcome, record.code, record.fault) == (Outcome.FAILED, 500, "")
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
    assert {outcome for _, outcome, _, _ in ENDINGS} | {Outcome.DELIVERED, Outcome.FORWARDED} == set(Outcome)


def test_the_durations_are_exact():
    """Reading, waiting, processing, calls and the whole are each exactly what the clock said."""
    time, hearer = Time(), Hearer()
    with observe(hearer, time=time).observing(arrival()) as seen:
        time.pass_(0.125)
        seen.admitted()
        time.pass_(0.5)
        seen.waited(0.5)
        time.pass_(0.25)
        seen.processed(0.21875, 0.25)
        for name, tries in (("price", (0.75, 0.25)), ("stock", (2.0,))):
            seen.sending(name)
            time.pass_(sum(tries))
            attempts = tuple(Attempt(CallOutcome.OK, 200, seconds) for seconds in tries)
            seen.called(CallRecord(name, attempts, sum(tries)))
        time.pass_(0.0625)
        seen.ended(Outcome.FORWARDED)
    (record,) = hearer.records
    assert record.admission_seconds == 0.125
    assert record.queue_wait_seconds == 0.5
    assert (record.delay_drawn_seconds, record.processing_seconds) == (0.21875, 0.25)
    assert record.downstream_seconds == 3.0
    assert record.duration_seconds == 0.125 + 0.5 + 0.25 + 3.0 + 0.0625
    assert [call.downstream for call in record.calls] == ["price", "stock"]


def test_the_whole_way_is_measured_where_a_message_is_delivered():
    """A delivered message's way is counted from its due time; one that goes on, or fails, has not come to its end."""
    time, hearer = Time(), Hearer()
    observer = observe(hearer, time=time)
    time.pass_(2.5)
    with observer.observing(arrival(due_unix_seconds=1_699_999_999.0)) as seen:
        seen.ended(Outcome.DELIVERED)
    with observer.observing(arrival()) as seen:
        seen.ended(Outcome.FORWARDED)
    with pytest.raises(Rejected), observer.observing(arrival()):
        raise Rejected("no room")
    assert [record.pipeline_seconds for record in hearer.records] == [3.5, None, None]


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
    """The sinks hear of a call before and after it, in the order of the story, and the record has it too."""
    hearer = Hearer()
    came, call = arrival(), CallRecord("price", (Attempt(CallOutcome.TIMEOUT, None, 1.0),), 1.0)
    with observe(hearer).observing(came) as seen:
        seen.sending("price")
        seen.called(call)
        seen.ended(Outcome.FORWARDED)
    assert hearer.heard == [
        ("received", came),
        ("sending", "price"),
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

"""Observing: whatever happens to a message, one record is made and each sink is told once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import (
    BrokenOff,
    DeadlinePassed,
    DownstreamFailed,
    DownstreamTooSlow,
    InjectedFault,
    InvalidMessage,
    OutputFailed,
    RateLimited,
    Rejected,
)
from simulator.telemetry.observe import Observer, outcome_of
from simulator.telemetry.record import CallOutcome, FaultTime, Outcome
from tests.support import records
from tests.support.fake_time import FakeTime
from tests.support.records import attempt, called

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
    (OutputFailed("the disk is full"), Outcome.FAILED, 500),
    (BrokenOff(), Outcome.BROKEN_OFF, 503),
    (BrokenOff(injected=True), Outcome.FAULTED, 503),
]


class RecordingSink:
    """A sink that records every call."""

    def __init__(self):
        self.heard = []

    def received(self, arrival):
        self.heard.append(("received", arrival))

    def injected(self, arrival, fault):
        self.heard.append(("injected", arrival, fault))

    def sending(self, downstream, operation=""):
        self.heard.append(("sending", downstream))

    def attempted(self, arrival, downstream, attempt, retry_in_seconds, operation=""):
        self.heard.append(("attempted", arrival, downstream, attempt, retry_in_seconds))

    def sent(self, arrival, call):
        self.heard.append(("sent", arrival, call))

    def handled(self, record):
        self.heard.append(("handled", record))

    @property
    def records(self):
        return [told[1] for told in self.heard if told[0] == "handled"]


def arrival(due_at=0.0, **changes):
    return records.arrival(due_at=due_at, body_bytes=7, **changes)


def observe(*sinks, time=None):
    return Observer(sinks, time or FakeTime())


def test_each_sink_hears_once_of_the_arrival_and_once_of_the_same_record():
    """A message that goes well is told to every sink once when it comes and once, as one record, when it ends."""
    hearers = [RecordingSink(), RecordingSink(), RecordingSink()]
    came = arrival()
    with observe(*hearers).observing(came) as seen:
        assert [sink.heard for sink in hearers] == [[("received", came)]] * 3
        seen.ended(Outcome.FORWARDED)
    assert [[told[0] for told in sink.heard] for sink in hearers] == [["received", "handled"]] * 3
    assert {id(sink.records[0]) for sink in hearers} == {id(seen.record)}


@pytest.mark.parametrize(("error", "outcome", "code"), ENDINGS, ids=lambda value: str(value)[:40])
def test_an_error_with_a_name_becomes_its_outcome(error, outcome, code):
    """Every error of the tree that a message ends with makes one record with its outcome, code and text."""
    first, second = RecordingSink(), RecordingSink()
    with observe(first, second).observing(arrival()) as seen:
        seen.failed(error)
    assert len(first.records) == len(second.records) == 1
    record = first.records[0]
    assert (record.outcome, record.code, record.error) == (outcome, code, str(error))
    assert outcome_of(error) is outcome


@pytest.mark.parametrize("error", [ValueError("no such key"), RuntimeError(""), Rejected("nobody caught it")])
def test_an_exception_that_nobody_handles_is_a_failure_and_flies_on(error):
    """What flies out of a handling ends in one record, failed with 500, and is raised on."""
    first, second = RecordingSink(), RecordingSink()
    with pytest.raises(type(error)) as flown, observe(first, second).observing(arrival()):
        raise error
    assert flown.value is error
    assert len(first.records) == len(second.records) == 1
    record = first.records[0]
    assert (record.outcome, record.code, record.faults) == (Outcome.FAILED, 500, ())
    assert record.error == f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("reason", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_what_ends_the_process_breaks_the_message_off(reason):
    """What is no error of the handling but the end of everything leaves a message that was broken off, no failure."""
    sink = RecordingSink()
    with pytest.raises(type(reason)), observe(sink).observing(arrival()):
        raise reason
    assert [(record.outcome, record.code) for record in sink.records] == [(Outcome.BROKEN_OFF, 503)]


def test_an_error_after_a_good_end_decides():
    """What goes wrong after the end was noted is what the record says."""
    sink = RecordingSink()
    with observe(sink).observing(arrival()) as seen:
        seen.ended(Outcome.DELIVERED)
        seen.failed(OutputFailed("full"))
    assert [(record.outcome, record.code) for record in sink.records] == [(Outcome.FAILED, 500)]


def test_the_outcomes_are_exactly_those_that_errors_and_good_ends_can_give():
    """Every outcome of the closed set can come about, and no error gives one outside it."""
    assert {outcome for _, outcome, _ in ENDINGS} | {Outcome.DELIVERED, Outcome.FORWARDED} == set(Outcome)


def test_the_durations_are_exact():
    """Reading, waiting, processing, calls and the whole are each exactly what the clock said."""
    time, sink = FakeTime(), RecordingSink()
    with observe(sink, time=time).observing(arrival()) as seen:
        time.advance(0.125)
        seen.read(0.0625)
        time.advance(0.5)
        seen.waited(0.5)
        time.advance(0.25)
        seen.processed(0.21875, "uniform(5ms, 50ms)", 0.75)
        seen.fault_took("hang", time.now(), 0.5)
        time.advance(0.5)
        for name, seconds in (("price", 1.0), ("stock", 2.0)):
            with seen.away():
                time.advance(seconds)
            seen.called(called(name, attempt(duration_seconds=seconds), seconds=seconds))
        time.advance(0.03125)
        seen.ended(Outcome.FORWARDED)
    (record,) = sink.records
    assert (record.reading_seconds, record.queue_wait_seconds) == (0.0625, 0.5)
    assert (record.delay_drawn_seconds, record.processed_seconds) == (0.21875, 0.125 + 0.5 + 0.25)
    assert (record.delay_spec, record.utilisation) == ("uniform(5ms, 50ms)", 0.75)
    assert (record.fault_seconds, record.downstream_seconds) == (0.5, 3.0)
    assert record.duration_seconds == 0.125 + 0.5 + 0.25 + 0.5 + 3.0 + 0.03125
    assert record.own_seconds == record.processing_seconds == 0.0625 + 0.25 + 0.03125
    assert record.overhead_seconds == 0.0625 + 0.25 + 0.03125 - 0.21875
    assert [call.downstream for call in record.calls] == ["price", "stock"]


EIGHTHS = st.integers(0, 100).map(lambda number: number / 8)


@given(
    parts=st.lists(st.tuples(st.sampled_from(["own", "away", "fault"]), EIGHTHS), max_size=10),
    reading=EIGHTHS,
    waiting=st.none() | EIGHTHS,
    drawn=st.none() | EIGHTHS,
)
def test_the_parts_add_up(parts, reading, waiting, drawn):
    """Whatever a message meets with, each moment of it belongs to exactly one part, and all parts make up the whole."""
    time, sink = FakeTime(), RecordingSink()
    with observe(sink, time=time).observing(arrival()) as seen:
        time.advance(reading)
        seen.read(reading)
        if waiting is not None:
            time.advance(waiting)
            seen.waited(waiting)
        if drawn is not None:
            seen.processed(drawn, "", 0.0)
        for what, seconds in parts:
            begin = time.now()
            if what == "away":
                with seen.away():
                    time.advance(seconds)
            else:
                time.advance(seconds)
            if what == "fault":
                seen.fault_took("hang", begin, seconds)
    (record,) = sink.records
    sums = {name: sum(seconds for what, seconds in parts if what == name) for name in ("own", "away", "fault")}
    assert (record.own_seconds, record.downstream_seconds, record.fault_seconds) == tuple(
        sums[name] for name in ("own", "away", "fault")
    )
    assert record.overhead_seconds == sums["own"] - (drawn or 0.0)
    assert record.processing_seconds == (0.0 if drawn is None else sums["own"])
    others = reading + (waiting or 0.0) + record.fault_seconds + record.downstream_seconds
    assert record.duration_seconds == others + (drawn or 0.0) + record.overhead_seconds


def test_when_the_own_time_will_be_over():
    """What a message still has of its delay counts from its first byte; what was waited for and faults come on top."""
    time = FakeTime()
    time.advance(100.0)
    with observe(time=time).observing(records.arrival(received_at=99.5)) as seen:
        assert seen.own_time_over_at(2.0) == 101.5
        seen.read(0.25)
        assert seen.own_time_over_at(2.0) == 101.75
        time.advance(5.0)
        assert seen.own_time_over_at(2.0) == 101.75
        seen.waited(4.0)
        assert seen.own_time_over_at(2.0) == 105.75
        seen.fault_took("cpu", 104.0, 1.0)
        assert seen.own_time_over_at(2.0) == 106.75


def test_a_record_is_there_when_the_answer_has_left():
    """Before the answer has left there is no record; what is noted afterwards does not change it."""
    time, sink = FakeTime(), RecordingSink()
    with observe(sink, time=time).observing(arrival()) as seen:
        with pytest.raises(LookupError):
            _ = seen.record
        time.advance(1.0)
        seen.ended(Outcome.DELIVERED)
        seen.left()
        time.advance(1.0)
        assert (seen.record.duration_seconds, sink.records) == (1.0, [])
    assert [record.duration_seconds for record in sink.records] == [1.0]


def test_a_request_is_measured_where_it_began():
    """From its due time until its answer has left, however it ended; one that a stage has sent is not, nor one of
    which nothing credible is known.
    """
    time, sink = FakeTime(), RecordingSink()
    observer = observe(sink, time=time)
    with observer.observing(arrival(due_at=-1.0, request="parse")) as seen:
        time.advance(2.5)
        seen.ended(Outcome.FORWARDED)
        time.advance(1.0)
    with observer.observing(arrival(due_at=None, request="parse")) as seen:
        seen.ended(Outcome.FORWARDED)
    with observer.observing(arrival(due_at=-1.0)) as seen:
        seen.ended(Outcome.DELIVERED)
    with observer.observing(arrival(due_at=3.0, received_at=3.5, request="parse")) as seen:
        seen.failed(Rejected("no room"))
    assert [record.pipeline_seconds for record in sink.records] == [4.5, None, None, 0.5]
    assert {record.accepted_work_seconds for record in sink.records} == {None}


def test_accepted_work_is_measured_where_it_was_accepted():
    """From the due time until all is done, also of a message that a stage has sent; a request took until its answer."""
    sink = RecordingSink()
    for came in (arrival(due_at=-1.0, request="parse"), arrival(due_at=-1.0), arrival(due_at=None)):
        time = FakeTime()
        with observe(sink, time=time).observing(came) as seen:
            time.advance(0.25)
            seen.accepted()
            time.advance(2.0)
            seen.ended(Outcome.FORWARDED)
    told = [(record.pipeline_seconds, record.accepted_work_seconds) for record in sink.records]
    assert told == [(1.25, 3.25), (None, 3.25), (None, None)]


def test_what_was_not_reached_is_not_there():
    """A message turned away before it got a worker has neither a wait nor a delay, but a duration."""
    time, sink = FakeTime(), RecordingSink()
    with observe(sink, time=time).observing(arrival()) as seen:
        time.advance(0.375)
        seen.failed(InvalidMessage("not JSON"))
    (record,) = sink.records
    assert (record.queue_wait_seconds, record.delay_drawn_seconds, record.pipeline_seconds) == (None, None, None)
    assert (record.processing_seconds, record.downstream_seconds, record.calls) == (0.0, 0.0, ())
    assert (record.duration_seconds, record.overhead_seconds) == (0.375, 0.375)


@pytest.mark.parametrize(("announced", "came", "known"), [(7, 7, 7), (None, 5, 5), (7, 3, 3)])
def test_a_body_is_as_large_as_what_came(announced, came, known):
    """The record says how many bytes came, whatever had been announced."""
    sink = RecordingSink()
    with observe(sink).observing(records.arrival(body_bytes=announced)) as seen:
        seen.sized(came)
    assert sink.records[0].arrival.body_bytes == known


def test_a_body_that_was_refused_in_its_middle_is_as_large_as_what_came():
    """What was read of a body before it was refused is in the record."""
    sink = RecordingSink()
    with observe(sink).observing(records.arrival(body_bytes=None)) as seen:
        seen.failed(InvalidMessage("too much", 413, "Content too large", body_bytes=4096))
    assert sink.records[0].arrival.body_bytes == 4096


def test_a_call_is_told_as_it_begins_and_as_it_ends():
    """The sinks are called for each attempt, before and after it, and for the call, which the record has too."""
    sink = RecordingSink()
    came = arrival()
    broken, good = attempt(CallOutcome.BROKEN, None), attempt(number=2)
    call = called("price", broken, good)
    with observe(sink).observing(came) as seen:
        seen.sending("price")
        seen.attempted("price", broken, 0.25)
        seen.sending("price")
        seen.attempted("price", good, None)
        seen.called(call)
        seen.ended(Outcome.FORWARDED)
    assert sink.heard == [
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
    sink = RecordingSink()
    observer = observe(sink)
    with observer.observing(arrival()) as outer, observer.observing(arrival()) as inner:
        inner.waited(0.25)
        inner.failed(Rejected("no room"))
    assert outer.record.queue_wait_seconds is None
    assert (inner.record.queue_wait_seconds, inner.record.outcome) == (0.25, Outcome.REJECTED)


def test_calls_at_the_same_time_count_once():
    """While two calls are in flight the message's time downstream is what the clock says, not the sum of both."""
    time, sink = FakeTime(), RecordingSink()
    with observe(sink, time=time).observing(arrival()) as seen:
        time.advance(0.5)
        with seen.away():
            time.advance(1.0)
            with seen.away():
                time.advance(0.5)
            time.advance(0.25)
        time.advance(0.5)
        with seen.away():
            time.advance(4.0)
        seen.ended(Outcome.FORWARDED)
    assert seen.record.downstream_seconds == 5.75
    assert seen.record.own_seconds == 1.0


def test_each_fault_is_told_as_it_is_injected():
    """Every sink is called for each fault at once, while the message is still handled; the record has all in order."""
    hearers = [RecordingSink(), RecordingSink()]
    came = arrival()
    with observe(*hearers).observing(came) as seen:
        for number, fault in enumerate(("memory", "hang", "hang"), 1):
            seen.injected(fault)
            for sink in hearers:
                assert sink.heard[-1] == ("injected", came, fault)
                assert len(sink.heard) == 1 + number
        seen.ended(Outcome.FORWARDED)
    assert seen.record.faults == ("memory", "hang", "hang")
    assert (seen.record.outcome, seen.record.code) == (Outcome.FORWARDED, 200)


def test_a_fault_that_ends_the_message_stands_beside_those_before_it():
    """Where the last of several faults ends the message, the record names them all and fails by the last."""
    sink = RecordingSink()
    with observe(sink).observing(arrival()) as seen:
        seen.injected("cpu")
        seen.injected("reset")
        seen.failed(InjectedFault("reset", None))
    (record,) = sink.records
    assert (record.outcome, record.code, record.faults) == (Outcome.FAULTED, None, ("cpu", "reset"))
    assert record.error == "the fault reset was injected here"
    assert [told[0] for told in sink.heard] == ["received", "injected", "injected", "handled"]


def test_the_time_of_each_fault_is_exact():
    """A fault that takes time is recorded from how long after the arrival it started, and for how long it went on."""
    time, sink = FakeTime(), RecordingSink()
    with observe(sink, time=time).observing(arrival()) as seen:
        for fault, before, seconds in (("hang", 0.125, 0.5), ("cpu", 0.25, 0.0625)):
            time.advance(before)
            begin = time.now()
            time.advance(seconds)
            seen.fault_took(fault, begin, seconds)
        seen.ended(Outcome.DELIVERED)
    assert seen.record.fault_times == (FaultTime("hang", 0.125, 0.5), FaultTime("cpu", 0.875, 0.0625))
    assert seen.record.fault_seconds == 0.5625


def test_without_faults_there_is_no_time_of_theirs():
    """A message that meets no fault has none in its record, and no time that they took."""
    with observe(RecordingSink()).observing(arrival()) as seen:
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
        (BrokenOff(), Outcome.BROKEN_OFF),
    ],
    ids=str,
)
def test_a_message_that_was_accepted_was_answered_then(error, outcome):
    """Whatever becomes of it later, a message's answer was 202, and its time the one at which that was given."""
    time, sink = FakeTime(), RecordingSink()
    with observe(sink, time=time).observing(arrival()) as seen:
        time.advance(0.25)
        seen.accepted()
        time.advance(2.0)
        if error is None:
            seen.ended(Outcome.FORWARDED)
        else:
            seen.failed(error)
    (record,) = sink.records
    assert (record.outcome, record.code) == (outcome, 202)
    assert (record.answer_seconds, record.duration_seconds) == (0.25, 2.25)


def test_an_unforeseen_end_after_the_answer_was_answered_too():
    """What breaks after the answer makes the message a failed one; the client has its 202 all the same."""
    sink = RecordingSink()
    with observe(sink).observing(arrival()) as seen:
        seen.accepted()
        seen.broke(ValueError("no such key"))
    (record,) = sink.records
    assert (record.outcome, record.code, record.error) == (Outcome.FAILED, 202, "ValueError: no such key")


def test_an_answer_that_is_truncated_is_a_fault():
    """A message that went well but whose answer a fault cuts was answered, and is a faulted one all the same."""
    sink = RecordingSink()
    with observe(sink).observing(arrival()) as seen:
        seen.ended(Outcome.DELIVERED)
        seen.injected("truncate")
        seen.truncated("truncate")
    (record,) = sink.records
    assert (record.outcome, record.code, record.faults) == (Outcome.FAULTED, 200, ("truncate",))
    assert record.error == "the fault truncate was injected here"


def test_a_call_s_number_of_tries_begins_at_one():
    """An attempt says by itself that it is the first and genuine; what is injected or forgiven is said aloud."""
    first, call = attempt(), called("price")
    assert (first.number, first.injected, first.error) == (1, False, "")
    assert (call.injected, call.forgiven, call.error) == (False, False, "")

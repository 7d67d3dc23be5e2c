"""Logs: one JSON object a line, whatever stands in the values."""

from __future__ import annotations

import json
import logging
import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.telemetry.logs import LogSink, forward_library_warnings, make_logger
from simulator.telemetry.record import (
    Arrival,
    Attempt,
    CallOutcome,
    CallRecord,
    FaultTime,
    Outcome,
    StageRecord,
    TraceIds,
    Via,
)

TRACE = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "03", True)
LEAD = [
    "timestamp",
    "level",
    "event",
    "service",
    "stage",
    "role",
    "trace_id",
    "span_id",
    "trace_flags",
    "message_id",
]
RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
# Everything that can stand in a string but half a surrogate pair, which is no character.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class Log:
    """A logger with the lines that it has written."""

    def __init__(self, level="info"):
        self.raw = []
        self.logger = make_logger(self.raw.append, level, service="parse", stage="parse", role="processor")
        self.sink = LogSink(self.logger)

    @property
    def lines(self):
        return [json.loads(raw) for raw in self.raw]


def arrival(**changes):
    values = {
        "message_id": "m-1",
        "visit": "0",
        "caller": "injector",
        "via": Via.HTTP,
        "content_type": "application/json",
        "body_bytes": 17,
        "due_unix_seconds": 1.0,
        "received_unix_ns": 2,
        "received_at": 3.0,
        "trace": TRACE,
    }
    return Arrival(**{**values, **changes})


def record(outcome=Outcome.FORWARDED, code=200, came=None, **changes):
    values = {
        "faults": (),
        "error": "",
        "admission_seconds": 0.0,
        "queue_wait_seconds": 0.25,
        "delay_drawn_seconds": 0.0123456789,
        "delay_spec": "constant(10ms)",
        "utilisation": 0.0,
        "processing_seconds": 0.0125,
        "fault_times": (),
        "downstream_seconds": 0.5,
        "duration_seconds": 0.7654321987,
        "answer_seconds": None,
        "pipeline_seconds": None,
        "calls": (),
    }
    return StageRecord(came or arrival(), outcome, code, **{**values, **changes})


def call(outcome=CallOutcome.OK, code=200, error="", tries=1, **changes):
    failed = tuple(Attempt(CallOutcome.BROKEN, None, 0.125, False, "reset", n) for n in range(1, tries))
    attempts = (*failed, Attempt(outcome, code, 0.25, False, error, tries))
    return CallRecord("enrich", attempts, 0.25 + 0.125 * (tries - 1), outcome, code, error=error, **changes)


def test_message_received():
    """`message.received` bears the identity of the message and its way, in this order."""
    log = Log()
    log.sink.received(arrival())
    (line,) = log.lines
    assert list(line) == [*LEAD, "caller", "via", "content_type", "body_bytes"]
    del line["timestamp"]
    assert line == {
        "level": "info",
        "event": "message.received",
        "service": "parse",
        "stage": "parse",
        "role": "processor",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "trace_flags": "03",
        "message_id": "m-1",
        "caller": "injector",
        "via": "http",
        "content_type": "application/json",
        "body_bytes": 17,
    }


def test_message_sent():
    """`message.sent` says whom, how it ended, after how many tries and how long it took."""
    log = Log()
    log.sink.sent(arrival(), call(tries=3))
    (line,) = log.lines
    assert list(line) == [*LEAD, "downstream", "outcome", "code", "attempts", "duration_seconds"]
    assert line["event"] == "message.sent"
    assert [line[key] for key in ("downstream", "outcome", "code", "attempts")] == ["enrich", "ok", 200, 3]
    assert (line["level"], line["duration_seconds"]) == ("info", 0.5)


@pytest.mark.parametrize(
    ("outcome", "code", "level"),
    [
        (CallOutcome.OK, 204, "info"),
        (CallOutcome.ERROR_STATUS, 302, "warning"),
        (CallOutcome.ERROR_STATUS, 404, "warning"),
        (CallOutcome.ERROR_STATUS, 500, "warning"),
        (CallOutcome.TIMEOUT, None, "warning"),
        (CallOutcome.UNREACHABLE, None, "warning"),
        (CallOutcome.BREAKER_OPEN, None, "warning"),
        (CallOutcome.EXPIRED, None, "warning"),
    ],
)
def test_the_level_and_error_of_a_call(outcome, code, level):
    """A call that did not end well is a warning and says why."""
    log = Log()
    log.sink.sent(arrival(), call(outcome, code, "why it failed"))
    (line,) = log.lines
    assert (line["level"], line["outcome"], line["code"]) == (level, str(outcome), code)
    assert line["error"] == "why it failed"


def test_message_handled():
    """`message.handled` is the wide one: outcome, code and every duration, to the microsecond."""
    log = Log()
    log.sink.handled(record())
    (line,) = log.lines
    assert list(line) == [
        *LEAD,
        "outcome",
        "code",
        "queue_wait_seconds",
        "delay_drawn_seconds",
        "processing_seconds",
        "downstream_seconds",
        "duration_seconds",
        "body_bytes",
    ]
    assert line["event"] == "message.handled"
    assert {key: line[key] for key in list(line)[len(LEAD) :]} == {
        "outcome": "forwarded",
        "code": 200,
        "queue_wait_seconds": 0.25,
        "delay_drawn_seconds": 0.012346,
        "processing_seconds": 0.0125,
        "downstream_seconds": 0.5,
        "duration_seconds": 0.765432,
        "body_bytes": 17,
    }


def test_message_handled_says_more_where_there_is_more():
    """The way through the pipeline, the fault and the error stand in the line where they are known, and only there."""
    log = Log()
    log.sink.handled(record(Outcome.DELIVERED, pipeline_seconds=1.5))
    log.sink.handled(record(Outcome.FAILED, 502, error="enrich: it answered 500"))
    log.sink.handled(
        record(Outcome.INVALID, 400, queue_wait_seconds=None, delay_drawn_seconds=None, error="the body is empty")
    )
    delivered, failed, invalid = log.lines
    assert delivered["pipeline_seconds"] == 1.5
    assert "error" not in delivered and "fault" not in delivered
    assert failed["error"] == "enrich: it answered 500"
    assert "pipeline_seconds" not in failed
    assert (invalid["queue_wait_seconds"], invalid["delay_drawn_seconds"]) == (None, None)


def test_each_fault_is_a_line_at_once():
    """Every fault is told by name as it strikes, and the line of the message that they hit names them all in order."""
    log = Log()
    for number, fault in enumerate(("memory", "hang", "error"), 1):
        log.sink.injected(arrival(), fault)
        assert len(log.lines) == number
        line = log.lines[-1]
        assert list(line) == [*LEAD, "fault"]
        assert (line["event"], line["level"], line["fault"]) == ("fault.injected", "warning", fault)
    log.sink.handled(record(Outcome.FAULTED, 503, faults=("memory", "hang", "error"), error="on purpose"))
    handled = log.lines[3]
    assert (handled["event"], handled["fault"]) == ("message.handled", "memory,hang,error")
    assert {line["message_id"] for line in log.lines} == {"m-1"}


def test_the_time_of_faults_is_in_the_line():
    """The time that faults took stands in the line where any did, as their sum to the microsecond."""
    log = Log()
    times = (FaultTime("hang", 0.25, 0.125), FaultTime("cpu", 0.5, 0.0123456789))
    log.sink.handled(record(Outcome.FORWARDED, faults=("hang", "cpu"), fault_times=times))
    log.sink.handled(record(Outcome.FAULTED, 503, faults=("error",)))
    slow, quick = log.lines
    assert (slow["fault"], slow["fault_seconds"]) == ("hang,cpu", 0.137346)
    assert (quick["fault"], "fault_seconds" in quick) == ("error", False)


def test_the_utilisation_is_in_the_line_where_any_is_known():
    """How busy the workers were stands in the line as a share, and is left out where processing was not reached."""
    log = Log()
    log.sink.handled(record(utilisation=0.123456))
    log.sink.handled(record(Outcome.REJECTED, 503, utilisation=0.0))
    known, unknown = log.lines
    assert known["utilisation"] == 0.1235
    assert "utilisation" not in unknown


def test_a_message_without_an_answer_has_no_code():
    """A message whose connection was reset on purpose has null in the place of a status."""
    log = Log()
    log.sink.handled(record(Outcome.FAULTED, None, faults=("reset",), error="on purpose"))
    (line,) = log.lines
    assert (line["code"], line["fault"], line["level"]) == (None, "reset", "warning")


@pytest.mark.parametrize(("injected", "more"), [(False, []), (True, ["injected"])])
def test_a_try_that_is_not_the_last_is_a_line(injected, more):
    """A try after which there is another is told by its number, how it ended and when the next one follows."""
    log = Log()
    attempt = Attempt(CallOutcome.ERROR_STATUS, 503, 0.1234567, injected, "it answered 503", 2)
    log.sink.attempted(arrival(), "enrich", attempt, 0.0345678)
    (line,) = log.lines
    keys = ["downstream", "attempt", "outcome", "code", "duration_seconds", "retry_in_seconds", "error", *more]
    assert list(line) == [*LEAD, *keys]
    assert {key: line[key] for key in ("level", "event", "message_id", *keys)} == {
        "level": "warning",
        "event": "attempt.failed",
        "message_id": "m-1",
        "downstream": "enrich",
        "attempt": 2,
        "outcome": "error_status",
        "code": 503,
        "duration_seconds": 0.123457,
        "retry_in_seconds": 0.034568,
        "error": "it answered 503",
        **({"injected": True} if injected else {}),
    }


@pytest.mark.parametrize("outcome", [CallOutcome.OK, CallOutcome.TIMEOUT, CallOutcome.ABANDONED])
def test_the_last_try_is_no_line(outcome):
    """A try after which there is none is silent, however it ended: the call's own line says it all."""
    log = Log("debug")
    log.sink.attempted(arrival(), "enrich", Attempt(outcome, None, 0.25), None)
    assert log.raw == []


def test_a_try_that_is_made_again_at_once_is_a_line():
    """A try that is made again without a pause, at another instance, is told too: 0 is not none."""
    log = Log()
    log.sink.attempted(arrival(), "enrich", Attempt(CallOutcome.UNREACHABLE, None, 0.0, error="refused"), 0.0)
    (line,) = log.lines
    assert (line["event"], line["code"], line["retry_in_seconds"]) == ("attempt.failed", None, 0.0)


def test_a_call_and_its_tries_are_a_line_each():
    """A call that succeeds at its third try leaves two lines of failed tries and one of its own, at their levels."""
    log, whole = Log(), call(tries=3)
    for attempt in whole.attempts:
        log.sink.sending("enrich")
        log.sink.attempted(arrival(), "enrich", attempt, 0.5 if attempt.number < 3 else None)
    log.sink.sent(arrival(), whole)
    assert [(line["event"], line["level"]) for line in log.lines] == [
        ("attempt.failed", "warning"),
        ("attempt.failed", "warning"),
        ("message.sent", "info"),
    ]
    assert [line["attempt"] for line in log.lines[:2]] == [1, 2]
    assert (log.lines[2]["attempts"], log.lines[2]["outcome"]) == (3, "ok")


def test_a_call_without_a_try_is_a_line_too():
    """A call that was given up before its first try has a line with no tries and no code."""
    log = Log()
    log.sink.sent(arrival(), CallRecord("enrich", (), 0.0, CallOutcome.BREAKER_OPEN, None, error="the breaker is open"))
    (line,) = log.lines
    assert (line["outcome"], line["attempts"], line["code"]) == ("breaker_open", 0, None)
    assert (line["error"], line["level"]) == ("the breaker is open", "warning")


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({}, []),
        ({"injected": True}, ["injected"]),
        ({"forgiven": True}, ["forgiven"]),
        ({"injected": True, "forgiven": True}, ["injected", "forgiven"]),
    ],
)
def test_what_is_on_purpose_or_forgiven_is_said(changes, more):
    """A call that failed on purpose says so, as does one after which the message goes on; others do not."""
    log = Log()
    log.sink.sent(arrival(), call(CallOutcome.ERROR_STATUS, 503, "it answered 503", **changes))
    (line,) = log.lines
    assert list(line)[len(LEAD) + 6 :] == more
    assert [line[key] for key in more] == [True] * len(more)


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (Outcome.DELIVERED, "info"),
        (Outcome.FORWARDED, "info"),
        (Outcome.REJECTED, "warning"),
        (Outcome.INVALID, "warning"),
        (Outcome.FAULTED, "warning"),
        (Outcome.FAILED, "error"),
    ],
)
def test_the_level_of_each_outcome(outcome, level):
    """Only a genuine failure is an error; what the client or the configuration did is a warning."""
    log = Log()
    log.sink.handled(record(outcome))
    assert [(line["level"], line["outcome"]) for line in log.lines] == [(level, str(outcome))]


def test_a_message_that_was_accepted_has_its_answer_s_code():
    """A message that was answered before the work has 202 for its code, and its whole duration, however it ended."""
    log = Log()
    log.sink.handled(record(Outcome.FAILED, 202, answer_seconds=0.001, error="enrich: it answered 500"))
    (line,) = log.lines
    assert (line["code"], line["outcome"], line["level"]) == (202, "failed", "error")
    assert line["duration_seconds"] == 0.765432


def test_a_try_that_begins_is_no_line():
    """The beginning of a try is silent, because its end says it all."""
    log = Log("debug")
    log.sink.sending("enrich")
    assert log.raw == []


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_log_level_is_a_threshold(level, written):
    """What is below the configured level is not written."""
    log = Log(level)
    for name in ("debug", "info", "warning", "error"):
        getattr(log.logger, name)("something")
    assert [line["level"] for line in log.lines] == written


def test_the_timestamp_is_now_in_utc():
    """The timestamp is RFC 3339 with six digits and Z, and it is the time at which the line was made."""
    log = Log()
    before = datetime.now(UTC)
    log.logger.info("something")
    after = datetime.now(UTC)
    text = log.lines[0]["timestamp"]
    assert RFC3339.fullmatch(text)
    assert before - timedelta(microseconds=1) <= datetime.fromisoformat(text) <= after


@given(message_id=TEXT, content_type=TEXT, error=TEXT, caller=TEXT)
def test_no_value_can_break_a_line(message_id, content_type, error, caller):
    """Whatever characters a value holds, each event is one line that parses to that very value."""
    log = Log()
    came = arrival(message_id=message_id, content_type=content_type, caller=caller)
    log.sink.received(came)
    log.sink.attempted(came, "enrich", Attempt(CallOutcome.BROKEN, None, 0.25, error=error), 0.5)
    log.sink.sent(came, call(CallOutcome.BROKEN, None, error))
    log.sink.handled(record(Outcome.FAILED, 502, came, error=error))
    assert [raw for raw in log.raw if b"\n" in raw or b"\r" in raw] == []
    received, tried, sent, handled = log.lines
    assert (received["message_id"], received["content_type"], received["caller"]) == (
        message_id,
        content_type,
        caller,
    )
    assert tried["error"] == sent.get("error", "") == handled.get("error", "") == error


@pytest.mark.parametrize(
    "value", ['"}\n{"level": "error"', "\x00\x1b[31m\x7f\u2028\u2029\x85", "\r\n" * 1000, "x" * 2_000_000, "日本語 🚀"]
)
def test_nasty_values_stay_values(value):
    """Line breaks, forged lines, control characters, two million characters and emoji each stay one value."""
    log = Log()
    log.logger.info("something", value=value)
    assert b"\n" not in log.raw[0]
    assert log.lines[0]["value"] == value


def test_what_is_no_character_does_not_raise():
    """A name that was not UTF-8, and so bears half a surrogate pair, is logged rather than raised."""
    log = Log()
    log.logger.warning("configuration.ignored", variable="SIMULATOR_\udcff")
    assert log.lines[0]["variable"].startswith("SIMULATOR_")


@contextmanager
def forwarding(log):
    """Let `logging` know of nothing but the forwarder meanwhile."""
    root, exporter = logging.getLogger(), logging.getLogger("opentelemetry.exporter")
    handlers, level = root.handlers[:], exporter.level
    root.handlers[:] = []
    try:
        forward_library_warnings(log.logger)
        yield
    finally:
        root.handlers[:] = handlers
        exporter.setLevel(level)


def test_warnings_of_libraries_are_lines_too():
    """What a library warns of through `logging` becomes a JSON line that names the library; less is not written."""
    log = Log()
    with forwarding(log):
        logging.getLogger("some.library").info("nothing of note")
        logging.getLogger("some.library").warning("pool of %s is\nfull", "host")
        logging.getLogger("some.library").error("no pool")
    warning, error = log.lines
    assert (warning["event"], warning["level"]) == ("library.message", "warning")
    assert (warning["library"], warning["detail"]) == ("some.library", "pool of host is\nfull")
    assert (error["event"], error["level"], error["detail"]) == ("library.message", "error", "no pool")


def test_a_library_s_exception_is_in_its_line():
    """An exception that a library logs stands in its line with its traceback."""
    log = Log()
    with forwarding(log):
        try:
            raise ZeroDivisionError("by nought")
        except ZeroDivisionError:
            logging.getLogger("some.library").exception("it broke")
    assert "ZeroDivisionError: by nought" in log.lines[0]["exception"]


def test_a_library_s_long_warning_is_cut():
    """A library's warning takes 2,000 characters of the log at most."""
    log = Log()
    with forwarding(log):
        logging.getLogger("some.library").warning("x" * 5000)
    assert log.lines[0]["detail"] == "x" * 2000


def test_the_exporter_does_not_repeat_itself():
    """What the exporter logs at every failed try is left to the one line that the simulator writes itself."""
    log = Log()
    with forwarding(log):
        logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").error("failed to export")
    assert log.raw == []


def test_a_library_s_wrong_format_hurts_nobody():
    """A library that logs with arguments that do not fit its text does not break the service."""
    log = Log()
    with forwarding(log):
        logging.getLogger("some.library").warning("%d things", "many")

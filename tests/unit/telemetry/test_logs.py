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
        "fault": "",
        "error": "",
        "admission_seconds": 0.0,
        "queue_wait_seconds": 0.25,
        "delay_drawn_seconds": 0.0123456789,
        "processing_seconds": 0.0125,
        "downstream_seconds": 0.5,
        "duration_seconds": 0.7654321987,
        "pipeline_seconds": None,
        "calls": (),
    }
    return StageRecord(came or arrival(), outcome, code, **{**values, **changes})


def call(outcome=CallOutcome.OK, code=200, error="", tries=1):
    failed = (Attempt(CallOutcome.BROKEN, None, 0.125, error="reset"),) * (tries - 1)
    return CallRecord("enrich", (*failed, Attempt(outcome, code, 0.25, error=error)), 0.25 + 0.125 * (tries - 1))


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
        (CallOutcome.ERROR_STATUS, 302, "info"),
        (CallOutcome.ERROR_STATUS, 404, "warning"),
        (CallOutcome.ERROR_STATUS, 500, "warning"),
        (CallOutcome.TIMEOUT, None, "warning"),
        (CallOutcome.UNREACHABLE, None, "warning"),
    ],
)
def test_the_level_and_error_of_a_call(outcome, code, level):
    """A call that got no answer, or one of 400 and above, is a warning and says why."""
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


def test_fault_injected_comes_before_the_end():
    """An injected fault is told by name just before the line of the message that it hit."""
    log = Log()
    log.sink.handled(record(Outcome.FAULTED, 503, fault="error", error="on purpose"))
    first, second = log.lines
    assert list(first) == [*LEAD, "fault", "code"]
    assert (first["event"], first["level"], first["fault"], first["code"]) == (
        "fault.injected",
        "warning",
        "error",
        503,
    )
    assert (second["event"], second["fault"], second["message_id"]) == ("message.handled", "error", "m-1")


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
    log.sink.sent(came, call(CallOutcome.BROKEN, None, error))
    log.sink.handled(record(Outcome.FAILED, 502, came, error=error))
    assert [raw for raw in log.raw if b"\n" in raw or b"\r" in raw] == []
    received, sent, handled = log.lines
    assert (received["message_id"], received["content_type"], received["caller"]) == (
        message_id,
        content_type,
        caller,
    )
    assert sent.get("error", "") == handled.get("error", "") == error


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

"""Logs: one JSON object a line, whatever stands in the values."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.telemetry.logs import make_logger
from simulator.telemetry.record import NO_TRACE, CallOutcome, FaultTime, Outcome
from tests.support.log_lines import LEAD, Log, arrival, call, record
from tests.support.records import attempt

RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
# Everything that can stand in a string but half a surrogate pair, which is no character.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def test_message_received():
    """`message.received` has the identity of the message and its way, in this order."""
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
        "overhead_seconds",
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
        "processing_seconds": 0.015432,
        "overhead_seconds": 0.003087,
        "downstream_seconds": 0.5,
        "duration_seconds": 0.765432,
        "body_bytes": 17,
    }


def test_message_handled_says_more_where_there_is_more():
    """The time from end to end, the fault and the error stand in the line where they are known, and only there."""
    log = Log()
    log.sink.handled(record(Outcome.DELIVERED, came=arrival(due_at=-1.25, request="parse")))
    log.sink.handled(record(Outcome.FAILED, 502, error="enrich: it answered 500"))
    log.sink.handled(
        record(Outcome.INVALID, 400, queue_wait_seconds=None, delay_drawn_seconds=None, error="the body is empty")
    )
    delivered, failed, invalid = log.lines
    assert delivered["pipeline_seconds"] == 2.015432
    assert "accepted_work_seconds" not in delivered
    assert "error" not in delivered and "fault" not in delivered
    assert failed["error"] == "enrich: it answered 500"
    assert "pipeline_seconds" not in failed
    assert (invalid["queue_wait_seconds"], invalid["delay_drawn_seconds"]) == (None, None)


def test_each_fault_is_a_line_at_once():
    """Every fault is logged by name as it is injected, and the line of the message names them all in order."""
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


def test_the_waiting_for_the_client_is_in_the_line_where_there_was_any():
    """For how long the client's bytes were waited for stands in the line, unless it was less than a microsecond."""
    log = Log()
    for seconds in (0.0, 0.0000004, 0.1234567):
        log.sink.handled(record(reading_seconds=seconds))
    assert [line.get("reading_seconds") for line in log.lines] == [None, None, 0.123457]


def test_the_parts_of_a_line_add_up():
    """What was waited for, drawn, spent by faults and elsewhere, and the overhead, make up the whole duration."""
    log = Log()
    log.sink.handled(record(reading_seconds=0.001, fault_times=(FaultTime("hang", 0.1, 0.0015),)))
    (line,) = log.lines
    parts = ("reading", "queue_wait", "delay_drawn", "fault", "downstream", "overhead")
    assert sum(line[f"{part}_seconds"] for part in parts) == pytest.approx(line["duration_seconds"], abs=3e-6)
    assert line["processing_seconds"] == pytest.approx(line["delay_drawn_seconds"] + line["overhead_seconds"], abs=2e-6)


def test_the_utilisation_is_in_the_line_where_any_is_known():
    """How busy the workers were stands in the line as a share, and is left out where processing was not reached."""
    log = Log()
    log.sink.handled(record(utilisation=0.123456))
    log.sink.handled(record(Outcome.REJECTED, 503, utilisation=0.0))
    known, unknown = log.lines
    assert known["utilisation"] == 0.1235
    assert "utilisation" not in unknown


def test_a_message_without_an_answer_has_no_code():
    """A message whose connection was reset by an injected fault has null in the place of a status."""
    log = Log()
    log.sink.handled(record(Outcome.FAULTED, None, faults=("reset",), error="on purpose"))
    (line,) = log.lines
    assert (line["code"], line["fault"], line["level"]) == (None, "reset", "warning")


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


def test_a_timestamp_is_that_of_its_line():
    """Lines within a second, across its end, and after a clock that went back each have the time that it was."""
    second = 1_700_000_000 * 10**9
    times = iter((second + 999_999_999, second + 999_999_999, second + 10**9, second + 1000))
    lines = []
    logger = make_logger(lines.append, "info", lambda: next(times))
    for _ in range(4):
        logger.info("stage.started")
    assert [json.loads(line)["timestamp"] for line in lines] == [
        "2023-11-14T22:13:20.999999Z",
        "2023-11-14T22:13:20.999999Z",
        "2023-11-14T22:13:21.000000Z",
        "2023-11-14T22:13:20.000001Z",
    ]


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
    log.sink.attempted(came, "enrich", attempt(CallOutcome.BROKEN, None, error=error), 0.5)
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
    "value", ['"}\n{"level": "error"', "\x00\x1b[31m\x7f\u2028\u2029\x85", "\r\n" * 1000, "x" * 4000, "日本語 🚀"]
)
def test_nasty_values_stay_values(value):
    """Line breaks, forged lines, control characters, four thousand characters and emoji each stay one value."""
    log = Log()
    log.logger.info("something", value=value)
    assert b"\n" not in log.raw[0]
    assert log.lines[0]["value"] == value


def test_what_is_no_character_does_not_raise():
    """A name that was not UTF-8, and so has half a surrogate pair, is logged rather than raised."""
    log = Log()
    log.logger.warning("configuration.ignored", variable="SIMULATOR_\udcff")
    assert log.lines[0]["variable"].startswith("SIMULATOR_")


def test_a_message_without_a_trace_names_none():
    """Where there are no spans, a line has no trace's ids, rather than zeros."""
    log = Log()
    log.sink.received(arrival(trace=NO_TRACE))
    (line,) = log.lines
    assert line["message_id"] == "m-1"
    assert not {"trace_id", "span_id", "trace_flags"} & set(line)


def test_a_content_type_of_any_length_is_cut():
    """A Content-Type of 32 KB, which is in the log of every stage on the message's way, is cut to what can be one."""
    log = Log()
    log.sink.received(arrival(content_type="text/plain; x=" + "y" * 32_000))
    (line,) = log.lines
    assert line["content_type"] == ("text/plain; x=" + "y" * 32_000)[:256]
    assert len(log.raw[0]) < 1000


@pytest.mark.parametrize(
    "value",
    [
        "x" * 60_000,
        ["x" * 100] * 1000,
        {"a": {"b": "x" * 60_000}},
        "\u20ac" * 60_000,
        "\udcff" * 60_000,
        "\x1b[2J" * 9000,
    ],
)
def test_no_text_in_a_line_has_any_length(value):
    """Whatever is logged, no value is longer than 4,096 characters and a word on what was left out."""
    log = Log()
    log.logger.warning("control.changed", key="faults", before=value, after=value)
    (line,) = log.lines
    assert (line["event"], line["key"]) == ("control.changed", "faults")
    for key in ("before", "after"):
        assert 4096 < len(line[key]) < 4200
        assert "characters left out" in line[key]


def test_a_long_line_of_short_texts_is_left_as_it_is():
    """Many texts are not long ones."""
    log = Log()
    values = {f"key_{number}": "x" * 100 for number in range(100)}
    log.logger.info("stage.started", **values, code=7, ratio=0.5, nothing=None)
    (line,) = log.lines
    assert values.items() <= line.items()
    assert (line["code"], line["ratio"], line["nothing"]) == (7, 0.5, None)


def test_what_would_steer_a_terminal_is_escaped():
    """Control characters and line breaks of a text leave the process as JSON writes them."""
    log = Log()
    log.logger.warning("attempt.failed", error="\x1b[2J\x07\n\r\x00\x9b")
    assert len(log.raw[0].splitlines()) == 1
    assert not any(byte < 0x20 for byte in log.raw[0])


def test_a_line_of_the_service_itself():
    """`service.log` has the text, at the level that was chosen, and nothing below the level of the log."""
    log = Log()
    log.sink.logged(arrival(operation="read"), "warning", "cart gold has 3 items")
    log.sink.logged(arrival(), "debug", "too little to be seen")
    (line,) = log.lines
    assert list(line) == [*LEAD, "operation", "message"]
    assert (line["level"], line["event"], line["message"]) == ("warning", "service.log", "cart gold has 3 items")


def test_attributes_are_under_a_key_of_their_own():
    """Whatever their names are, they hide no key of the line."""
    log = Log()
    log.sink.handled(record(came=arrival(attributes={"outcome": "mine", "app.user": 7})))
    (line,) = log.lines
    assert line["attributes"] == {"outcome": "mine", "app.user": 7}
    assert line["outcome"] != "mine"

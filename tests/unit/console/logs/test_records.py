"""OTLP's log records as lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from simulator.console.logs.records import MAX_RECORD_BYTES, level_of, line_of, prepared, trace_id_of
from simulator.console.traces.origins import Origins
from tests.support.otlp import START, log_record, logs_request, trace_bytes, trace_hex

NOW = START + 10**9


def shown(record, now=NOW):
    """Return a record as the line that the page shows."""
    request = logs_request(bank=[record])
    ((origin, scope),) = Origins().of_logs(request.resource_logs[0])
    return line_of(prepared(scope.log_records[0], now), origin)


def test_a_line_has_everything_of_a_record():
    """Time, level, service, what happened, attributes, ids, logger and instance."""
    record = log_record("card declined", START + 123_456_789, 7, 9, 13, attributes={"amount": 12.5, "ok": False})
    record.severity_text = "WARN"
    line = shown(record)
    assert (line.timestamp, line.level, line.label) == ("2026-11-23T02:13:20.123456Z", "warning", "bank")
    assert line.unix_seconds == pytest.approx((START + 123_456_789) / 1e9, abs=1e-6)
    assert (line.event, line.span_id) == ("card declined", f"{9:016x}")
    assert line.fields == {
        "amount": 12.5,
        "ok": False,
        "trace_id": trace_hex(7),
        "span_id": f"{9:016x}",
        "severity": "WARN",
        "scope": "tests",
        "instance": "bank-1",
    }


@pytest.mark.parametrize(
    ("number", "text", "level"),
    [
        *[(1, "", "trace"), (4, "", "trace"), (5, "", "debug"), (8, "x", "debug"), (9, "", "info"), (12, "", "info")],
        *[(13, "", "warning"), (16, "", "warning"), (17, "", "error"), (20, "", "error"), (21, "", "fatal")],
        *[(24, "", "fatal"), (99, "", "fatal"), (0, "", ""), (0, " WARN ", "warning"), (0, "CRITICAL", "fatal")],
        *[(0, "Notice", "notice"), (-3, "error", "error")],
    ],
)
def test_the_level_is_that_of_the_number_or_else_of_the_text(number, text, level):
    """Numbers are those of the specification, and texts those of common loggers."""
    assert level_of(LogRecord(severity_number=number, severity_text=text)) == level


@pytest.mark.parametrize(
    ("body", "event_name", "event", "rest"),
    [
        ("said", "", "said", {}),
        ("said", "order.placed", "order.placed", {"body": "said"}),
        ("first\nsecond", "", "first\nsecond", {"body": "first\nsecond"}),
        ({"event": "placed", "n": 1}, "", "placed", {"body": {"event": "placed", "n": 1}}),
        ({"msg": "placed"}, "", "placed", {"body": {"msg": "placed"}}),
        ([1, 2], "", "", {"body": [1, 2]}),
        (7, "", "", {"body": 7}),
        ("", "", "", {}),
    ],
)
def test_what_happened_is_the_event_or_the_body(body, event_name, event, rest):
    """A body that is a structure is shown as one, and names its event itself."""
    line = shown(log_record(body, event=event_name))
    assert line.event == event
    assert {key: value for key, value in line.fields.items() if key == "body"} == rest


@pytest.mark.parametrize("trace", [b"", b"\1" * 8, b"\1" * 15, b"\1" * 17, bytes(16)])
def test_an_id_of_another_length_is_none(trace):
    """A record with such an id is one without a trace, as the specification has it."""
    assert trace_id_of(log_record("x", trace=trace)) == b""
    assert "trace_id" not in shown(log_record("x", trace=trace, span=b"\1" * 7)).fields
    assert "span_id" not in shown(log_record("x", trace=1, span=b"\1" * 9)).fields
    assert trace_id_of(log_record("x", trace=3)) == trace_bytes(3)


def test_a_record_without_a_time_was_observed_now():
    """Its own time first, then when it was observed, then when it arrived."""
    assert shown(LogRecord(time_unix_nano=START, observed_time_unix_nano=START + 5)).unix_seconds == START / 1e9
    assert shown(LogRecord(observed_time_unix_nano=START)).unix_seconds == START / 1e9
    assert shown(LogRecord()).unix_seconds == NOW / 1e9
    assert shown(LogRecord(time_unix_nano=2**64 - 1)).timestamp == "2554-07-21T23:34:33.709551Z"


@pytest.mark.parametrize("body", ["x" * 10_000_000, ["y" * 400_000] * 20, {"k" * 300_000: 1}, b"z" * 900_000])
def test_a_long_record_is_cut(body):
    """A record of 10 MB is stored as its beginning, which says how long it was; attributes are kept if they fit."""
    attributes = {"short": "kept", "long": "v" * 100_000, "last": 1}
    record = log_record(body, trace=7, span=9, severity=17, attributes=attributes)
    serialized = prepared(record, NOW)
    assert len(serialized) <= MAX_RECORD_BYTES + 4096
    line = shown(record)
    assert "characters)" in str(line.fields.get("body", line.event)) + line.event
    assert (line.level, line.fields["short"], line.fields["last"]) == ("error", "kept", 1)
    assert "long" not in line.fields
    assert (line.fields["trace_id"], line.fields["attributes_dropped"]) == (trace_hex(7), 1)


@given(st.binary(max_size=200))
def test_any_record_is_shown(written):
    """Whatever is in a record that protobuf reads, there is a line of it."""
    try:
        record = LogRecord.FromString(written)
    except Exception:  # noqa: BLE001 - not a record
        return
    line = shown(record)
    assert line.timestamp.endswith("Z") and isinstance(line.event, str)

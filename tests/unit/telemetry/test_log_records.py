"""Lines of the log as OTLP's log records: the same event, severity, ids and keys with their types."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk.resources import Resource

import simulator
from simulator.telemetry.batching import Batching
from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.exporting import ExportQueue, PatientExporter
from simulator.telemetry.log_encoding import LogEncoder
from simulator.telemetry.log_records import LogTee, QueuedLine, StageLog, record_of
from simulator.telemetry.logs import make_logger
from simulator.telemetry.otlp_batch import CollectorAnswer
from simulator.telemetry.otlp_signal import Signal
from tests.support.collector import log_records_of

NOON_NS = 1_795_953_600_123_456_789
TRACE = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7", "trace_flags": "03"}
RESOURCE = Resource({"service.name": "parse", "service.instance.id": "parse-1", "number": 3})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def logged(level="info", event="message.handled", **keys):
    """Return the line that a stage writes."""
    lines = []
    log = make_logger(lines.append, "debug", lambda: NOON_NS, service="parse", stage="parse", role="processor")
    getattr(log, level)(event, **keys)
    return lines[0]


def encoded(*lines, resource=RESOURCE):
    return LogEncoder().encode([QueuedLine(resource, line) for line in lines])


def received(*lines):
    return list(log_records_of(encoded(*lines)))


def test_a_record_is_its_line():
    """Time, severity, event, ids and keys are those of the line; what has a field of its own is no attribute."""
    line = logged("warning", code=200, seconds=0.5, ok=True, missing=None, decisions={"hit": True, "n": 2}, **TRACE)
    (found,) = received(line)
    record = found.record
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (NOON_NS // 1000 * 1000,) * 2
    assert (record.severity_number, record.severity_text) == (13, "warning")
    assert (record.event_name, record.body.string_value) == ("message.handled", "message.handled")
    assert (record.trace_id.hex(), record.span_id.hex(), record.flags) == (TRACE["trace_id"], TRACE["span_id"], 3)
    assert found.attributes == {
        **{"service": "parse", "stage": "parse", "role": "processor"},
        **{"code": 200, "seconds": 0.5, "ok": True, "missing": None, "decisions": {"hit": True, "n": 2}},
    }
    assert isinstance(found.attributes["ok"], bool)


def test_the_severities():
    """Each level has the first severity number of its range."""
    numbers = [received(logged(level))[0].record.severity_number for level in ("debug", "info", "warning", "error")]
    assert numbers == [5, 9, 13, 17]


def test_what_is_said_is_the_body():
    """The body of a line that the service or a library says is that text; no other line has more than its name."""
    bodies = [
        received(logged(event="service.log", message="cart is empty"))[0].record.body.string_value,
        received(logged(event="library.message", library="x", detail="oh"))[0].record.body.string_value,
        received(logged(event="stage.started"))[0].record.body.string_value,
    ]
    assert bodies == ["cart is empty", "oh", "stage.started"]


def test_a_line_without_a_trace():
    """Where there is no trace, the record has no ids and no flags."""
    (found,) = received(logged())
    assert (found.record.trace_id, found.record.span_id, found.record.flags) == (b"", b"", 0)


def test_resource_and_scope_surround_the_records():
    """Records of one stage share its resource and scope, and those of another have their own."""
    other = Resource({"service.name": "other"})
    body = LogEncoder().encode(
        [QueuedLine(RESOURCE, logged()), QueuedLine(other, logged()), QueuedLine(RESOURCE, logged())]
    )
    parts = ExportLogsServiceRequest.FromString(body).resource_logs
    assert [len(part.scope_logs[0].log_records) for part in parts] == [2, 1]
    assert {a.key for a in parts[0].resource.attributes} >= {"service.name", "service.instance.id", "number"}
    scope = parts[0].scope_logs[0].scope
    assert (scope.name, scope.version) == ("simulator", simulator.__version__)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=8), JSON, max_size=6))
def test_any_keys_arrive_as_they_were(keys):
    """Whatever JSON has arrives with its type, also when the same key had another type before."""
    keys = {f"x_{key}": value for key, value in keys.items()}
    line = json.dumps({"timestamp": "2026-11-29T12:00:00.000000Z", "level": "info", "event": "e", **keys}).encode()
    (found,) = received(line)
    assert found.attributes == keys
    assert [type(found.attributes[key]) for key in keys] == [type(value) for value in keys.values()]


def test_half_a_character_and_a_large_number_cost_themselves_only():
    """What OTLP can't carry is replaced or a text, and the batch arrives."""
    line = logged(path="a\udcffb", seed=2**70)
    (found,) = received(line)
    assert (found.attributes["path"], found.attributes["seed"]) == ("a?b", str(2**70))


class Collector:
    def __init__(self):
        self.answer = CollectorAnswer(True)
        self.events = []

    def send(self, lines, timeout_seconds=None):
        self.events += [record_of(line.line).event for line in lines]
        return self.answer

    def close(self):
        pass


class Rig:
    """A stage whose log is written, and exported to a collector."""

    def __init__(self):
        self.collector, self.written, self.dropped = Collector(), [], []
        self.now = 0.0
        self.queue = ExportQueue(PatientExporter(self.collector, lambda: self.now), Batching(batch_items=1))
        self.tee = LogTee(self.written.append)
        self.logger = make_logger(self.tee, "info", service="parse")
        account = ExportAccount(self.logger, self.dropped.append, "http://collector/v1/logs", Signal.LOGS)
        self.log = StageLog(self.queue, RESOURCE, account)
        self.tee.add(self.log)

    def events(self):
        return [json.loads(line)["event"] for line in self.written]


def test_a_log_is_written_and_exported():
    """Each line goes to both; a line after the end is only written."""
    rig = Rig()
    for number in range(5):
        rig.logger.info(f"event.{number}")
    rig.log.close(20.0)
    rig.logger.info("late")
    assert rig.collector.events == [f"event.{number}" for number in range(5)]
    assert rig.events() == [*rig.collector.events, "late"]
    assert rig.dropped == []


def test_a_line_about_a_failed_export_is_not_exported():
    """It is written, and causes no further export."""
    rig = Rig()
    rig.collector.answer = CollectorAnswer(False, problem="the collector answered 500")
    rig.logger.info("only")
    rig.log.close(20.0)
    assert rig.events() == ["only", "telemetry.export_failed", "telemetry.log_records_dropped"]
    assert rig.collector.events == ["only"]
    assert sum(rig.dropped) == 1

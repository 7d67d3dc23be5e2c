"""Requests in OTLP's JSON are those in protobuf: what reads JSON as the specification has it finds the very same."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk.resources import Resource

from simulator.console.otlp.accepted import LOGS, METRICS, TRACES
from simulator.console.otlp.json_form import json_reader
from simulator.console.turns import Turns
from simulator.telemetry.data_points import MetricsReader
from simulator.telemetry.exponential import ExponentialHistogram
from simulator.telemetry.log_encoding import LogEncoder
from simulator.telemetry.log_records import QueuedLine
from simulator.telemetry.metric_encoding import metrics_request
from simulator.telemetry.otlp_json import data_points_in_json, log_records_in_json, spans_in_json
from simulator.telemetry.record import CallOutcome
from tests.support.any_spans import flat, spans
from tests.support.measuring import Rig, State, tell
from tests.support.records import record

RESOURCE = Resource({"service.name": "parse"})
OTHER = Resource({"service.name": "other"})
IDS = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7", "trace_flags": "03"}


def read(signal, line):
    """Read a line as the console's receiver does."""
    assert b"\n" not in line
    return json_reader(signal, Turns())(line)


@given(st.lists(spans, min_size=1, max_size=5))
def test_spans(batch):
    """Any spans, with events, links and whatever else, are in JSON what the stock encoder says in protobuf."""
    assert flat(read(TRACES, spans_in_json(batch))) == flat(encode_spans(batch))


TEXT = st.text(st.characters(codec="utf-8"), max_size=9)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.lists(TEXT, max_size=2)
    | st.dictionaries(st.text("xy"), st.integers(0, 9), max_size=2)
)


@given(st.dictionaries(st.text("abc", min_size=1), VALUES))
def test_log_records(keys):
    """Any line of the log is in JSON what it is in protobuf."""
    named = {f"k_{key}": value for key, value in keys.items()}
    event = {"timestamp": "2026-11-29T12:00:00.000001Z", "level": "warning", "event": "e", **IDS, **named}
    lines = [
        QueuedLine(RESOURCE, json.dumps(event).encode()),
        QueuedLine(Resource({"service.name": "b"}), json.dumps(event).encode()),
    ]
    assert read(LOGS, log_records_in_json(lines)) == ExportLogsServiceRequest.FromString(LogEncoder().encode(lines))


def points(**options):
    rig = Rig(**options)
    rig.metrics.watch(State())
    tell(rig.metrics, (CallOutcome.OK, 200))
    rig.metrics.handled(record())
    reader = MetricsReader(rig.registry, RESOURCE, rig.metrics.exponentials, False, lambda: 0)
    return list(reader.read())


def test_data_points():
    """Counters, gauges and histograms of both kinds, with exemplars, are in JSON what they are in protobuf."""
    for batch in (points(), points(make_exponential=ExponentialHistogram)):
        assert any(point.exemplars for point in batch)
        assert read(METRICS, data_points_in_json(batch)) == metrics_request(batch)


def test_what_json_has_no_number_for():
    """What is no number is a text, as protobuf's mapping has it."""
    batch = [point._replace(value=value) for point in points()[:1] for value in (math.nan, math.inf, -math.inf)]
    batch = [point._replace(metric=point.metric.__class__("m", "", "", False, False)) for point in batch]
    text = data_points_in_json(batch)
    for shown in (b'"NaN"', b'"Infinity"', b'"-Infinity"'):
        assert b'"asDouble":' + shown in text

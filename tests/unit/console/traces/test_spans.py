"""Spans read from OTLP's protobuf messages."""

from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from simulator.console.traces.spans import kind_name, read_spans, read_value
from tests.support.otlp import MS, START, add_attributes, any_value, request, span


def read(*spans):
    return read_spans(request(parse=list(spans)).resource_spans)


def test_a_span_is_read_whole():
    """Ids, names, kind, times, attributes, status and events arrive as they were sent."""
    sent = span(7, 2, parent=1, name="GET /", kind="client", at_ms=5, ms=2.5, error="too late", attributes={"a": 1})
    event = sent.events.add(time_unix_nano=START + 6 * MS, name="retry")
    add_attributes(event, {"attempt": 2})
    (found,) = read(sent)
    assert (found.trace_id, found.span_id, found.parent_id) == (f"{7:032x}", f"{2:016x}", f"{1:016x}")
    assert (found.service, found.instance, found.name, found.kind) == ("parse", "parse-1", "GET /", "client")
    assert (found.start_unix_ns, found.end_unix_ns) == (START + 5 * MS, START + 5 * MS + 2_500_000)
    assert found.duration_seconds == 0.0025
    assert found.attributes == {"a": 1}
    assert (found.is_error, found.status_message) == (True, "too late")
    assert found.events == ((START + 6 * MS, "retry", {"attempt": 2}),)


def test_spans_keep_their_order():
    """Several resources and scopes are read one after the other."""
    sent = request(parse=[span(1, 1), span(1, 2)], enrich=[span(1, 3)])
    found = read_spans(sent.resource_spans)
    assert [(s.service, int(s.span_id, 16)) for s in found] == [("parse", 1), ("parse", 2), ("enrich", 3)]


def test_an_empty_span_has_default_values():
    """Without resource, name, kind, times and status there is still a span, of an unknown service."""
    group = ResourceSpans()
    group.scope_spans.add().spans.add()
    (found,) = read_spans([group])
    assert (found.trace_id, found.parent_id, found.name, found.kind) == ("", "", "", "internal")
    assert (found.service, found.instance) == ("unknown_service", "")
    assert (found.duration_seconds, found.is_error, found.attributes) == (0.0, False, {})


def test_an_end_before_the_start_is_a_duration_of_0():
    """A span that ends before it starts has a duration of 0."""
    (found,) = read(span(ms=-5))
    assert found.duration_seconds == 0.0


@pytest.mark.parametrize("parent", [b"", bytes(8)])
def test_a_parent_of_zeros_does_not_count(parent):
    """A root may leave its parent's id out or fill it with zeros."""
    (found,) = read(span(parent=parent))
    assert found.parent_id == ""


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "internal"), (1, "internal"), (2, "server"), (3, "client"), (4, "producer"), (5, "consumer"), (6, "internal")],
)
def test_kinds_have_names(number, name):
    """Each kind of OTLP has its name; a missing or unknown one is internal."""
    assert kind_name(number) == name
    assert kind_name(-number - 1) == "internal"


@pytest.mark.parametrize(
    "value",
    ["text", "", True, False, 0, -(2**63), 2**63 - 1, 0.5, b"\x00\xff", [], [1, "a", [True]], {"a": {"b": 1.5}}],
)
def test_values_of_all_types_are_read(value):
    """Texts, numbers, booleans, bytes, lists and maps keep their values and types."""
    found = read_value(any_value(value))
    assert found == value and type(found) is type(value)


def test_an_empty_value_is_none():
    """A value without any of the types is None, and so is an index into a string table that traces do not have."""
    assert read_value(any_value(None)) is None
    indexed = any_value(None)
    indexed.string_value_strindex = 3
    assert read_value(indexed) is None


def test_a_service_whose_name_is_not_text_is_unknown():
    """A number as the name of a service does not count."""
    sent = request(parse=[span()])
    sent.resource_spans[0].resource.attributes[0].value.CopyFrom(any_value(7))
    assert read_spans(sent.resource_spans)[0].service == "unknown_service"

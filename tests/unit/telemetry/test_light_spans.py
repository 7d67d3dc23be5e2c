"""A light span is what the SDK's own span is, whatever is done to it."""

from __future__ import annotations

import logging

import opentelemetry.sdk.trace as sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Event, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from simulator.telemetry import light_spans
from simulator.telemetry.light_spans import LightSpan, end_at, use_light_spans
from simulator.telemetry.record import Outcome

keys = st.sampled_from(["a", "b", "c", "d", "e", "", 7])
attribute_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), st.binary(max_size=4)
) | st.sampled_from([["x", "y"], (1, 2), {"k": "v"}, Outcome.DELIVERED, object, "x" * 40])
attributes = st.dictionaries(keys, attribute_values, max_size=6)
OTHER = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
operations = st.lists(
    st.one_of(
        st.tuples(st.just("set_attribute"), st.tuples(keys, attribute_values)),
        st.tuples(st.just("set_attributes"), st.tuples(attributes)),
        st.tuples(st.just("add_event"), st.tuples(st.just("e"), attributes, st.just(5))),
        st.tuples(st.just("add_link"), st.tuples(st.just(OTHER), attributes)),
        st.tuples(st.just("update_name"), st.tuples(st.sampled_from(["x", "y"]))),
        st.tuples(
            st.just("set_status"),
            st.sampled_from([(StatusCode.ERROR, "bad"), (StatusCode.OK,), (Status(StatusCode.ERROR),)]),
        ),
        st.tuples(st.just("record_exception"), st.sampled_from([(ValueError("no"),)])),
        st.tuples(st.just("end"), st.sampled_from([(30,), (40,)])),
        st.tuples(st.just("start"), st.just((3,))),
    ),
    max_size=12,
)
limits = st.builds(
    SpanLimits,
    max_span_attributes=st.sampled_from([0, 1, 3, 128]),
    max_events=st.sampled_from([0, 1, 128]),
    max_span_attribute_length=st.sampled_from([3, 16, None]),
)


class Seen(InMemorySpanExporter):
    """Keep what is exported, as it is at that moment."""

    def __init__(self):
        super().__init__()
        self.spans = []

    def export(self, spans):
        self.spans += [seen(span) for span in spans]
        return super().export(spans)


def seen(span):
    return (
        span.name,
        span.kind,
        list(span.attributes.items()),
        span.dropped_attributes,
        [(event.name, dict(event.attributes), event.timestamp) for event in span.events if event.name != "exception"],
        [event.attributes["exception.message"] for event in span.events if event.name == "exception"],
        span.dropped_events,
        [(link.context, dict(link.attributes or {})) for link in span.links],
        span.dropped_links,
        (span.status.status_code, span.status.description),
        (span.start_time, span.end_time),
        (span.parent, span.resource, span.instrumentation_scope),
    )


def done(kind, steps, span_limits, first, links):
    """Return what is exported of a span of a kind after these steps, and whether it still records."""
    exporter, provider = Seen(), TracerProvider(span_limits=span_limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sdk, "_Span", kind)
        tracer = provider.get_tracer("test", "1", "https://schema")
        span = tracer.start_span("one", kind=SpanKind.CLIENT, attributes=first, links=links, start_time=10)
    for name, arguments in steps:
        getattr(span, name)(*arguments)
    recording = span.is_recording()
    end_at(span, 50)
    span.end()
    return exporter.spans, recording


@given(operations, limits, attributes, st.sampled_from([(), (Link(OTHER, {"a": 1}),)]))
def test_a_light_span_is_the_sdk_s(steps, span_limits, first, links):
    """Its attributes, events, links, status and times are the same, and so is what was dropped and refused."""
    logging.disable(logging.CRITICAL)
    try:
        own = done(sdk.Span.__subclasses__()[0], steps, span_limits, first, links)
        assert done(LightSpan, steps, span_limits, first, links) == own
    finally:
        logging.disable(logging.NOTSET)


@given(attributes)
def test_events_from_the_start(first):
    """Events that a span is made with are in it."""
    spans = [
        kind(
            name="one",
            context=OTHER,
            resource=TracerProvider(shutdown_on_exit=False).resource,
            attributes=first,
            events=[Event("e", {"a": 1}, 5)],
            limits=SpanLimits(),
        )
        for kind in (sdk.Span.__subclasses__()[0], LightSpan)
    ]
    logging.disable(logging.CRITICAL)
    try:
        assert seen(spans[0]) == seen(spans[1])
    finally:
        logging.disable(logging.NOTSET)


def test_a_span_ends_now():
    """Without a time of its own it ends when it is ended."""
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("one")
    light = LightSpan(name="one", context=OTHER)
    light.start()
    light.end()
    span.end()
    assert abs(light.end_time - span.end_time) < 60 * 10**9
    assert light.start_time <= light.end_time


def test_only_a_known_sdk_has_light_spans(monkeypatch):
    """With another version of the SDK its own spans are made."""
    own = sdk._Span
    monkeypatch.setattr(sdk, "_Span", own)
    monkeypatch.setattr(light_spans, "sdk_version", "9.9")
    use_light_spans()
    assert sdk._Span is own
    monkeypatch.setattr(light_spans, "sdk_version", light_spans.KNOWN_VERSION)
    use_light_spans()
    assert sdk._Span is LightSpan

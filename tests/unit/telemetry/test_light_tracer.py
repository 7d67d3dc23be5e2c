"""A span that a light tracer starts is the one that the SDK would have started."""

from __future__ import annotations

import itertools
import random

import opentelemetry.sdk.trace as sdk
import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, DEFAULT_ON, ParentBasedTraceIdRatio
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from simulator.telemetry import light_tracer
from simulator.telemetry.light_spans import LightSpan
from simulator.telemetry.light_tracer import use_light_tracers
from tests.support.shown_spans import shown

OTHER = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
PARENTS = [
    SpanContext(trace_id, 7, is_remote=is_remote, trace_flags=TraceFlags(flags), trace_state=state)
    for trace_id, is_remote, flags, state in itertools.product(
        (0, 2**100 + 5), (False, True), range(4), (None, TraceState([("vendor", "x")]))
    )
]
SAMPLERS = [DEFAULT_ON, ALWAYS_ON, ALWAYS_OFF, ParentBasedTraceIdRatio(0.5)]


class OwnIds(RandomIdGenerator):
    """Ids whose traces are not random."""

    def is_trace_id_random(self):
        return False


def started(context, **settings):
    """Return what a span is that is started in a context, with seeded ids."""
    random.seed(7)
    tracer = TracerProvider(shutdown_on_exit=False, **settings).get_tracer("test", "1", "https://schema")
    links = [Link(OTHER, {"a": 1})]
    spans = [
        tracer.start_span("one", context, SpanKind.CLIENT, {"a": 1, "b": "x"}, start_time=10),
        tracer.start_span("two", context, attributes={"a": [1, 2]}, links=links, record_exception=False, start_time=11),
    ]
    for span in spans:
        if span.is_recording():
            span.end(20)
    return [shown(span) for span in spans]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description()[:40])
@pytest.mark.parametrize("ids", [RandomIdGenerator, OwnIds])
def test_the_spans_are_those_of_the_sdk(light, sampler, ids):
    """Whatever the parent, the sampler and the ids: the same spans, in the same traces, sampled or not."""
    contexts = [Context(), *(set_span_in_context(NonRecordingSpan(parent), Context()) for parent in PARENTS)]
    own = [started(context, sampler=sampler, id_generator=ids()) for context in contexts]
    light()
    assert [started(context, sampler=sampler, id_generator=ids()) for context in contexts] == own


def test_a_local_parent_and_the_current_context(light):
    """A child of a light span is in its trace; without a context, the current span is the parent."""
    light()
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with tracer.start_as_current_span("outer") as outer:
        inner = tracer.start_span("inner")
    assert type(outer) is type(inner) is LightSpan
    assert inner.parent == outer.get_span_context()
    assert inner.get_span_context().trace_id == outer.get_span_context().trace_id


def test_what_is_measured_or_disabled_is_the_sdk_s_own(light, monkeypatch):
    """With metrics of the SDK itself, or a tracer that is off, nothing is shortened."""
    light()
    monkeypatch.setattr(sdk, "_Span", sdk.Span.__subclasses__()[0])
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    measured = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("one")
    assert not isinstance(measured, LightSpan)
    monkeypatch.delenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED")
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    tracer._set_tracer_config(sdk._TracerConfig(is_enabled=False))
    assert not tracer.start_span("one").is_recording()


def test_a_context_that_is_none_of_the_sdk_s_is_its_own_matter(light):
    """What has no span context is refused as the SDK refuses it."""

    class Odd(NonRecordingSpan):
        def get_span_context(self):
            return "none"

    light()
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with pytest.raises(TypeError, match="SpanContext"):
        tracer.start_span("one", set_span_in_context(Odd(OTHER), Context()))


def test_only_a_known_sdk_has_light_tracers(light, monkeypatch):
    """With another version of the SDK nothing is replaced, and nothing is replaced twice."""
    own = sdk.Tracer.start_span
    monkeypatch.setattr(light_tracer, "sdk_version", "9.9")
    use_light_tracers()
    assert sdk.Tracer.start_span is own
    monkeypatch.setattr(light_tracer, "sdk_version", light_tracer.KNOWN_VERSION)
    light()
    replaced = sdk.Tracer.start_span
    light()
    assert sdk.Tracer.start_span is replaced is not own

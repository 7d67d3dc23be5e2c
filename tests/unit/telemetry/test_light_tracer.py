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
    NoOpTracer,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from simulator.telemetry import light_tracer
from simulator.telemetry.light_spans import LateSpan, LightSpan
from simulator.telemetry.light_tracer import start_late, use_light_tracers
from simulator.telemetry.record import NO_TRACE, TraceIds

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


def shown(span):
    if not span.is_recording() and not hasattr(span, "start_time"):
        return span.get_span_context(), dict(span.get_span_context().trace_state)
    return (
        (span.get_span_context(), dict(span.get_span_context().trace_state), span.parent),
        (span.name, span.kind, dict(span.attributes), span.start_time, span.end_time),
        [(link.context, dict(link.attributes)) for link in span.links],
        (span.instrumentation_scope, span.resource.attributes, span._record_exception, span._set_status_on_exception),
    )


@pytest.fixture
def light(monkeypatch):
    """Return a function that lets tracers start light spans from now on, until the test ends."""
    monkeypatch.setattr(sdk.Tracer, "start_span", getattr(sdk.Tracer.start_span, "__wrapped__", sdk.Tracer.start_span))
    return use_light_tracers


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description()[:40])
@pytest.mark.parametrize("ids", [RandomIdGenerator, OwnIds])
def test_the_spans_are_those_of_the_sdk(light, sampler, ids):
    """Whatever the parent, the sampler and the ids: the same spans, in the same traces, sampled or not."""
    contexts = [Context(), *(set_span_in_context(NonRecordingSpan(parent), Context()) for parent in PARENTS)]
    own = [started(context, sampler=sampler, id_generator=ids()) for context in contexts]
    light()
    assert [started(context, sampler=sampler, id_generator=ids()) for context in contexts] == own


def started_late(parent, **settings):
    """Return what a server's span is that is started late, or at once where that can't be, with seeded ids."""
    random.seed(7)
    tracer = TracerProvider(shutdown_on_exit=False, **settings).get_tracer("test", "1", "https://schema")
    span = start_late(tracer, parent, lambda: ("one", {"a": 1, "b": "x"}), 10)
    if span is None:
        return None
    ids = span.ids
    span.end(20)
    assert (ids.trace_id, ids.span_id) == (format(span.context.trace_id, "032x"), format(span.context.span_id, "016x"))
    assert (ids.trace_flags, ids.sampled) == (format(span.context.trace_flags, "02x"), True)
    return shown(span)


def started_at_once(parent):
    """Return what the SDK's own span is of a server that a caller with these ids has called."""
    random.seed(7)
    context = Context()
    if parent is not NO_TRACE:
        flags = TraceFlags(int(parent.trace_flags, 16))
        caller = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
        context = set_span_in_context(NonRecordingSpan(caller), context)
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test", "1", "https://schema")
    span = tracer.start_span("one", context, SpanKind.SERVER, {"a": 1, "b": "x"}, start_time=10)
    span.end(20)
    return shown(span)


CALLERS = [NO_TRACE, *(TraceIds("a" * 32, "b" * 16, flags, sampled=True) for flags in ("01", "03"))]


@pytest.mark.parametrize("parent", CALLERS, ids=lambda parent: parent.trace_flags or "no caller")
def test_a_late_span_is_the_one_that_is_started_at_once(light, parent):
    """It has the ids, the parent, the attributes and the times of a span of the SDK."""
    own = started_at_once(parent)
    light()
    assert started_late(parent) == own


def test_a_late_span_is_made_when_something_else_than_its_ids_is_needed(light):
    """It is described once, at the first thing that is asked or said of it, and is a light span from then on."""
    light()
    tracer, asked = TracerProvider(shutdown_on_exit=False).get_tracer("test"), []

    def describe():
        asked.append("described")
        return "one", {"a": 1}

    for use in (
        lambda span: span.set_attribute("b", 2),
        lambda span: span.is_recording(),
        lambda span: span.get_span_context(),
        lambda span: span.update_name("two"),
        lambda span: tracer.start_span("inner", set_span_in_context(span, Context())),
        lambda span: span.end(),
    ):
        asked.clear()
        span = start_late(tracer, CALLERS[1], describe, 10)
        assert (type(span), span.ids.trace_id, asked) == (LateSpan, "a" * 32, [])
        use(span)
        span.set_attribute("c", 3)
        assert (type(span), asked, span.attributes["a"]) == (LightSpan, ["described"], 1)


def test_what_is_said_of_a_late_span_comes_after_its_description(light):
    """The name that is given to it replaces the first one, and its own attributes come first."""
    light()
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    span = start_late(tracer, NO_TRACE, lambda: ("one", {"a": 1}), 10)
    span.set_attributes({"b": 2, "a": 3})
    span.update_name("two")
    assert (span.name, dict(span.attributes), span.start_time) == ("two", {"b": 2, "a": 3}, 10)


def test_what_can_not_be_late_is_started_at_once(light, monkeypatch):
    """Another sampler may want the attributes; a caller may want no span; ids, metrics and versions may be others."""
    unsampled = TraceIds("a" * 32, "b" * 16, "00", sampled=False)
    assert started_late(CALLERS[1]) is None
    light()
    assert started_late(CALLERS[1]) is not None
    assert started_late(unsampled) is None
    for sampler in SAMPLERS[1:]:
        assert started_late(CALLERS[1], sampler=sampler) is None
    assert started_late(CALLERS[1], id_generator=OwnIds()) is None
    assert start_late(NoOpTracer(), CALLERS[1], lambda: ("one", {}), 10) is None
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    tracer._set_tracer_config(sdk._TracerConfig(is_enabled=False))
    assert start_late(tracer, CALLERS[1], lambda: ("one", {}), 10) is None
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    assert started_late(CALLERS[1]) is None


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

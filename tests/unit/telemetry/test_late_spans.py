"""A server's span that is made after the answer is the one that the SDK would have started."""

from __future__ import annotations

import random

import opentelemetry.sdk.trace as sdk
import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBasedTraceIdRatio
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracer,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from simulator.telemetry.late_spans import NO_PARENT, LateSpan, late_spans
from simulator.telemetry.light_spans import LightSpan
from tests.support.shown_spans import shown

CALLER = ("a" * 32, "b" * 16, "01")
CALLERS = [NO_PARENT, CALLER, ("a" * 32, "b" * 16, "03")]


class OwnIds(RandomIdGenerator):
    """Ids of a generator of the user's."""


def of_a_test(**settings):
    return TracerProvider(shutdown_on_exit=False, **settings).get_tracer("test", "1", "https://schema")


def started_late(parent, **settings):
    """Return what a server's span is that is started late, or None where that can't be, with seeded ids."""
    random.seed(7)
    spans = late_spans(of_a_test(**settings))
    span = None if spans is None else spans.start(parent, lambda: ("one", {"a": 1, "b": "x"}), 10)
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
    if parent is not NO_PARENT:
        trace_id, span_id, flags = (int(number, 16) for number in parent)
        caller = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
        context = set_span_in_context(NonRecordingSpan(caller), context)
    span = of_a_test().start_span("one", context, SpanKind.SERVER, {"a": 1, "b": "x"}, start_time=10)
    span.end(20)
    return shown(span)


@pytest.mark.parametrize("parent", CALLERS, ids=lambda parent: parent[2] or "no caller")
def test_a_late_span_is_the_one_that_is_started_at_once(light, parent):
    """It has the ids, the parent, the attributes and the times of a span of the SDK."""
    own = started_at_once(parent)
    light()
    assert started_late(parent) == own


def test_a_late_span_is_made_when_something_else_than_its_ids_is_needed(light):
    """It is described once, at the first thing that is asked or said of it, and is a light span from then on."""
    light()
    tracer, asked = of_a_test(), []

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
        span = late_spans(tracer).start(CALLER, describe, 10)
        assert (type(span), span.ids.trace_id, asked) == (LateSpan, "a" * 32, [])
        use(span)
        span.set_attribute("c", 3)
        assert (type(span), asked, span.attributes["a"]) == (LightSpan, ["described"], 1)


def test_what_is_said_of_a_late_span_comes_after_its_description(light):
    """The name that is given to it replaces the first one, and its own attributes come first."""
    light()
    span = late_spans(of_a_test()).start(NO_PARENT, lambda: ("one", {"a": 1}), 10)
    span.set_attributes({"b": 2, "a": 3})
    span.update_name("two")
    assert (span.name, dict(span.attributes), span.start_time) == ("two", {"b": 2, "a": 3}, 10)


def test_an_id_of_zeros_is_drawn_again(light, monkeypatch):
    """It is no id (W3C trace context, 3.2.2.4)."""
    light()
    spans, drawn = late_spans(of_a_test()), [0, 0, 5]
    monkeypatch.setattr(random, "getrandbits", lambda bits: drawn.pop(0))
    assert (spans.start(CALLER, lambda: ("one", {}), 10).ids.span_id, drawn) == (f"{5:016x}", [])


def test_what_can_not_be_late_is_started_at_once(light, monkeypatch):
    """Another sampler may want the attributes; a caller may want no span; ids, metrics and versions may be others."""
    assert started_late(CALLER) is None
    light()
    assert started_late(CALLER) is not None
    assert started_late(("a" * 32, "b" * 16, "00")) is None
    for sampler in (ALWAYS_ON, ALWAYS_OFF, ParentBasedTraceIdRatio(0.5)):
        assert started_late(CALLER, sampler=sampler) is None
    assert started_late(CALLER, id_generator=OwnIds()) is None
    assert late_spans(NoOpTracer()) is None
    tracer = of_a_test()
    tracer._set_tracer_config(sdk._TracerConfig(is_enabled=False))
    assert late_spans(tracer) is None
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    assert started_late(CALLER) is None

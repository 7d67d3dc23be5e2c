"""Spans that the tracers of the SDK start in less time.

For each span the SDK asks a sampler, which asks another one, wraps what it says, and makes the flags of the trace up to
three times. What the default sampler says is plain: a span is sampled unless its trace is not. What is replaced is
private to the SDK, and known for one version of it; with any other, or if a user has set something else, it is done in
the SDK's own way. A test compares the spans of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any

import opentelemetry.sdk.trace as sdk
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.sdk.version import __version__ as sdk_version
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    get_current_span,
)
from opentelemetry.util.types import Attributes

from simulator.telemetry.current_context import get_current
from simulator.telemetry.light_spans import KNOWN_VERSION, SPAN_KEY, LightSpan

_FLAGS = tuple(TraceFlags(TraceFlags.SAMPLED | random) for random in (0, TraceFlags.RANDOM_TRACE_ID))


def use_light_tracers() -> None:
    """Make the tracers of the SDK start light spans from now on. Meant for the entry of a process."""
    own = sdk.Tracer.start_span
    if sdk_version == KNOWN_VERSION and not starts_light_spans():
        sdk.Tracer.start_span = _short(own)  # type: ignore[method-assign]


def starts_light_spans() -> bool:
    """Return whether the tracers of the SDK start light spans."""
    return hasattr(sdk.Tracer.start_span, "__wrapped__")


def is_plain(tracer: Any) -> bool:
    """Return whether a tracer of the SDK samples by default, and measures nothing."""
    return (
        tracer.sampler is DEFAULT_ON
        and type(tracer.id_generator) is RandomIdGenerator
        and type(tracer._tracer_metrics) is _no_metrics()[0]
        and tracer._is_enabled()
    )


def _short(own: Callable[..., Span]) -> Any:
    @wraps(own)
    def start_span(
        self: Any,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        outer = (get_current() if context is None else context).get(SPAN_KEY)
        # Of any other it is asked whether it is a span at all.
        around = outer if type(outer) is LightSpan else get_current_span(context)
        parent: SpanContext | None = around.get_span_context()
        if (
            type(parent) is not SpanContext
            or not is_plain(self)
            or (parent.is_valid and not parent.trace_flags & TraceFlags.SAMPLED)
        ):
            return own(
                self, name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
            )
        if parent.is_valid:
            trace_id, _, _, flags, state, _ = parent
            is_random = flags & TraceFlags.RANDOM_TRACE_ID
        else:
            parent, trace_id, is_random, state = None, self.id_generator.generate_trace_id(), True, None
        ids = SpanContext(trace_id, self.id_generator.generate_span_id(), False, _FLAGS[bool(is_random)], state)
        span: LightSpan = object.__new__(LightSpan)
        options = (record_exception, set_status_on_exception)
        initialize(span, self, name, ids, parent, kind, attributes, links or (), *options)
        span.start(start_time, context)
        return span

    return start_span


def initialize(
    span: LightSpan,
    tracer: Any,
    name: str,
    ids: SpanContext,
    parent: SpanContext | None,
    kind: SpanKind,
    attributes: Attributes,
    links: Sequence[Link] = (),
    record_exception: bool = True,
    set_status_on_exception: bool = True,
) -> None:
    """Initialize a span of a tracer of the SDK that is plain."""
    _, measures_nothing = _no_metrics()
    LightSpan.__init__(
        span,
        name,
        ids,
        parent,
        tracer.sampler,
        None,
        tracer.resource,
        attributes,
        None,
        links,
        kind,
        tracer.span_processor,
        tracer.instrumentation_info,
        record_exception,
        set_status_on_exception,
        tracer._span_limits,
        tracer._instrumentation_scope,
        record_end_metrics=measures_nothing,
    )


@cache
def _no_metrics() -> tuple[type, Callable[[], None]]:
    """Return the type of the metrics of a tracer that measures nothing, and what it calls at the end of a span."""
    # Only a known version is sure to have these.
    from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics, noop  # noqa: PLC0415

    return NoOpTracerMetrics, noop

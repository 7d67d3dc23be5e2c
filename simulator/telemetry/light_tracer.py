"""Spans that the tracers of the SDK start in less time.

For each span the SDK asks a sampler, which asks another one, wraps what it says, and makes the flags of the trace up to
three times. What the default sampler says is plain: a span is sampled unless its trace is not. What is replaced is
private to the SDK, and known for one version of it; with any other, or if a user has set something else, it is done in
the SDK's own way. A test compares the spans of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import opentelemetry.sdk.trace as sdk
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.sdk.version import __version__ as sdk_version
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, TraceFlags, get_current_span
from opentelemetry.util.types import Attributes

from simulator.telemetry.light_spans import KNOWN_VERSION, LightSpan

_FLAGS = tuple(TraceFlags(TraceFlags.SAMPLED | random) for random in (0, TraceFlags.RANDOM_TRACE_ID))


def use_light_tracers() -> None:
    """Make the tracers of the SDK start light spans from now on. Meant for the entry of a process."""
    own = sdk.Tracer.start_span
    if sdk_version == KNOWN_VERSION and not hasattr(own, "__wrapped__"):
        sdk.Tracer.start_span = _short(own)  # type: ignore[method-assign]


def _short(own: Callable[..., Span]) -> Any:
    # Only a known version is sure to have these.
    from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics, noop  # noqa: PLC0415
    from opentelemetry.trace.propagation import _SPAN_KEY  # noqa: PLC0415

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
        outer = (get_current() if context is None else context).get(_SPAN_KEY)
        # Of any other it is asked whether it is a span at all.
        around = outer if type(outer) is LightSpan else get_current_span(context)
        parent: SpanContext | None = around.get_span_context()
        ids = self.id_generator
        if (
            self.sampler is not DEFAULT_ON
            or type(parent) is not SpanContext
            or type(ids) is not RandomIdGenerator
            or type(self._tracer_metrics) is not NoOpTracerMetrics
            or not self._is_enabled()
            or (parent.is_valid and not parent.trace_flags & TraceFlags.SAMPLED)
        ):
            return own(
                self, name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
            )
        if parent.is_valid:
            trace_id, _, _, flags, state, _ = parent
            is_random = flags & TraceFlags.RANDOM_TRACE_ID
        else:
            parent, trace_id, is_random, state = None, ids.generate_trace_id(), True, None
        span = LightSpan(
            name,
            SpanContext(trace_id, ids.generate_span_id(), False, _FLAGS[bool(is_random)], state),
            parent,
            self.sampler,
            None,
            self.resource,
            attributes,
            None,
            links or (),
            kind,
            self.span_processor,
            self.instrumentation_info,
            record_exception,
            set_status_on_exception,
            self._span_limits,
            self._instrumentation_scope,
            record_end_metrics=noop,
        )
        span.start(start_time, context)
        return span

    return start_span

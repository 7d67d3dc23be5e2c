"""Spans of servers that are made after the answer: nothing of them but their ids is needed before it.

That is so where the default sampler samples, which wants to know nothing but the parent.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import opentelemetry.sdk.trace as sdk
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context
from opentelemetry.util.types import Attributes

from simulator.telemetry.light_spans import LightSpan
from simulator.telemetry.light_tracer import initialize, is_plain, starts_light_spans
from simulator.telemetry.record import TraceIds

# The ids of a span as in W3C trace context: of its trace, its own, and the flags.
Parent = tuple[str, str, str]
NO_PARENT: Parent = ("", "", "")
SAMPLED = ("01", "03")
_RANDOM = "03"
_new = object.__new__


class LateSpan(LightSpan):
    """A span of which only the `ids` are known; `make(span)` is called when anything else of it is needed.

    It initializes and starts the span, which is an ordinary light span from then on.
    """

    ids: TraceIds
    make: Callable[[LightSpan], None]

    def __getattr__(self, name: str) -> Any:
        # Python calls this only for what has no value.
        make = self.make
        self.__class__ = LightSpan  # type: ignore[assignment]
        make(self)
        return getattr(self, name)


class LateSpans:
    """Makes the late spans of one tracer."""

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer

    def start(
        self, parent: Parent, describe: Callable[[], tuple[str, Attributes]], start_time: int | None
    ) -> LateSpan | None:
        """Return a span that is made when something is said of it; `describe()` returns its name and attributes.

        `parent` is the caller's span, NO_PARENT if there is none. Return None for one that the caller does not sample:
        it has to be started at once.
        """
        trace_id, _, flags = parent
        if not trace_id:
            trace_id, flags = format(self._tracer.id_generator.generate_trace_id(), "032x"), _RANDOM
        elif flags not in SAMPLED:
            return None
        # As the generator of ids draws them; 0 is no id.
        while not (number := random.getrandbits(64)):
            pass
        span: LateSpan = _new(LateSpan)
        span.ids = ids = TraceIds(trace_id, f"{number:016x}", flags, sampled=True)
        span.make = partial(_make, self._tracer, ids, parent, describe, start_time)
        return span


def late_spans(tracer: Any) -> LateSpans | None:
    """Return what makes the late spans of a tracer, None if its spans have to be started at once.

    How the tracer is set is looked at here and not for each span.
    """
    is_light = type(tracer) is sdk.Tracer and starts_light_spans() and is_plain(tracer)
    return LateSpans(tracer) if is_light else None


def _make(
    tracer: Any,
    ids: TraceIds,
    parent: Parent,
    describe: Callable[[], tuple[str, Attributes]],
    start_time: int | None,
    span: LightSpan,
) -> None:
    name, attributes = describe()
    caller, context = None, Context()
    if parent is not NO_PARENT:
        caller = _context_of(*parent, is_remote=True)
        context = set_span_in_context(NonRecordingSpan(caller), context)
    own = _context_of(ids.trace_id, ids.span_id, ids.trace_flags, is_remote=False)
    initialize(span, tracer, name, own, caller, SpanKind.SERVER, attributes)
    span.start(start_time, context)


def _context_of(trace_id: str, span_id: str, flags: str, *, is_remote: bool) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote, TraceFlags(int(flags, 16)))

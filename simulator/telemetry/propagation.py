"""How trace context and baggage are propagated: by OTEL_PROPAGATORS, and unchanged where they are not ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import CarrierT, Getter, TextMapPropagator, default_getter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from simulator.telemetry.baggage import VerbatimBaggage, is_own_alone
from simulator.telemetry.late_spans import NO_PARENT, Parent

_TRACE_PARENT, _TRACE_STATE = "traceparent", "tracestate"
_USUAL_PARENT = re.compile("00-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-(0[0-3])")
_FLAGS = tuple(map(TraceFlags, range(4)))
_MAX_TRACE_STATE_BYTES = 8192
_MAX_TRACE_STATE_MEMBERS = 32
_KEY = r"[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}"
_MEMBER = re.compile(rf"[ \t]*({_KEY})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e])[ \t]*")


def install_propagation(environment: Mapping[str, str]) -> None:
    """Forward baggage and trace state as they came, with the propagators that OTEL_PROPAGATORS names.

    Meant for the entry of a process: the propagator is global to OpenTelemetry.
    """
    propagate.set_global_textmap(make_propagation(environment, propagate.get_global_textmap()))


def make_propagation(environment: Mapping[str, str], configured: TextMapPropagator) -> TextMapPropagator:
    """Return the propagator that replaces `configured`, which OpenTelemetry made from OTEL_PROPAGATORS.

    `none` means none: the SDK turns it into a composite of no propagators, which returns None as the context, and every
    message would fail on that.
    """
    if "none" in (name.strip().lower() for name in environment.get("OTEL_PROPAGATORS", "").split(",")):
        return _NoPropagation()
    # The parts of a composite are not public; the version is pinned.
    parts = getattr(configured, "_propagators", (configured,))
    propagators = [_verbatim(part) for part in parts]
    usual = [type(propagator) for propagator in propagators] == [VerbatimTraceContext, VerbatimBaggage]
    return (VerbatimPropagation if usual else CompositePropagator)(propagators)


def _verbatim(propagator: TextMapPropagator) -> TextMapPropagator:
    if type(propagator) is W3CBaggagePropagator:
        return VerbatimBaggage()
    if type(propagator) is TraceContextTextMapPropagator:
        return VerbatimTraceContext()
    return propagator


class _NoPropagation(TextMapPropagator):
    def extract(self, carrier: object, context: Context | None = None, getter: object = None) -> Context:
        return context if context is not None else Context()

    def inject(self, carrier: object, context: Context | None = None, setter: object = None) -> None:
        pass

    @property
    def fields(self) -> set[str]:
        return set()


class VerbatimTraceContext(TraceContextTextMapPropagator):
    """W3C trace context whose trace state is forwarded as it came, even if it can't be parsed.

    OpenTelemetry's own drops all of it, and logs a warning, for one member that it can't read.
    """

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """Return the context with the caller's span, and its trace state."""
        states = getter.get(carrier, _TRACE_STATE)
        if not states:
            usual = _usual_parent(getter.get(carrier, _TRACE_PARENT))
            if usual is None:
                return super().extract(carrier, context, getter)
            return trace.set_span_in_context(NonRecordingSpan(usual), Context() if context is None else context)
        context = Context() if context is None else context
        extracted = super().extract(carrier, context, _WithoutTraceState(getter))
        came = ",".join(states)
        if extracted is context or len(came) > _MAX_TRACE_STATE_BYTES:
            return extracted
        span = trace.get_current_span(extracted).get_span_context()
        with_state = SpanContext(
            span.trace_id, span.span_id, span.is_remote, span.trace_flags, _TraceStateAsItCame(came)
        )
        return trace.set_span_in_context(NonRecordingSpan(with_state), extracted)


def _usual_parent(headers: list[str] | None) -> SpanContext | None:
    """Return the caller's span; None if there is none, or if its header has to be looked at more closely."""
    usual = _USUAL_PARENT.fullmatch(headers[0]) if headers else None
    if usual is None:
        return None
    return SpanContext(int(usual[1], 16), int(usual[2], 16), is_remote=True, trace_flags=_FLAGS[int(usual[3])])


class VerbatimPropagation(CompositePropagator):
    """Propagate the trace context and the baggage, as OTEL_PROPAGATORS has it by default."""

    def usual_parent(self, parent: str | None, state: str | None, baggage: str | None) -> Parent | None:
        """Return the caller's span by the headers of a request, NO_PARENT if there is none.

        Return None if they have more to say, or have to be looked at more closely: then `extract` does it.
        """
        if state or not (baggage is None or is_own_alone(baggage)):
            return None
        if parent is None:
            return NO_PARENT
        usual = _USUAL_PARENT.fullmatch(parent)
        return None if usual is None else usual.groups()  # type: ignore[return-value] # it has three


class _WithoutTraceState(Getter[CarrierT]):
    def __init__(self, inner: Getter[CarrierT]) -> None:
        self._inner = inner

    def get(self, carrier: CarrierT, key: str) -> list[str] | None:
        return None if key == _TRACE_STATE else self._inner.get(carrier, key)

    def keys(self, carrier: CarrierT) -> list[str]:
        return self._inner.keys(carrier)


class _TraceStateAsItCame(TraceState):
    """A trace state that is written as it was read; a sampler that changes it makes it an ordinary one."""

    def __init__(self, came: str) -> None:
        super().__init__(_members(came))
        self._as_it_came = came

    def __bool__(self) -> bool:
        return bool(self._as_it_came)

    def to_header(self) -> str:
        """Return the header."""
        return self._as_it_came


def _members(header: str) -> list[tuple[str, str]]:
    """Return the members of a trace state in order, none if one of them is malformed."""
    members = [member for member in header.split(",") if member.strip(" \t")]
    found = [match for member in members if (match := _MEMBER.fullmatch(member))]
    entries = {match[1]: match[2] for match in found}
    is_well_formed = len(entries) == len(members) <= _MAX_TRACE_STATE_MEMBERS
    return list(entries.items()) if is_well_formed else []

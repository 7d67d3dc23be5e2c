"""Any spans, and requests of them in an order of their own."""

from __future__ import annotations

from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

RESOURCES = [Resource({"service.name": "parse"}), Resource({"service.name": "enrich", "replicas": 3}, "https://schema")]
SCOPES = [InstrumentationScope("flask", "0.1"), InstrumentationScope("simulator", schema_url="https://other")]

text = st.text(max_size=200)
plain = st.one_of(text, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
attributes = st.dictionaries(st.text(min_size=1, max_size=150), plain | st.lists(text, max_size=3), max_size=6)
times = st.integers(0, 2**64 - 1)
contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.just(TraceFlags(1)),
    st.sampled_from([None, TraceState([("vendor", "x")])]),
)
events = st.builds(Event, text, attributes, times)
links = st.builds(Link, contexts, attributes)
statuses = st.one_of(st.just(Status()), st.builds(Status, st.just(StatusCode.ERROR), st.none() | text))
spans = st.builds(
    ReadableSpan,
    name=text,
    context=contexts,
    parent=st.none() | contexts,
    resource=st.sampled_from(RESOURCES),
    attributes=attributes,
    events=st.lists(events, max_size=1),
    links=st.lists(links, max_size=1),
    kind=st.sampled_from(list(SpanKind)),
    instrumentation_scope=st.sampled_from(SCOPES),
    status=statuses,
    start_time=times,
    end_time=times,
)


def flat(request: ExportTraceServiceRequest) -> list[tuple[bytes, bytes, bytes]]:
    """Return every span with its resource and scope, in an order of its own: grouping is free to differ."""
    return sorted(
        (
            resource.resource.SerializeToString(deterministic=True) + resource.schema_url.encode(),
            scope.scope.SerializeToString(deterministic=True) + scope.schema_url.encode(),
            span.SerializeToString(deterministic=True),
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )

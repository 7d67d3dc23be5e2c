"""What a span says of itself."""

from __future__ import annotations


def shown(span):
    """Return all that a span is, or has to say."""
    if not span.is_recording() and not hasattr(span, "start_time"):
        return span.get_span_context(), dict(span.get_span_context().trace_state)
    return (
        (span.get_span_context(), dict(span.get_span_context().trace_state), span.parent),
        (span.name, span.kind, dict(span.attributes), span.start_time, span.end_time),
        [(link.context, dict(link.attributes)) for link in span.links],
        (span.instrumentation_scope, span.resource.attributes, span._record_exception, span._set_status_on_exception),
    )

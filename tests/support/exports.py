"""Requests to export traces, for tests: a plain one, and any that the messages' descriptors allow."""

from __future__ import annotations

import math

from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_MAX_DEPTH = 9  # of messages: enough for a value in a list in a list of an attribute of a span

_SCALARS = {
    FieldDescriptor.TYPE_STRING: st.text(max_size=8),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=20),
    FieldDescriptor.TYPE_DOUBLE: st.floats().map(
        lambda value: math.nan if math.isnan(value) else value
    ),  # one NaN is enough
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_FIXED64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_ENUM: st.integers(-(2**31), 2**31 - 1) | st.integers(0, 5),
}


def export(spans=1, service="shop"):
    """Return a request of one service with so many spans of one trace."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    name = resource.resource.attributes.add(key="service.name")
    name.value.string_value = service
    scope = resource.scope_spans.add()
    for number in range(spans):
        span = scope.spans.add(trace_id=bytes.fromhex(TRACE_ID), name="POST /messages", kind=2)
        span.span_id = (int(SPAN_ID, 16) + number).to_bytes(8, "big")
        span.start_time_unix_nano, span.end_time_unix_nano = 1_700_000_000_000_000_000, 1_700_000_000_250_000_000
    return request


@st.composite
def exports(draw):
    """Return any request, with every possible field."""
    request = ExportTraceServiceRequest()
    _fill(draw, request, _MAX_DEPTH)
    return request


def _fill(draw, message, depth_left):
    chosen = {oneof.name: draw(st.sampled_from(list(oneof.fields))) for oneof in message.DESCRIPTOR.oneofs}
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is not None and chosen[field.containing_oneof.name] is not field:
            continue
        if not draw(st.booleans()) or (field.message_type is not None and not depth_left):
            continue
        if field.is_repeated:
            _extend(draw, field, getattr(message, field.name), depth_left)
        elif field.message_type is not None:
            getattr(message, field.name).SetInParent()
            _fill(draw, getattr(message, field.name), depth_left - 1)
        else:
            setattr(message, field.name, draw(_SCALARS[field.type]))


def _extend(draw, field, values, depth_left):
    for _ in range(draw(st.integers(0, 2))):
        if field.message_type is not None:
            _fill(draw, values.add(), depth_left - 1)
        else:
            values.append(draw(_SCALARS[field.type]))

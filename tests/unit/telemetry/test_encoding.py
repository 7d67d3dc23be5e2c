"""The lean encoder says the very same as the stock one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from simulator.telemetry.encoding import SpanEncoder
from tests.support.any_spans import flat, spans


@given(st.lists(spans, max_size=6))
def test_both_encoders_say_the_same(batch):
    """Whatever the spans are, decoding gives the same spans, resources and scopes as the stock encoder's bytes."""
    encoded = SpanEncoder().encode(batch)
    assert flat(ExportTraceServiceRequest.FromString(encoded)) == flat(encode_spans(batch))


@given(st.lists(spans, min_size=1, max_size=3), st.lists(spans, min_size=1, max_size=3))
def test_a_second_batch_is_encoded_as_the_first(first, second):
    """What an encoder keeps from one batch does not leak into the next."""
    encoder = SpanEncoder()
    encoder.encode(first)
    assert flat(ExportTraceServiceRequest.FromString(encoder.encode(second))) == flat(encode_spans(second))

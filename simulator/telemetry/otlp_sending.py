"""Batches of spans over HTTP to a collector: encoded, packed, and tried again where OTLP says so."""

from __future__ import annotations

import gzip
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.sdk.trace import ReadableSpan

import simulator
from simulator.telemetry.encoding import SpanEncoder
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_posting import Answer, Poster, SpanBatch

_PACKERS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


class OtlpSender:
    """Send batches to one collector; a refusal for a while is waited out, as far as the time for a batch allows."""

    def __init__(self, destination: Destination, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._destination = destination
        self._monotonic = monotonic
        self._encoder = SpanEncoder()
        self._post = Poster(destination, {"user-agent": f"web-service-simulator/{simulator.__version__}"})
        self._closed = threading.Event()

    def send(self, spans: Sequence[ReadableSpan], timeout_seconds: float | None = None) -> Answer:
        """Send a batch, within `timeout_seconds` or the destination's own timeout, whichever is shorter."""
        own = self._destination.timeout_seconds
        end = self._monotonic() + (own if timeout_seconds is None else min(own, timeout_seconds))
        batch = self._batch(spans)
        while True:
            answer = self._post(batch, end - self._monotonic())
            # Without an answer nobody knows whether the spans have arrived.
            is_for_a_while = answer.is_worth_retrying and answer.status is not None
            if not is_for_a_while or self._monotonic() + answer.pause_seconds >= end:
                return answer
            if self._closed.wait(answer.pause_seconds):
                return answer

    def close(self) -> None:
        """Close the connections, and end a wait between two tries."""
        self._closed.set()
        self._post.close()

    def _batch(self, spans: Sequence[ReadableSpan]) -> SpanBatch:
        body = self._encoder.encode(spans)
        packing = self._destination.compression
        if packing in _PACKERS:
            return SpanBatch(_PACKERS[packing](body), "application/x-protobuf", packing, len(spans))
        return SpanBatch(body, "application/x-protobuf", "identity", len(spans))

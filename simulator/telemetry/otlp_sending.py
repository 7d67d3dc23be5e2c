"""Sending batches of spans to a collector over HTTP: encoded, compressed, and retried where OTLP says so."""

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
from simulator.telemetry.otlp_posting import CollectorAnswer, Poster, SpanBatch

_COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


class OtlpSender:
    """Send batches to one collector; a temporary refusal is retried, as far as the time for a batch allows."""

    def __init__(self, destination: Destination, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._destination = destination
        self._monotonic = monotonic
        self._encoder = SpanEncoder()
        self._post = Poster(destination, {"user-agent": f"web-service-simulator/{simulator.__version__}"})
        self._closed = threading.Event()

    def send(self, spans: Sequence[ReadableSpan], timeout_seconds: float | None = None) -> CollectorAnswer:
        """Send a batch, within `timeout_seconds` or the destination's own timeout, whichever is shorter."""
        own = self._destination.timeout_seconds
        end = self._monotonic() + (own if timeout_seconds is None else min(own, timeout_seconds))
        batch = self._batch(spans)
        while True:
            answer = self._post(batch, end - self._monotonic())
            # Without an answer it is unknown whether the spans arrived.
            is_temporary = answer.is_worth_retrying and answer.status is not None
            if not is_temporary or self._monotonic() + answer.pause_seconds >= end:
                return answer
            if self._closed.wait(answer.pause_seconds):
                return answer

    def close(self) -> None:
        """Close the connections, and end a wait between two attempts."""
        self._closed.set()
        self._post.close()

    def _batch(self, spans: Sequence[ReadableSpan]) -> SpanBatch:
        body = self._encoder.encode(spans)
        compression = self._destination.compression
        if compression in _COMPRESSORS:
            return SpanBatch(_COMPRESSORS[compression](body), "application/x-protobuf", compression, len(spans))
        return SpanBatch(body, "application/x-protobuf", "identity", len(spans))

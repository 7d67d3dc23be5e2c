"""Sending batches to a collector: encoded, compressed, and retried where OTLP says so."""

from __future__ import annotations

import gzip
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from simulator.telemetry.otlp_batch import CollectorAnswer, OtlpBatch, Transport
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_posting import PROTOBUF
from simulator.telemetry.otlp_signal import Signal

_COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
Encoded = TypeVar("Encoded")


class OtlpSender(Generic[Encoded]):
    """Send batches to one collector; a temporary refusal is retried, as far as the time for a batch allows.

    `encode(items)` returns the request of the signal's service in protobuf, `transport` takes it to the collector.
    """

    def __init__(
        self,
        destination: Destination,
        encode: Callable[[Sequence[Encoded]], bytes],
        transport: Transport,
        signal: Signal = Signal.TRACES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._destination = destination
        self._encode = encode
        self._transport = transport
        self._signal = signal
        self._monotonic = monotonic
        self._closed = threading.Event()

    def send(self, items: Sequence[Encoded], timeout_seconds: float | None = None) -> CollectorAnswer:
        """Send a batch, within `timeout_seconds` or the destination's own timeout, whichever is shorter."""
        own = self._destination.timeout_seconds
        end = self._monotonic() + (own if timeout_seconds is None else min(own, timeout_seconds))
        batch = self._batch(items)
        while True:
            answer = self._transport(batch, end - self._monotonic())
            # Without an answer it is unknown whether the items arrived.
            is_temporary = answer.is_worth_retrying and answer.status is not None
            if not is_temporary or self._monotonic() + answer.pause_seconds >= end:
                return answer
            if self._closed.wait(answer.pause_seconds):
                return answer

    def close(self) -> None:
        """Close the connections, and end a wait between two attempts."""
        self._closed.set()
        self._transport.close()

    def _batch(self, items: Sequence[Encoded]) -> OtlpBatch:
        body = self._encode(items)
        compression = self._destination.body_compression
        if compression in _COMPRESSORS:
            return OtlpBatch(_COMPRESSORS[compression](body), PROTOBUF, compression, len(items), signal=self._signal)
        return OtlpBatch(body, PROTOBUF, "identity", len(items), signal=self._signal)

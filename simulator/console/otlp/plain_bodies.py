"""Batches as gRPC wants them: requests in protobuf, which it compresses itself, whatever they arrived as."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from simulator.console.otlp.bodies import unpacked
from simulator.telemetry.otlp_batch import CollectorAnswer, OtlpBatch, Transport
from simulator.telemetry.otlp_posting import PROTOBUF


class PlainBodies:
    """A transport that hands on every batch as plain protobuf; `read_json(body)` returns the message of one in JSON.

    Every batch has been read before, when it was received, so that neither can fail here.
    """

    def __init__(self, transport: Transport, read_json: Callable[[bytes], Any], max_bytes: int) -> None:
        self._transport = transport
        self._read_json = read_json
        self._max_bytes = max_bytes

    def __call__(self, batch: OtlpBatch, timeout_seconds: float) -> CollectorAnswer:
        """Make one attempt."""
        body = unpacked(batch.body, batch.content_encoding, self._max_bytes)
        if batch.content_type != PROTOBUF:
            body = self._read_json(body).SerializeToString()
        plain = dataclasses.replace(batch, body=body, content_type=PROTOBUF, content_encoding="identity")
        return self._transport(plain, timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

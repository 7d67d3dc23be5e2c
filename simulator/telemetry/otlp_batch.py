"""A request to a collector, the collector's answer, and the way there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from simulator.telemetry.otlp_signal import Signal


@dataclass(frozen=True)
class OtlpBatch:
    """A request to a collector: its body, compressed or not, and what its headers must say.

    `items` is how many spans, log records or data points are in it, `via` the header of that name: who has forwarded
    it before.
    """

    body: bytes
    content_type: str
    content_encoding: str
    items: int
    via: str = ""
    signal: Signal = Signal.TRACES


@dataclass(frozen=True)
class CollectorAnswer:
    """How an attempt ended.

    `pause_seconds` is how long to wait before the next attempt; `rejected` is how many items of an accepted batch were
    not wanted; `problem` is a text, "" for none. `status` is that of a refusal, None if the batch was accepted or there
    was no answer.
    """

    is_taken: bool
    is_worth_retrying: bool = False
    pause_seconds: float = 0.0
    rejected: int = 0
    problem: str = ""
    status: int | None = None


class Transport(Protocol):
    """The way of requests to a collector, over HTTP or another protocol."""

    def __call__(self, batch: OtlpBatch, timeout_seconds: float, /) -> CollectorAnswer:
        """Make one attempt, for at most `timeout_seconds` without a byte from the collector; never raise."""

    def close(self) -> None:
        """Close the connections."""

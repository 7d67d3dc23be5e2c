"""The ids of traces in virtual time, where there are no spans: the same for the same message in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from simulator.telemetry.record import CallRecord, TraceIds


class VirtualTracing:
    """Return the ids of each message's trace, and of the span of each of its visits to a stage."""

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def ids(self, message_id: str, visit: str) -> TraceIds:
        """Return the ids: of the message's trace, and of the visit's span in it."""
        return TraceIds(_hash(16, message_id), _hash(8, f"{self._stage}/{visit}/{message_id}"), "03", sampled=False)

    @contextmanager
    def root(self, due_unix_ns: int, lag_seconds: float) -> Iterator[None]:
        """Open no span."""
        yield

    @contextmanager
    def accepted(self) -> Iterator[None]:
        """Open no span."""
        yield

    @contextmanager
    def calling(self, downstream: str) -> Iterator[Callable[[CallRecord], None]]:
        """Open no span."""
        yield lambda call: None


def _hash(size: int, text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()

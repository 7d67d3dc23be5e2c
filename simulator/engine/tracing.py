"""The tracing that the engine needs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from simulator.telemetry.record import CallRecord, TraceIds


class Tracing(Protocol):
    """The spans that are open while a message is handled; all others are made from its record, afterwards."""

    def ids(self, message_id: str, visit: str) -> TraceIds:
        """Return the ids of the span in which a visit of a message is handled; NO_TRACE if there is none."""

    def root(self, due_unix_ns: int, lag_seconds: float) -> AbstractContextManager[object]:
        """Open the root span of a message that the stage itself creates, starting at its due time."""

    def accepted(self) -> AbstractContextManager[object]:
        """Open the span of processing a message that has been answered already."""

    def calling(self, downstream: str) -> AbstractContextManager[Callable[[CallRecord], None]]:
        """Open the span around the attempts of a call; the function that it yields takes the record of the call."""

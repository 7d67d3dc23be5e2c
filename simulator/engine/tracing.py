"""What the story needs of whatever makes spans."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from simulator.telemetry.record import CallRecord, TraceIds


class Tracing(Protocol):
    """The spans that are open while something goes on; all others are made of the record, afterwards."""

    def ids(self, message_id: str, visit: str) -> TraceIds:
        """Return the ids of the span that a visit of a message is handled in; NO_TRACE where there is none."""

    def root(self, due_unix_ns: int, lag_seconds: float) -> AbstractContextManager[object]:
        """Open the root span of a message that the stage creates itself, from its due time on."""

    def accepted(self) -> AbstractContextManager[object]:
        """Open the span of the work on a message that has been answered already."""

    def calling(self, downstream: str) -> AbstractContextManager[Callable[[CallRecord], None]]:
        """Open the span around the attempts of a call; what it gives is told how the call ended."""

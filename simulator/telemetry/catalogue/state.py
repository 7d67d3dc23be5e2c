"""What the gauges of a stage read."""

from __future__ import annotations

from typing import Protocol


class CapacityState(Protocol):
    """How many messages a stage has room for, and how many it holds."""

    workers: int
    queue: int
    busy: int

    @property
    def waiting(self) -> int:
        """Return how many messages wait for a worker."""

    @property
    def inside(self) -> int:
        """Return how many messages are inside the stage."""


class StageState(Protocol):
    """The state of a stage at this moment."""

    @property
    def capacity(self) -> CapacityState:
        """Return its workers and its queue."""

    def open_breakers(self, downstream: str, /) -> int:
        """Return how many circuit breakers of calls to a stage are not closed."""

"""What was due of an injector's load in each second, as rows of the truth."""

from __future__ import annotations

from collections.abc import Callable

from simulator.telemetry.clock import Clock
from simulator.telemetry.truth import line_of

_NS = 10**9


class DueSeconds:
    """Count the messages that were due in the current second, and write its row when a later one begins.

    Seconds without any have no row. `write(row)` takes a line without its line break.
    """

    def __init__(self, stage: str, instance: int, clock: Clock, write: Callable[[bytes], None]) -> None:
        self._stage = stage
        self._instance = instance
        self._clock = clock
        self._write = write
        self._second = 0
        self._due = self._missed = 0
        self._max_lag_seconds = 0.0

    def due(self, lag_seconds: float) -> None:
        """Count a message that starts now, and was due so long ago."""
        self._turn_to((self._clock.unix_ns() - int(lag_seconds * _NS)) // _NS)
        self._due += 1
        self._max_lag_seconds = max(self._max_lag_seconds, lag_seconds)

    def missed(self) -> None:
        """Count a message that is known now not to have been sent in time."""
        if not self._second:
            self._turn_to(self._clock.unix_ns() // _NS)
        self._missed += 1

    def unstarted(self, count: int) -> None:
        """Count messages that were due and will not be sent, since the load is stopped."""
        if not self._second:
            self._turn_to(self._clock.unix_ns() // _NS)
        self._due += count
        self._missed += count

    def close(self) -> None:
        """Write the row of the current second."""
        self._turn_to(0)

    def _turn_to(self, second: int) -> None:
        # Never back: a message that starts late was due before, and the time of day may be set back.
        if self._second and self._second >= second > 0:
            return
        if self._due or self._missed:
            self._write(line_of(self._row()))
        self._second, self._due, self._missed, self._max_lag_seconds = second, 0, 0, 0.0

    def _row(self) -> dict[str, object]:
        return {
            "kind": "second",
            "stage": self._stage,
            "instance": self._instance,
            "second": self._second,
            "due": self._due,
            "missed": self._missed,
            "max_lag_seconds": self._max_lag_seconds,
        }

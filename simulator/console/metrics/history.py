"""The last minute of every process's counters.

Readings are kept as rows of plain numbers, and the columns' series are kept once, so that sixty
processes take a few megabytes.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulator.console.metrics import counters
from simulator.console.metrics.exposition import Key

KEPT_SECONDS = 60.0
_MAX_KEYS = 2000
# The value of such a metric is always 1: its information is in labels that change, each time a new series.
_INFO = "_info"


@dataclass(frozen=True, slots=True)
class _Row:
    """One reading."""

    at: float
    values: array[float]

    def value(self, column: int) -> float:
        return self.values[column] if column < len(self.values) else math.nan


class History:
    """The readings of one process. All times are monotonic seconds."""

    def __init__(self, max_keys: int = _MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._columns: dict[Key, int] = {}
        self._names: dict[str, list[Key]] = {}
        self._latest: Mapping[Key, float] = {}
        self._rows: deque[_Row] = deque()
        self.is_up = True
        self.reason = ""

    def record(self, at: float, samples: Mapping[Key, float]) -> None:
        """Record a reading: the process is up."""
        self._rows.append(_Row(at, self._values(samples)))
        self._latest = samples
        self.is_up, self.reason = True, ""
        # Two always stay, because a rate needs two, however old the first one is.
        while len(self._rows) > 2 and self._rows[1].at <= at - KEPT_SECONDS:
            self._rows.popleft()

    def mark_down(self, reason: str) -> None:
        """Record that the process could not be read, and why."""
        self.is_up, self.reason = False, reason

    @property
    def has_been_read(self) -> bool:
        """Return whether there has been a reading."""
        return bool(self._rows)

    def last(self, name: str, **labels: str) -> float:
        """Return the sum of the last values of the series with that name and those labels; NaN if there are none."""
        values = [self._latest[key] for key in self._latest if key.name == name and _has(key, labels)]
        return sum(values) if values else math.nan

    def label_values(self, name: str, label: str) -> list[str]:
        """Return the values of a label in the last reading's series of that name."""
        found = (dict(key.labels).get(label) for key in self._latest if key.name == name)
        return list(dict.fromkeys(value for value in found if value is not None))

    def rate(self, name: str, window_seconds: float, **labels: str) -> float:
        """Return the summed growth per second of the counters with that name and those labels; NaN if unknown.

        The window reaches back from the last reading, and further if the readings are farther apart than its length.
        """
        rows = self._recent(window_seconds)
        if len(rows) < 2:
            return math.nan
        return self._increase(rows, self.keys(name, **labels)) / (rows[-1].at - rows[0].at)

    def keys(self, name: str, **labels: str) -> list[Key]:
        """Return the series of that name that have at least those labels."""
        return [key for key in self._names.get(name, ()) if _has(key, labels)]

    def _values(self, samples: Mapping[Key, float]) -> array[float]:
        for key in samples:
            if key not in self._columns and not key.name.endswith(_INFO) and len(self._columns) < self._max_keys:
                self._columns[key] = len(self._columns)
                self._names.setdefault(key.name, []).append(key)
        return array("d", [samples.get(key, math.nan) for key in self._columns])

    def _recent(self, window_seconds: float) -> list[_Row]:
        """Return the readings of the window and the one before it, the oldest first."""
        rows: list[_Row] = []
        for row in reversed(self._rows):
            rows.append(row)
            if row.at <= rows[0].at - window_seconds and len(rows) > 1:
                break
        return rows[::-1]

    def _increase(self, rows: Sequence[_Row], keys: Sequence[Key]) -> float:
        columns = [self._columns[key] for key in keys]
        return sum(counters.increase(row.value(column) for row in rows) for column in columns)


def _has(key: Key, labels: Mapping[str, str]) -> bool:
    return not labels or labels.items() <= set(key.labels)

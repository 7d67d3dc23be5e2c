"""A log with a bound: the newest lines in a file, those before them in a second one, and older ones deleted.

A process writes its log to a descriptor that it was given. When half of the bound is full, the file is renamed to
NAME.1, which takes the place of an older one of that name, and the descriptor leads to a new file from there on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simulator.telemetry.run_files import create_file, older_log


@dataclass(frozen=True)
class LogBound:
    """Which file a log is written to, and how many bytes of it are kept."""

    path: Path
    limit_bytes: int


class LogFile:
    """Keep the file behind a descriptor within its bound; `on_deleted(count)` hears how many lines are gone in all."""

    def __init__(self, descriptor: int, bound: LogBound, on_deleted: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._path = bound.path
        self.half_bytes = max(1, bound.limit_bytes // 2)
        self._on_deleted = on_deleted
        self._bytes = os.fstat(descriptor).st_size
        self._lines = self._older_lines = self.deleted = 0

    def make_room(self, size_bytes: int) -> bool:
        """Begin a new file where this many bytes would be too many for the one that is open; return whether it did."""
        if not self._bytes or self._bytes + size_bytes <= self.half_bytes:
            return False
        self._rotate()
        return True

    def wrote(self, size_bytes: int, lines: int) -> None:
        """Note what was written."""
        self._bytes += size_bytes
        self._lines += lines

    def _rotate(self) -> None:
        gone = self._older_lines
        try:
            self._path.rename(older_log(self._path))
            with create_file(self._path) as file:
                os.dup2(file.fileno(), self._descriptor)
            self._older_lines = self._lines
        except OSError:
            # The folder is gone, or no file can be made: the bound is kept all the same.
            os.ftruncate(self._descriptor, 0)
            gone += self._lines
            self._older_lines = 0
        self._bytes = self._lines = 0
        self.deleted += gone
        if gone:
            self._on_deleted(self.deleted)

"""A log with a bound: the newest lines in a file, earlier ones in a second file, and older ones deleted.

A process writes its log to a descriptor that it was given. When half of the bound is full, the file is renamed to
NAME.1, replacing an older one of that name, and the descriptor leads to a new file from then on.
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
    """Keep the file behind a descriptor within its bound; `on_deleted(count)` gets the total of deleted lines."""

    def __init__(self, descriptor: int, bound: LogBound, on_deleted: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._path = bound.path
        self.half_bytes = max(1, bound.limit_bytes // 2)
        self._on_deleted = on_deleted
        self._bytes = os.fstat(descriptor).st_size
        self._lines = self._older_lines = self.deleted = 0

    def make_room(self, size_bytes: int) -> bool:
        """Start a new file if so many bytes would be too many for the current one; return whether it did."""
        if not self._bytes or self._bytes + size_bytes <= self.half_bytes:
            return False
        self._rotate()
        return True

    def wrote(self, size_bytes: int, lines: int) -> None:
        """Record what was written."""
        self._bytes += size_bytes
        self._lines += lines

    def _rotate(self) -> None:
        deleted = self._older_lines
        try:
            self._path.rename(older_log(self._path))
            with create_file(self._path) as file:
                os.dup2(file.fileno(), self._descriptor)
            self._older_lines = self._lines
        except OSError:
            # The folder is gone, or no file can be created: the bound is kept all the same.
            os.ftruncate(self._descriptor, 0)
            deleted += self._lines
            self._older_lines = 0
        self._bytes = self._lines = 0
        self.deleted += deleted
        if deleted:
            self._on_deleted(self.deleted)

"""The logs of a run in virtual time, and its truth: written by the run itself, a block at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from simulator.errors import StartError
from simulator.local.file_limits import FileLimits
from simulator.telemetry import tally
from simulator.telemetry.clock import Clock
from simulator.telemetry.logs import make_logger
from simulator.telemetry.run_files import RunFiles, create_file, labels, older_log
from simulator.telemetry.tally import MemoryTally
from simulator.topology.model import Topology

_BLOCK_BYTES = 64 * 1024


class VirtualLog:
    """The log of one stage; of more than `limit_bytes` the oldest half is deleted.

    Its file is open only while a block is written, so that ten thousand stages may have one. `on_loss(count)` is called
    with the total of lines that could not be written, `on_deleted(count)` with the total of those deleted.
    """

    def __init__(
        self, path: Path, limit_bytes: int, on_loss: Callable[[int], None], on_deleted: Callable[[int], None]
    ) -> None:
        self._path = path
        self._half_bytes = max(1, limit_bytes // 2)
        self._on_loss = on_loss
        self._on_deleted = on_deleted
        self._waiting: list[bytes] = []
        self._waiting_bytes = self._file_bytes = 0
        self._lines = self._older_lines = self._lost = self._deleted = 0
        try:
            create_file(path).close()
        except OSError as error:
            raise StartError(f"{path} can't be written: {error.strerror}") from None

    def write(self, line: bytes) -> None:
        """Queue one line, without its line break."""
        self._waiting.append(line)
        self._waiting_bytes += len(line) + 1
        if self._waiting_bytes >= min(_BLOCK_BYTES, self._half_bytes):
            self.flush()

    def flush(self) -> None:
        """Write what is queued; what can't be written is counted as lost."""
        lines, self._waiting = self._waiting, []
        size, self._waiting_bytes = self._waiting_bytes, 0
        if not lines:
            return
        if self._file_bytes and self._file_bytes + size > self._half_bytes:
            self._rotate()
        written = self._append(b"\n".join(lines) + b"\n")
        self._lines += written
        if written < len(lines):
            self._lost += len(lines) - written
            self._on_loss(self._lost)

    def _append(self, text: bytes) -> int:
        """Append lines to the file; return how many it took. No part of a line stays in it."""
        kept = 0
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
            try:
                written = os.write(descriptor, text)
                kept = text.rfind(b"\n", 0, written) + 1
                if kept < written:
                    os.ftruncate(descriptor, os.fstat(descriptor).st_size - written + kept)
            finally:
                os.close(descriptor)
        except OSError:
            pass  # which the caller sees by the count
        self._file_bytes += kept
        return text.count(b"\n", 0, kept)

    def _rotate(self) -> None:
        try:
            self._path.rename(older_log(self._path))
            create_file(self._path).close()
        except OSError:
            return  # the folder is gone, which the next block reports
        if self._older_lines:
            self._deleted += self._older_lines
            self._on_deleted(self._deleted)
        self._older_lines, self._lines, self._file_bytes = self._lines, 0, 0


class VirtualLogs:
    """The logs of a run and the rows of its truth, in its folder and within their limits."""

    def __init__(self, files: RunFiles, topology: Topology, level: str, limits: FileLimits) -> None:
        self._files = files
        self._topology = topology
        self._level = level
        self._limits = limits.shared_by(sum(stage.instances for stage in topology.stages.values()))
        self._logs: list[VirtualLog] = []

    def logger(self, name: str, instance: int, clock: Clock, counts: MemoryTally) -> FilteringBoundLogger:
        """Return the logger of an instance, which counts the lines that are missing."""
        stage = self._topology.stages[name]
        log = VirtualLog(
            self._files.log(labels(name, stage.instances)[instance - 1]),
            self._limits.log_limit_bytes,
            lambda count: counts.set(tally.LOG_LINES_DROPPED, count),
            lambda count: counts.set(tally.LOG_LINES_DELETED, count),
        )
        self._logs.append(log)
        identity = {"service": name, "stage": name, "role": str(stage.role)}
        if stage.instances > 1:
            identity["instance"] = str(instance)
        return make_logger(log.write, self._level, clock.unix_ns, **identity)

    def truth(self, name: str, instance: int, counts: MemoryTally) -> Callable[[bytes], None] | None:
        """Return what writes the rows of an instance, and counts those that are missing; None if there is no truth."""
        if self._limits.truth_limit_bytes is None:
            return None
        rows = VirtualLog(
            self._files.truth_rows_of(labels(name, self._topology.stages[name].instances)[instance - 1]),
            self._limits.truth_limit_bytes,
            lambda count: counts.set(tally.TRUTH_ROWS_DROPPED, count),
            lambda count: counts.set(tally.TRUTH_ROWS_DELETED, count),
        )
        self._logs.append(rows)
        return rows.write

    def close(self) -> None:
        """Write what is still queued."""
        for log in self._logs:
            log.flush()

"""Writing lines out of the process without ever waiting for the reader.

Standard output may be a full pipe, a closed one or a full disk. Lines are therefore queued and written by a thread of
the operating system (a real one also under gevent), one for all the logs of a process; what exceeds the bound of a log
is dropped and counted.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from simulator.telemetry.log_file import LogFile

DEFAULT_BOUND_BYTES = 16 * 2**20
_GATHER_SECONDS = 0.05
# Waking a thread costs the message whose line it is a hundred microseconds; so the thread polls, and has to be woken
# only after this many rounds without a line.
_QUIET_ROUNDS = 40
_BATCH_BYTES = 2**20


class Flag(Protocol):
    """The part of threading.Event that is needed here."""

    def set(self) -> None:
        """Raise the flag."""

    def clear(self) -> None:
        """Lower the flag."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is up; return False if that takes too long."""

    def is_set(self) -> bool:
        """Return whether the flag is up."""


class WriterThread:
    """The thread that writes the lines of all the writers of a process.

    `start_thread(run)` starts a real thread, `new_flag()` returns an event that works across real threads and `sleep`
    sleeps in one. `turn()` is held while lines are written, where other processes write to the same pipe.
    """

    def __init__(
        self,
        start_thread: Callable[[Callable[[], None]], object],
        new_flag: Callable[[], Flag],
        sleep: Callable[[float], None],
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.new_flag = new_flag
        self._sleep = sleep
        self._turn = turn
        self._writers: deque[LineWriter] = deque()
        self._idle = True
        self._closing = False
        self._wake = new_flag()
        start_thread(self._run)

    def add(self, writer: LineWriter) -> None:
        """Give a writer its turn soon."""
        self._writers.append(writer)
        if self._idle:
            self._idle = False
            self._wake.set()

    def close(self) -> None:
        """End the thread after the turns of all writers that have lines."""
        self._closing = True
        self._wake.set()

    def _run(self) -> None:
        quiet_rounds = _QUIET_ROUNDS
        while not (self._closing and not self._writers):
            if quiet_rounds >= _QUIET_ROUNDS:
                self._wait_for_a_line()
            if not self._closing:
                self._sleep(_GATHER_SECONDS)
            quiet_rounds = 0 if self._writers else quiet_rounds + 1
            for _ in range(len(self._writers)):
                with self._turn():
                    self._writers.popleft().take_turn()

    def _wait_for_a_line(self) -> None:
        self._idle = True
        if not self._writers and not self._closing:
            self._wake.wait()
        self._wake.clear()
        self._idle = False


class LineWriter:
    """Write lines to a descriptor from a thread that others may share.

    `on_dropped(count)` returns the line that tells the reader how many lines are missing, and `on_loss(count)` is
    called with the number that is missing in all. `file` keeps a log within its bound.
    """

    def __init__(
        self,
        descriptor: int,
        thread: WriterThread,
        on_dropped: Callable[[int], bytes],
        bound_bytes: int = DEFAULT_BOUND_BYTES,
        on_loss: Callable[[int], None] = lambda _: None,
        file: LogFile | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._thread = thread
        self._on_dropped = on_dropped
        self._bound_bytes = bound_bytes
        self._on_loss = on_loss
        self._file = file
        self._batch_bytes = sys.maxsize if file is None else min(_BATCH_BYTES, file.half_bytes)
        self._waiting: deque[bytes] = deque()
        # Each of the two is only ever written by one thread, so neither needs a lock.
        self._bytes_in = self._bytes_out = 0
        self._unreported = 0
        self.dropped = 0
        self._has_turn = False
        self._torn = False
        self._closing = False
        self._done = thread.new_flag()

    def write(self, line: bytes) -> None:
        """Queue one line, without its line break, and return at once."""
        if self._bytes_in - self._bytes_out > self._bound_bytes:
            self._drop(1)
            return
        self._bytes_in += len(line) + 1
        self._waiting.append(line)
        if not self._has_turn:
            self._has_turn = True
            self._thread.add(self)

    def close(self, wait: Callable[[Flag], bool]) -> None:
        """Write what is left; `wait(flag)` waits until that is done, and returns whether it was in time."""
        self._closing = True
        self._thread.add(self)
        if not wait(self._done) and self._waiting:
            self._on_loss(self.dropped + len(self._waiting))

    def take_turn(self) -> None:
        """Write what is queued. Called only by the thread."""
        self._has_turn = False
        closing = self._closing
        self._write_queued()
        if closing:
            self._done.set()

    def _write_queued(self) -> None:
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not lines:
            return
        size_bytes = sum(len(line) + 1 for line in lines)
        self._bytes_out += size_bytes
        for batch in [lines] if size_bytes <= self._batch_bytes else _batches(lines, self._batch_bytes):
            self._write_batch(batch)

    def _write_batch(self, lines: list[bytes]) -> None:
        if self._file is not None and self._file.make_room(sum(len(line) + 1 for line in lines)):
            self._torn = False
        reported, self._unreported = self._unreported, 0
        report = [self._on_dropped(reported)] if reported else []
        # After a torn line, start a new one.
        whole = b"\n".join([*lines, *report]) + b"\n"
        text = b"\n" + whole if self._torn else whole
        written = self._write_whole(text)
        self._torn = text[written - 1 : written] != b"\n" if written else self._torn
        missing = 0
        if written < len(text):
            # The reader is gone or the disk is full: the service continues, and a later line says what is missing.
            missing = text[max(written, len(text) - len(whole)) :].count(b"\n") - len(report)
            self._unreported += reported
            self._drop(missing)
        if self._file is not None:
            self._file.wrote(written, len(lines) - missing)

    def _write_whole(self, text: bytes) -> int:
        """Write the text, and return how many bytes of it were written."""
        left = memoryview(text)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            pass
        return len(text) - len(left)

    def _drop(self, count: int) -> None:
        self.dropped += count
        self._unreported += count
        self._on_loss(self.dropped)


def _batches(lines: list[bytes], max_bytes: int) -> Iterator[list[bytes]]:
    """Yield the lines in batches of at most this size, a line that exceeds it in a batch of its own."""
    batch: list[bytes] = []
    size_bytes = 0
    for line in lines:
        if batch and size_bytes + len(line) + 1 > max_bytes:
            yield batch
            batch, size_bytes = [], 0
        batch.append(line)
        size_bytes += len(line) + 1
    yield batch

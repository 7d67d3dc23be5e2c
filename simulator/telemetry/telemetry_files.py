"""Files of OTLP's JSON, a request in a line, which several processes may write at the same time.

The newest requests of a signal are in NAME.jsonl, earlier ones in NAME.jsonl.1, and older ones are deleted. Whoever
writes has the lock of the signal's file, so that no line is torn, not even where the disk is full, and the bound holds
for all processes together. The file of the lock says how many bytes were deleted.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simulator.errors import StartError
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.run_files import create_file, older_log

_PRIVATE, _PRIVATE_FOLDER = 0o600, 0o700


def telemetry_file(folder: Path, signal: Signal) -> Path:
    """Return the file of a signal."""
    return folder / f"{signal}.jsonl"


def _lock_file(folder: Path, signal: Signal) -> Path:
    return folder / f".{signal}.lock"


def prepare_folder(folder: Path) -> None:
    """Create a folder with empty files, in place of those of an earlier run. Raise StartError if that can't be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        for signal in Signal:
            older_log(telemetry_file(folder, signal)).unlink(missing_ok=True)
            for path in (telemetry_file(folder, signal), _lock_file(folder, signal)):
                create_file(path).close()
    except OSError as error:
        where = f": {error.filename}" if error.filename not in (None, str(folder)) else ""
        raise StartError(f"the folder {folder} for telemetry can't be written: {error.strerror}{where}") from None


def deleted_bytes(folder: Path, signal: Signal) -> int:
    """Return how many bytes of a signal's oldest requests were deleted."""
    try:
        return int(_lock_file(folder, signal).read_bytes() or b"0")
    except (OSError, ValueError):
        return 0


class TelemetryFile:
    """The file of one signal, opened when it is first written to; with its earlier part it has `limit_bytes`."""

    def __init__(self, folder: Path, signal: Signal, limit_bytes: int) -> None:
        self.path = telemetry_file(folder, signal)
        self._lock_path = _lock_file(folder, signal)
        self._half_bytes = max(1, limit_bytes // 2)
        self._descriptor = -1

    def append(self, line: bytes) -> None:
        """Append a line, without its line break; the whole of it or, when OSError is raised, nothing."""
        text = line + b"\n"
        with self._locked() as lock:
            size = self._open()
            if size and size + len(text) > self._half_bytes:
                self._rotate(lock)
                size = self._open()
            try:
                _write_whole(self._descriptor, text)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, size)
                raise

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @contextmanager
    def _locked(self) -> Iterator[int]:
        lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _PRIVATE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
        finally:
            os.close(lock)

    def _open(self) -> int:
        """Open the file that has the path now, unless it is open already, and return its size."""
        if self._descriptor >= 0:
            open_now = os.fstat(self._descriptor)
            with suppress(OSError):
                named = self.path.stat()
                if (named.st_dev, named.st_ino) == (open_now.st_dev, open_now.st_ino):
                    return open_now.st_size
            self.close()
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, _PRIVATE)
        return os.fstat(self._descriptor).st_size

    def _rotate(self, lock: int) -> None:
        older = older_log(self.path)
        with suppress(FileNotFoundError):
            deleted = int(os.pread(lock, 32, 0) or b"0") + older.stat().st_size
            os.pwrite(lock, str(deleted).encode(), 0)
        self.path.replace(older)


def _write_whole(descriptor: int, text: bytes) -> None:
    left = memoryview(text)
    while left:
        left = left[os.write(descriptor, left) :]

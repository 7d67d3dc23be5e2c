"""Where a run leaves what it leaves: the topology as it was run, every stage's log, the report."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simulator.errors import StartError
from simulator.telemetry.run_files import RunFiles

DEFAULT_PARENT = Path("runs")
# Whoever looks for the run that is on holds each folder's lock for an instant.
_TRIES = 3
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class RunFolder(RunFiles):
    """A folder that belongs to one run at a time; the next run of the same name replaces what is in it.

    It is taken as long as the descriptor `lock` is open.
    """

    lock: int

    def release(self) -> None:
        """Let another run have the folder."""
        os.close(self.lock)


def open_run_folder(wanted: Path | None, name: str) -> RunFolder:
    """Take the folder for a run: `wanted`, or runs/NAME, or runs/NAME-2 and so on where another run is in it.

    Raise StartError where it is taken or can't be written.
    """
    for path in [wanted] if wanted is not None else _candidates(name):
        try:
            for folder in (path, path / "logs", path / "tallies"):
                folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StartError(
                f"the folder {path} for logs and report can't be written: {error.strerror}; give one with --report"
            ) from None
        try:
            _take(lock)
        except OSError:
            os.close(lock)
            continue
        _clear(path)
        return RunFolder(path, lock)
    taken = wanted if wanted is not None else DEFAULT_PARENT / name
    raise StartError(f"another run is using the folder {taken}; give another with --report")


def _take(lock: int) -> None:
    """Take the lock of a folder. Raise OSError where another run has it, and not only looks for a moment."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_PAUSE_SECONDS)
        else:
            return
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _candidates(name: str) -> Iterator[Path]:
    yield DEFAULT_PARENT / name
    for number in range(2, 100):
        yield DEFAULT_PARENT / f"{name}-{number}"


def _clear(path: Path) -> None:
    olds = [*(path / "logs").glob("*.jsonl"), *(path / "logs").glob("*.stderr"), *(path / "tallies").iterdir()]
    olds += [path / name for name in ("report.json", "topology.yaml", "addresses.json", "console.log")]
    for old in olds:
        old.unlink(missing_ok=True)

"""The folder of a run: the topology as it was run, every stage's log, the report."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from simulator.errors import StartError
from simulator.telemetry.run_files import RunFiles, create_file

DEFAULT_PARENT = Path("runs")
MARKER = ".simulator-run"
_MARKER_TEXT = "This folder was made by a run of the web service simulator. The next run in it replaces its files.\n"
LOCK = ".lock"
_PRIVATE = 0o700
# A command that looks for the current run holds each folder's lock for an instant.
_RETRIES = 3
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class RunFolder(RunFiles):
    """A folder that belongs to one run at a time; the next run of the same name replaces what is in it.

    It is taken for as long as the descriptor `lock` is open.
    """

    lock: int

    def release(self) -> None:
        """Release the folder for another run."""
        os.close(self.lock)


def open_run_folder(wanted: Path | None, name: str, check: Callable[[Path], None] = lambda _: None) -> RunFolder:
    """Take the folder for a run: `wanted`, or runs/NAME, or runs/NAME-2 and so on if another run is using it.

    `check(path)` may still refuse the folder, before anything in it is touched. Raise StartError if the folder is
    taken, was not made by a run, or can't be written.
    """
    for path in [wanted] if wanted is not None else _candidates(name):
        try:
            if _is_taken(path):
                continue
            _refuse_what_is_not_a_run(path)
            check(path)
            lock = _lock(path)
            if lock is None:
                continue
            try:
                _prepare(path)
            except BaseException:
                os.close(lock)
                raise
        except OSError as error:
            where = f": {error.filename}" if error.filename not in (None, str(path)) else ""
            raise StartError(
                f"the folder {path} for logs and report can't be written: {error.strerror}{where}; "
                "give one with --report"
            ) from None
        return RunFolder(path, lock)
    taken = wanted if wanted is not None else DEFAULT_PARENT / name
    raise StartError(f"another run is using the folder {taken}; give another with --report")


def create(path: Path) -> BinaryIO:
    """Create a file of a run. Raise StartError if that can't be done."""
    try:
        return create_file(path)
    except OSError as error:
        raise StartError(f"{path} can't be written: {error.strerror}") from None


def write(path: Path, text: str) -> None:
    """Write a file of a run, and leave no part of it on failure. Raise StartError if it can't be written."""
    try:
        with create(path) as file:
            file.write(text.encode())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StartError(f"{path} can't be written: {error.strerror}") from None


def _refuse_what_is_not_a_run(path: Path) -> None:
    """Raise StartError for a folder with something in it that no run has made, OSError if it can't be read."""
    if not path.exists():
        return
    if _is_regular(path / MARKER):
        return
    names = sorted(entry.name for entry in path.iterdir() if entry.name != LOCK)
    if not names:
        return
    older = " (a run of an earlier version? then delete it)" if {"logs", "tallies"} <= set(names) else ""
    raise StartError(
        f"the folder {path} has files in it that are not a run's, such as {names[0]}{older}: nothing was touched; "
        "give a new or an empty folder with --report"
    )


def _is_taken(path: Path) -> bool:
    try:
        lock = os.open(path / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        return not _take(lock)
    finally:
        os.close(lock)


def _lock(path: Path) -> int | None:
    """Create the folder and take its lock; return None if another run was faster."""
    path.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
    lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    os.fchmod(lock, 0o600)
    if _take(lock):
        return lock
    os.close(lock)
    return None


def _take(lock: int) -> bool:
    """Take the lock of a folder; return False if another run has it, and not only for an instant."""
    for attempt in range(_RETRIES + 1):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt < _RETRIES:
                time.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def _candidates(name: str) -> Iterator[Path]:
    yield DEFAULT_PARENT / name
    for number in range(2, 100):
        yield DEFAULT_PARENT / f"{name}-{number}"


def _prepare(path: Path) -> None:
    """Mark the folder as a run's, delete the files of the previous run, and keep others from reading it."""
    with create_file(path / MARKER) as marker:
        marker.write(_MARKER_TEXT.encode())
    files = RunFiles(path)
    for folder in (files.logs, files.tallies, files.truth, files.truth_rows, files.stack):
        if folder.is_symlink():
            raise OSError(errno.ENOTDIR, "it is a link, and a run writes only into its own folder", str(folder))
    for folder in (path, files.logs, files.tallies, files.truth, files.truth_rows):
        folder.mkdir(exist_ok=True, mode=_PRIVATE)
        _make_private(folder)
    _clear(files)


def _make_private(folder: Path) -> None:
    """Make a folder private; one of another user stays as its owner wants it."""
    if folder.stat().st_uid == os.geteuid():
        folder.chmod(_PRIVATE)


def _clear(files: RunFiles) -> None:
    """Delete the files, or links, that a run makes; never a folder, nor what a link leads to."""
    olds = [path for pattern in ("*.jsonl", "*.jsonl.1", "*.stderr") for path in files.logs.glob(pattern)]
    olds += files.tallies.iterdir()
    olds += [path for pattern in ("*.jsonl", "*.jsonl.1") for path in files.truth_rows.glob(pattern)]
    olds += [files.truth_manifest, *files.truth.glob("*.parquet")]
    olds += [files.report, files.page, files.topology, files.addresses, files.control_token]
    olds += [files.console_log, files.console_tally, files.fork_server_log]
    if files.stack.is_dir():
        olds += [path for path in files.stack.iterdir() if path.suffix in (".yaml", ".yml", ".log")]
    for old in olds:
        if old.is_symlink() or not old.is_dir():
            old.unlink(missing_ok=True)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False

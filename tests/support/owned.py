"""What a real engine has to itself on a machine, and leaves nothing of: a lock, a folder, control groups."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock: two daemons must not share a folder."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """Make a folder for root alone, without what a run left that was killed, and remove it in the end."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def without_cgroups(name: str) -> Iterator[None]:
    """Leave no control group of that name behind, nor one of a daemon that was killed before."""
    _remove_cgroups(name)
    try:
        yield
    finally:
        _remove_cgroups(name)


def _remove_cgroups(name: str) -> None:
    for top in (*_CGROUPS.glob(f"*/{name}"), *_CGROUPS.glob(name)):
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):  # something is still in it
                Path(folder).rmdir()

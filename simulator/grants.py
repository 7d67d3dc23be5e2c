"""What a program takes for granted but a machine may refuse: open standard streams, files, threads, disk space."""

from __future__ import annotations

import errno
import os
import sys
from typing import TextIO

import click

_HINTS = {
    errno.EAGAIN: "; no more processes or threads can be started, see ulimit -u",
    errno.EMFILE: "; a process can't have more files and connections, see ulimit -n",
    errno.ENFILE: "; the machine can't have more files and connections",
}


def open_standard_streams() -> None:
    """Open the null device in place of each closed standard stream, so that no other file takes its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def complain_of_machine(error: OSError | RuntimeError, name: str) -> int:
    """Print in one line what the machine refused, and return exit code 1. Raise any other RuntimeError again."""
    if isinstance(error, RuntimeError):
        if "new thread" not in str(error):  # the only hint that Python gives
            raise error
        error = BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    place = f"{error.filename}: " if error.filename else ""
    for stream in (sys.stdout, sys.stderr):
        if not _flushes(stream):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    click.echo(f"{name}: {place}{error.strerror or error}{_HINTS.get(error.errno or 0, '')}", err=True)
    return 1


def _flushes(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True

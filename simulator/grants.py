"""What a program takes for granted and a machine may not grant: open standard streams, and files, threads, room."""

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
    """Open the null device in place of each standard stream that is closed, so that no file takes its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def complain_of_machine(error: OSError | RuntimeError, name: str) -> int:
    """Say in a line what the machine did not grant, and return exit code 1. Raise a RuntimeError that is of our own."""
    if isinstance(error, RuntimeError):
        if "new thread" not in str(error):  # which is all that Python says
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

"""The output of a run for people: a terminal that may close, a pipe without a reader, a disk that is full.

A failure to show something must never end the run.
"""

from __future__ import annotations

import contextlib
import os
from typing import TextIO, cast

from rich.console import Console

_PIPE_WIDTH = 200


class Outlet:
    """A text stream that goes silent, for good, when it can't be written any more.

    `lost` is the reason then. Its descriptor leads to the null device from then on, so that flushing what is left in a
    buffer does not fail when the interpreter ends.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: str | None = None

    @property
    def encoding(self) -> str:
        """Return the name of the stream's encoding."""
        return self._stream.encoding

    def isatty(self) -> bool:
        """Return whether the stream leads to a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write, or drop what can't be written."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Write what is in the buffer, or drop it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.lost = self.lost or error.strerror or str(error)
        silence(self._stream)


def silence(stream: TextIO) -> None:
    """Redirect a stream's descriptor, and what is in its buffer, to the null device."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        stream.flush()


def make_console(outlet: Outlet) -> Console:
    """Return a console for people; without a terminal that has a width, nothing is cut or wrapped."""
    file = cast(TextIO, outlet)  # it has the methods that rich uses
    console = Console(file=file, highlight=False)
    return console if console.is_terminal else Console(file=file, highlight=False, width=_PIPE_WIDTH)

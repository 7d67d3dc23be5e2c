"""Where a run speaks to a person: a terminal that may be closed, a pipe that nobody reads on, a disk that is full.

What can't be shown any more must never end what runs.
"""

from __future__ import annotations

import contextlib
import os
from typing import TextIO, cast

from rich.console import Console

_PIPE_WIDTH = 200


class Outlet:
    """A text stream that goes silent, once and for all, when it can't be written any more.

    `lost` says why then. Its descriptor leads to the null device from there on, so that nothing of what is left in a
    buffer fails when the interpreter ends.
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
        """Let out what is in the buffer, or drop it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.lost = self.lost or error.strerror or str(error)
        silence(self._stream)


def silence(stream: TextIO) -> None:
    """Let a stream's descriptor lead to the null device, and what is in its buffer with it."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        stream.flush()


def make_console(outlet: Outlet) -> Console:
    """Make a console for people; where no terminal says how wide it is, nothing is cut or broken to fit."""
    file = cast(TextIO, outlet)  # as much of one as rich uses
    console = Console(file=file, highlight=False)
    return console if console.is_terminal else Console(file=file, highlight=False, width=_PIPE_WIDTH)

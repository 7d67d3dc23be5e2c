"""What an injector sends: bodies that are generated, or read from the lines of a file."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from simulator.engine.json_text import json_flaw, without_mark
from simulator.topology.model import OnBadLine
from simulator.units import format_size

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK_BYTES = 2**16
_LINE_MARGIN_BYTES = 3 + 1 + 1  # a byte order mark, the line ending, and one byte too many
_MAX_LINE_BYTES = 256 * 10**6


@dataclass(frozen=True)
class Draft:
    """A message to send: its number, counted from 1, and its body, b"" for one that is generated when it is sent.

    A message of a `user`, counted from 1, has the number that it is of this user's, and is a `turn`, from 0, of its
    session; 0 and None mean that there are no users.
    """

    number: int
    body: bytes
    user: int = 0
    turn: int | None = None


class InputListener(Protocol):
    """Listen to the reading of an input."""

    def line(self) -> None:
        """Called when a line of the input has been read."""

    def bad_line(self, number: int, reason: str) -> None:
        """Called for a line that is not JSON, or too long."""


def generated(messages: int | None) -> Iterator[Draft]:
    """Yield `messages` drafts, None meaning no end, whose bodies are generated when they are sent."""
    number = 0
    while messages is None or number < messages:
        number += 1
        yield Draft(number, b"")


def from_lines(
    lines: Iterator[bytes], listener: InputListener, on_bad_line: OnBadLine, max_body_bytes: int, messages: int | None
) -> Iterator[Draft]:
    """Yield a draft for each line, numbered as in the file; blank lines are skipped."""
    taken = number = 0
    numbered = enumerate(lines, 1)
    # The count is checked before a line is read: on a pipe the next one may never come.
    while messages is None or taken < messages:
        try:
            number, line = next(numbered, (0, b""))
        except EndlessLine as error:
            listener.line()
            listener.bad_line(number + 1, str(error))
            return
        if not line:
            return
        body = whole_line(number, line)
        if not body.strip():
            continue
        listener.line()
        reason = flaw_in(body, max_body_bytes)
        if reason is None:
            taken += 1
            yield Draft(number, body)
            continue
        listener.bad_line(number, reason)
        if on_bad_line is OnBadLine.STOP:
            return


class EndlessLine(Exception):
    """Raised when a line of the input has no end within reason, as in a device or a file that is not text."""


def bounded_lines(file: BinaryIO, max_bytes: int) -> Iterator[bytes]:
    """Yield a file's lines; one of more than `max_bytes` is cut when it exceeds them by a few bytes.

    Raise EndlessLine if the end of a line is not found.
    """
    while line := file.readline(max_bytes + _LINE_MARGIN_BYTES):
        whole, read_bytes = line.endswith(b"\n"), len(line)
        while not whole and (rest := file.readline(_CHUNK_BYTES)):
            whole = rest.endswith(b"\n")
            read_bytes += len(rest)
            if read_bytes > _MAX_LINE_BYTES + max_bytes:
                raise EndlessLine(f"it has no end within {format_size(_MAX_LINE_BYTES)}; the input is read no further")
        yield line


def whole_line(number: int, line: bytes) -> bytes:
    """Return the body in a line of a file: a byte order mark belongs to the file, not to its first message."""
    return (without_mark(line) if number == 1 else line).removesuffix(b"\n")


def flaw_in(body: bytes, max_body_bytes: int) -> str | None:
    """Return why a line is not a message; None if it is."""
    if len(body) > max_body_bytes:
        return f"it is larger than max_body ({max_body_bytes} bytes)"
    if body.startswith(_UTF16_MARKS):
        return "it is in UTF-16: save the file as UTF-8"
    flaw = json_flaw(body)
    return None if flaw is None else f"not JSON: {flaw}"

"""What a terminator does with the messages that end their way with it."""

from __future__ import annotations

import base64
import os
import re
import threading
from pathlib import Path
from typing import Protocol

import orjson

from simulator.errors import KeepingFailed, StartError
from simulator.stage.json_text import without_mark
from simulator.stage.message import is_json

# A carriage return at the end belongs to the line break of a file from elsewhere, and stays.
_LINE_BREAK = re.compile(rb"\r\n|\n|\r(?!\Z)")


class Keeper(Protocol):
    """Somewhere for messages to end."""

    def keep(self, body: bytes, content_type: str) -> None:
        """Take a message for good. Raise KeepingFailed where that can't be done."""

    def close(self) -> None:
        """Let go of what is held."""


class Discarding:
    """Keep nothing."""

    def keep(self, body: bytes, content_type: str) -> None:
        """Drop the message."""

    def close(self) -> None:
        """Hold nothing, let go of nothing."""


class JsonLinesKeeper:
    """Append every message to a JSON Lines file, and say so only when it is in the file.

    JSON is its own line, byte for byte; line breaks, which in JSON can only stand between its tokens, become spaces,
    and a byte order mark before it is left out. Other text becomes a JSON string, and what is no text an object with
    `content_type` and `base64`.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise StartError(f"the output file {path} can't be written: {error.strerror}") from None
        self._lock = threading.Lock()
        self._torn = False

    def keep(self, body: bytes, content_type: str) -> None:
        """Append the message as one line."""
        line = to_line(body, content_type)
        with self._lock:
            # A single write, so that terminators may share a file. After half a line, a new one begins.
            text = b"\n" + line if self._torn else line
            try:
                written = os.write(self._descriptor, text)
            except OSError as error:
                raise KeepingFailed(f"the output file can't be written: {error.strerror}") from None
            self._torn = written < len(text)
            if self._torn:
                raise KeepingFailed("the output file took only a part of the message: is the disk full?")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def to_line(body: bytes, content_type: str) -> bytes:
    """Write a body as one line of JSON Lines."""
    if is_json(content_type):
        return _LINE_BREAK.sub(b" ", without_mark(body)) + b"\n"
    try:
        return orjson.dumps(body.decode()) + b"\n"
    except UnicodeDecodeError:
        return orjson.dumps({"content_type": content_type, "base64": base64.b64encode(body).decode()}) + b"\n"

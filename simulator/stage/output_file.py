"""The output of a terminator as a JSON Lines file."""

from __future__ import annotations

import base64
import errno
import os
import re
import select
import threading
from pathlib import Path

import orjson

from simulator.engine.bodies import is_json
from simulator.engine.json_text import without_mark
from simulator.errors import OutputFailed, StartError

# A carriage return at the end belongs to the line break of a file from another system, and stays.
_READER_SECONDS = 10.0
_LINE_BREAK = re.compile(rb"\r\n|\n|\r(?!\Z)")


class JsonLinesOutput:
    """Append every message to a JSON Lines file, and return only when it is in the file.

    JSON is written byte for byte, but line breaks, which can only occur between its tokens, become spaces, and a byte
    order mark before it is left out. Other text becomes a JSON string, and what is not text an object with
    `content_type` and `base64`.
    """

    def __init__(self, path: Path) -> None:
        try:
            # Without a reader, opening a pipe would wait silently.
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o644)
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise StartError(f"the output {path} is a pipe without a reader: start its reader first") from None
            raise StartError(f"the output file {path} can't be written: {error.strerror}") from None
        self._lock = threading.Lock()
        self._torn = False

    def write(self, body: bytes, content_type: str) -> None:
        """Append the message as one line."""
        line = to_line(body, content_type)
        with self._lock:
            # A single write, so that terminators may share a file. After a torn line, start a new one.
            text = b"\n" + line if self._torn else line
            try:
                self._write_whole(memoryview(text))
            except OSError as error:
                raise OutputFailed(f"the output file can't be written: {error.strerror}") from None
            if self._torn:
                raise OutputFailed("the output file took only a part of the message: is the disk full?")

    def _write_whole(self, text: memoryview) -> None:
        """Write all of the text, or record that a part of it is in the file; wait for a pipe that is full."""
        left = text
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                if not self._has_room():
                    if len(left) == len(text):
                        raise TimeoutError(0, f"its reader read nothing for {_READER_SECONDS:g} s") from None
                    return
            except OSError:
                if len(left) == len(text):
                    raise
                return
            self._torn = len(left) > 0

    def _has_room(self) -> bool:
        room = select.poll()
        room.register(self._descriptor, select.POLLOUT)
        return bool(room.poll(_READER_SECONDS * 1000))

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def to_line(body: bytes, content_type: str) -> bytes:
    """Return a body as one line of JSON Lines."""
    if is_json(content_type):
        return _LINE_BREAK.sub(b" ", without_mark(body)) + b"\n"
    try:
        return orjson.dumps(body.decode()) + b"\n"
    except UnicodeDecodeError:
        return orjson.dumps({"content_type": content_type, "base64": base64.b64encode(body).decode()}) + b"\n"

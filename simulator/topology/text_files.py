"""Text files that a user wrote, read up to a limit, whatever editor they come from."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_BYTES = 4 * 2**20
_MAX_LINE_BYTES = 1000
# UTF-32's marks begin like UTF-16's, so they are tried first.
_OTHER_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def read_text(path: Path, max_bytes: int = MAX_FILE_BYTES) -> str:
    """Return the text of a UTF-8 file, without the byte order mark that some editors write.

    Raise OSError if it can't be read, and ValueError if it is too large or in another encoding.
    """
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes} bytes")
    return decode_text(content)


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file of any size, of which only one is held at a time.

    Raise OSError if it can't be read, and ValueError if a line is too long or in another encoding.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > _MAX_LINE_BYTES:
                raise ValueError(f"line {number} is longer than {_MAX_LINE_BYTES} bytes")
            try:
                yield decode_text(line) if number == 1 else line.decode()
            except UnicodeDecodeError:
                raise ValueError(f"it is not UTF-8: line {number}") from None


def decode_text(content: bytes) -> str:
    """Return UTF-8 as text, without a byte order mark. Raise ValueError for any other encoding."""
    for mark, name in _OTHER_ENCODINGS:
        if content.startswith(mark):
            raise ValueError(f"it is in {name}: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"it is not UTF-8: byte 0x{content[error.start]:02x} in line {line}") from None

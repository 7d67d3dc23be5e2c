"""Text from outside, made safe to show: of bounded length, and without the escape sequences that a terminal obeys.

A file may hold a megabyte where a name should stand, or an escape sequence that repaints the screen. Every error and
every table shows such text through one of these functions.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from itertools import islice

_MAX_SHOWN = 100  # characters of one value
_MAX_LISTED = 20
_ELLIPSIS = "..."
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(value: object) -> str:
    """Return `repr(value)`, cut to a few hundred characters, whatever the value is."""
    return shortened(_Quote().repr(value), 3 * _MAX_SHOWN)


def printable(text: str, keep: str = "") -> str:
    """Return the text with every unprintable character escaped, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _escaped(char) for char in text)


def shortened(text: str, max_characters: int = _MAX_SHOWN) -> str:
    """Return the text, with its middle left out if it is longer than `max_characters`."""
    if len(text) <= max_characters:
        return text
    kept = max_characters - len(_ELLIPSIS)
    return f"{text[: kept - kept // 2]}{_ELLIPSIS}{text[len(text) - kept // 2 :]}"


def listed(names: Iterable[str], separator: str = ", ", max_listed: int = _MAX_LISTED) -> str:
    """Return the names joined by the separator: the first `max_listed`, and how many more there are."""
    remaining = iter(names)
    shown = separator.join(shortened(printable(name)) for name in islice(remaining, max_listed))
    more = sum(1 for _ in remaining)
    return f"{shown} and {more} more" if more else shown


def _escaped(char: str) -> str:
    code = ord(char)
    return _SHORT_ESCAPES.get(char) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


class _Quote(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = _MAX_SHOWN

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write a whole number of more than 4,300 digits.
        return f"a number of {x.bit_length()} bits" if x.bit_length() > 4 * _MAX_SHOWN else repr(x)

    def repr_instance(self, x: object, level: int) -> str:
        text = super().repr_instance(x, level)
        return printable(text)

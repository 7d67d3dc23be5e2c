"""Protobuf's wire format, as far as OTLP's messages need it, and the values of attributes in it.

The stock encoder builds an object for every attribute, which costs ten times as much as writing its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_INT64_BITS = 2**64 - 1
_INT64 = range(-(2**63), 2**63)
# Most attributes of a span or log record are those of the one before it.
_MAX_KEPT_ATTRIBUTES = 1024


def tag(field: int, wire_type: int) -> bytes:
    """Return what stands before the value of a field."""
    return varint(field << 3 | wire_type)


def varint(number: int) -> bytes:
    """Return a number from 0 in as few bytes as it needs."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


ONE_BYTE = [bytes([number]) for number in range(0x80)]


def sized(before: bytes, content: bytes) -> bytes:
    """Return a field of bytes, text or a message: its tag, its size and its content."""
    size = len(content)
    return before + (ONE_BYTE[size] if size < 0x80 else varint(size)) + content


def utf8(text: str) -> bytes:
    """Return a text in UTF-8.

    Half a surrogate pair, as in a file name that is not UTF-8, costs itself and not the whole batch.
    """
    return text.encode(errors="replace")


# The fields of KeyValue, AnyValue, ArrayValue and KeyValueList in opentelemetry.proto.common.v1.
_KEY, _VALUE = tag(1, BYTES), tag(2, BYTES)
_STRING, _BOOL, _INT, _DOUBLE = tag(1, BYTES), tag(2, VARINT), tag(3, VARINT), tag(4, FIXED64)
_PACKED_DOUBLE = struct.Struct("<d")
_ARRAY, _MAP, _MEMBER = tag(5, BYTES), tag(6, BYTES), tag(1, BYTES)


def any_value(value: Any) -> bytes:
    """Return an AnyValue; None is the one without a value, and an integer of more than 64 bits is a text."""
    if isinstance(value, str):
        return sized(_STRING, utf8(value))
    if isinstance(value, bool):
        return _BOOL + ONE_BYTE[value]
    if isinstance(value, int):
        return _INT + varint(value & _INT64_BITS) if value in _INT64 else any_value(str(value))
    if isinstance(value, float):
        return _DOUBLE + _PACKED_DOUBLE.pack(value)
    return b"" if value is None else _compound(value)


def _compound(value: Any) -> bytes:
    if isinstance(value, Mapping):
        return sized(_MAP, b"".join([key_value(_MEMBER, str(key), member) for key, member in value.items()]))
    if isinstance(value, Sequence):
        return sized(_ARRAY, b"".join([sized(_MEMBER, any_value(member)) for member in value]))
    return any_value(str(value))


def key_value(before: bytes, key: str, value: Any) -> bytes:
    """Return a KeyValue in the field with this tag."""
    return sized(before, sized(_KEY, utf8(key)) + sized(_VALUE, any_value(value)))


class KeptAttributes:
    """Attributes in the field with this tag, of which the recent ones are kept, so that they are written once."""

    def __init__(self, before: bytes) -> None:
        self._tag = before
        # Keyed by the value's type too: 1 and True are equal.
        self._kept: dict[tuple[str, type, Any], bytes] = {}
        self._before_double: dict[str, bytes] = {}

    def __call__(self, key: str, value: Any) -> bytes:
        """Return an attribute; its value is a text, a number or a boolean."""
        kind = type(value)
        if kind is float:  # hardly ever the same twice, and 0.0 equals -0.0: only what stands before it is kept
            return self._double(key, value)
        found = self._kept.get((key, kind, value))
        if found is None:
            if len(self._kept) >= _MAX_KEPT_ATTRIBUTES:
                self._kept.clear()
            found = self._kept[key, kind, value] = key_value(self._tag, key, value)
        return found

    def _double(self, key: str, value: float) -> bytes:
        before = self._before_double.get(key)
        if before is None:
            if len(self._before_double) >= _MAX_KEPT_ATTRIBUTES:
                self._before_double.clear()
            before = self._before_double[key] = key_value(self._tag, key, value)[: -_PACKED_DOUBLE.size]
        return before + _PACKED_DOUBLE.pack(value)

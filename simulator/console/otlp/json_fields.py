"""How the values of a field of an OTLP message are read from JSON and written to it."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from simulator.console.otlp.malformed import Malformed

_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_IDS = ("trace_id", "span_id", "parent_span_id")
_INT64 = (
    *(FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64),
    FieldDescriptor.TYPE_SFIXED64,
)
_INT32 = (
    *(FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32),
    FieldDescriptor.TYPE_SINT32,
)


@dataclass(frozen=True)
class Codec:
    """The functions that read a value from JSON and write one; `read` raises Malformed."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


def codec_of(field: FieldDescriptor) -> Codec:
    """Return the codec of a field that is not a message."""
    if field.enum_type is not None:
        return Codec(_enum_reader(field.enum_type), _as_it_is)
    if field.type in _INT64:
        return Codec(_read_integer, str)
    if field.type in _INT32:
        return Codec(_read_integer, _as_it_is)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return Codec(_read_id, bytes.hex) if field.name in _IDS else Codec(_read_bytes, _write_bytes)
    return {
        FieldDescriptor.TYPE_STRING: Codec(_read_text, _as_it_is),
        FieldDescriptor.TYPE_BOOL: Codec(_read_bool, _as_it_is),
        FieldDescriptor.TYPE_DOUBLE: Codec(_read_number, _write_number),
    }[field.type]


def wrong(wanted: str, given: Any) -> Malformed:
    """Return the error for a value other than the expected one."""
    text = repr(given)
    return Malformed(f": {wanted} is expected, not {text if len(text) <= 60 else text[:60] + '...'}")


def _read_integer(given: Any) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, float) and given.is_integer():
        return int(given)
    if isinstance(given, str) and _INTEGER.fullmatch(given):
        return int(given)
    raise wrong("an integer", given)


def _read_number(given: Any) -> float:
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    try:
        if isinstance(given, str) and given.strip() == given and "_" not in given:
            return float(given)
    except ValueError:
        pass
    raise wrong("a number", given)


def _read_text(given: Any) -> str:
    if not isinstance(given, str):
        raise wrong("a string", given)
    return given


def _read_bool(given: Any) -> bool:
    if not isinstance(given, bool):
        raise wrong("true or false", given)
    return given


def _read_id(given: Any) -> bytes:
    try:
        return binascii.unhexlify(_read_text(given))
    except (binascii.Error, ValueError):
        raise wrong("an id in hexadecimal", given) from None


def _read_bytes(given: Any) -> bytes:
    text = _read_text(given).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise wrong("bytes in base64", given) from None


def _enum_reader(enum: EnumDescriptor) -> Callable[[Any], int]:
    numbers = {name: value.number for name, value in enum.values_by_name.items()}

    def read(given: Any) -> int:
        return numbers[given] if isinstance(given, str) and given in numbers else _read_integer(given)

    return read


def _write_number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _write_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _as_it_is(value: Any) -> Any:
    return value

"""OTLP's protobuf messages; a body crafted to be large in memory is refused before it is read.

An empty message takes two bytes in a body and about 200 once it is read. So a body's cost depends on the number of its
parts, which are counted first in a body that is large enough for it to matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from simulator.console.otlp.accepted import AcceptedSignal
from simulator.console.otlp.malformed import Malformed, TooManyParts
from simulator.console.turns import Turns

# Messages and repeated values in one body. Each takes at least two bytes, so smaller bodies need no counting.
MAX_PARTS = 2**19
# Fields of any kind on the way to them, which take time to skip though they take no memory.
MAX_FIELDS = 2**21
_FIELDS_A_STEP = 50
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class CountedParts(dict[int, "CountedParts"]):
    """The fields of a message that count as parts, by number, each with those of its own type of message."""

    is_item = False  # a span, a log record or a data point


def protobuf_reader(signal: AcceptedSignal, turns: Turns) -> Callable[[bytes], Any]:
    """Return the function that reads a request of a signal, taking `turns`.

    It raises Malformed, or TooManyParts for more than MAX_PARTS, MAX_FIELDS or, in a body that is large enough to be
    counted, more items than the signal allows.
    """
    message, shape = signal.request, shape_of(signal)

    def read(body: bytes) -> Any:
        if len(body) > 2 * MAX_PARTS:
            count_parts(body, signal, shape, turns)
        try:
            return message.FromString(body)
        except DecodeError:
            raise Malformed(f"not the protobuf message {message.DESCRIPTOR.name}, or not all of it") from None

    return read


def shape_of(signal: AcceptedSignal) -> CountedParts:
    """Return the parts of a signal's request."""
    known: dict[str, CountedParts] = {}
    shape = _parts_of(signal.request.DESCRIPTOR, known)
    for name in signal.item_types:
        known[name].is_item = True
    return shape


def count_parts(body: bytes, signal: AcceptedSignal, shape: CountedParts, turns: Turns) -> int:
    """Return the number of parts in a body. Raise TooManyParts as soon as there are too many."""
    counted = fields = items = 0
    left = [(0, len(body), shape)]
    try:
        while left:
            at, end, parts = left.pop()
            while at < end:
                tag, at = _varint(body, at)
                length, at = _length(body, at, tag & 7)
                fields += 1
                if not fields % _FIELDS_A_STEP:
                    _check_fields(fields)
                    turns.step()
                below = parts.get(tag >> 3) if tag & 7 == _LENGTH else None
                if below is not None:
                    counted += 1
                    if counted > MAX_PARTS:
                        raise TooManyParts(f"more than {MAX_PARTS} messages in one request; send smaller ones")
                    if below.is_item:
                        items += 1
                        signal.check_count(items)
                    if below:
                        left.append((at, at + length, below))
                at += length
            if at > end:
                raise Malformed("a field ends after the message that it is in")
    except IndexError:
        raise Malformed("the message ends within a field") from None
    return counted


def _check_fields(fields: int) -> None:
    if fields > MAX_FIELDS:
        raise TooManyParts(f"more than {MAX_FIELDS} fields in one request; send smaller ones")


def _length(body: bytes, at: int, wire_type: int) -> tuple[int, int]:
    """Return the length of a field's value, and where it begins."""
    if wire_type == _LENGTH:
        return _varint(body, at)
    if wire_type == _VARINT:
        return 0, _varint(body, at)[1]
    if wire_type == _FIXED64:
        return 8, at
    if wire_type == _FIXED32:
        return 4, at
    raise Malformed(f"a field of wire type {wire_type}, which OTLP does not have")


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """Return the number at an offset, and the offset after it."""
    value = body[at]
    at += 1
    if value < 0x80:
        return value, at
    value &= 0x7F
    for shift in range(7, 70, 7):
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Malformed("a number of more than ten bytes")


def _parts_of(message: Any, known: dict[str, CountedParts]) -> CountedParts:
    if message.full_name not in known:
        known[message.full_name] = parts = CountedParts()
        for field in message.fields:
            if field.message_type is not None:
                parts[field.number] = _parts_of(field.message_type, known)
            elif field.is_repeated and field.type == FieldDescriptor.TYPE_STRING:
                parts[field.number] = CountedParts()
    return known[message.full_name]

"""OTLP's JSON and its protobuf messages, converted into each other.

The mapping is protobuf's own with OTLP's exceptions: trace and span ids are hexadecimal, enums are numbers and names
are lowerCamelCase only (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"). The fields are those of the
messages' descriptors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from simulator.console.otlp.accepted import LOGS, METRICS, TRACES, AcceptedSignal
from simulator.console.otlp.json_fields import codec_of, wrong
from simulator.console.otlp.malformed import Malformed, TooManyParts
from simulator.console.turns import Turns

# Values and containers in one body: a Python object takes many times the memory of its two or three bytes.
MAX_PARTS = 2**20
# Nesting of messages, including the root: as deep as protobuf itself reads.
_MAX_NESTING = 100


@dataclass(frozen=True)
class _Field:
    """One field of a message; `read` and `write` convert one of its values. `read` is None for a message."""

    name: str
    json_name: str
    is_repeated: bool
    oneof: str
    read: Callable[[Any], Any] | None
    write: Callable[[Any], Any]


def json_reader(signal: AcceptedSignal, turns: Turns) -> Callable[[bytes], Any]:
    """Return the function that reads a request of a signal in OTLP's JSON, taking `turns`.

    Unknown fields are ignored, and null means no value. It raises Malformed, with the place of the mistake, or
    TooManyParts for more than MAX_PARTS values.
    """

    def read(body: bytes) -> Any:
        root = _read_values(body)
        request = signal.request()
        try:
            _fill(request, root, _MAX_NESTING, turns)
        except Malformed as error:
            raise Malformed(str(error).removeprefix(": ")) from None
        return request

    return read


def _read_values(body: bytes) -> Any:
    if body.count(b",") + body.count(b"{") + body.count(b"[") > MAX_PARTS:
        raise TooManyParts(f"more than {MAX_PARTS} values in one request; send smaller ones")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error}") from None


def as_json(resource_spans: Iterable[ResourceSpans]) -> dict[str, Any]:
    """Return `{"resourceSpans": [...]}`, ready for a JSON encoder."""
    return {"resourceSpans": [_written(one) for one in resource_spans]}


def _fill(message: Message, node: Any, depth_left: int, turns: Turns) -> None:
    """Set the fields of a message from a JSON object."""
    turns.step()
    if not isinstance(node, dict):
        raise wrong("an object", node)
    if not depth_left:
        raise Malformed(f": more than {_MAX_NESTING} messages within each other")
    fields = _BY_JSON_NAME[message.DESCRIPTOR.full_name]
    for key, given in node.items():
        field = fields.get(key)
        if field is None or given is None:
            continue
        try:
            _set(message, field, given, depth_left - 1, turns)
        except ValueError as error:
            raise _at(key, error) from None


def _set(message: Message, field: _Field, given: Any, depth_left: int, turns: Turns) -> None:
    if field.oneof and message.WhichOneof(field.oneof):
        raise Malformed(f": {message.WhichOneof(field.oneof)} is set already")
    if field.is_repeated:
        _extend(getattr(message, field.name), field, given, depth_left, turns)
    elif field.read is not None:
        setattr(message, field.name, field.read(given))
    else:
        below = getattr(message, field.name)
        below.SetInParent()  # an empty message is not the same as none
        _fill(below, given, depth_left, turns)


def _extend(values: Any, field: _Field, given: Any, depth_left: int, turns: Turns) -> None:
    if not isinstance(given, list):
        raise wrong("an array", given)
    for index, one in enumerate(given):
        try:
            if field.read is not None:
                values.append(field.read(one))
            else:
                _fill(values.add(), one, depth_left, turns)
        except ValueError as error:
            raise _at(f"[{index}]", error) from None


def _at(step: str, error: ValueError) -> Malformed:
    """Return the error with one more step of the path in front."""
    # Protobuf's own errors, such as a number out of range, have no colon.
    rest = str(error) if isinstance(error, Malformed) else f": {error}"
    dot = "." if rest[:1] not in (":", "[") else ""
    return Malformed(f"{step}{dot}{rest}")


def _written(message: Message) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for descriptor, value in message.ListFields():
        field = _BY_DESCRIPTOR[descriptor]
        write = field.write
        written[field.json_name] = [write(one) for one in value] if field.is_repeated else write(value)
    return written


def _written_attribute(attribute: KeyValue) -> dict[str, Any]:
    # Most of a trace is attributes with string values: a shortcut for them halves the time.
    value = attribute.value
    if value.WhichOneof("value") == "string_value" and not attribute.key_strindex:
        return {"key": attribute.key, "value": {"stringValue": value.string_value}}
    return _written(attribute)


def _field(descriptor: FieldDescriptor) -> _Field:
    oneof = descriptor.containing_oneof
    if descriptor.message_type is None:
        codec = codec_of(descriptor)
        read, write = codec.read, codec.write
    else:
        is_attribute = descriptor.message_type.full_name == KeyValue.DESCRIPTOR.full_name
        read, write = None, _written_attribute if is_attribute else _written
    return _Field(
        name=descriptor.name,
        json_name=descriptor.camelcase_name,
        is_repeated=descriptor.is_repeated,
        oneof=oneof.name if oneof is not None else "",
        read=read,
        write=write,
    )


def _messages_below(roots: Sequence[Any]) -> Mapping[str, Descriptor]:
    """Return every type of message that can occur in these, and themselves, by its full name."""
    found: dict[str, Descriptor] = {root.full_name: root for root in roots}
    left = list(found.values())
    while left:
        for field in left.pop().fields:
            if field.message_type is not None and field.message_type.full_name not in found:
                found[field.message_type.full_name] = field.message_type
                left.append(field.message_type)
    return found


_MESSAGES = _messages_below([signal.request.DESCRIPTOR for signal in (TRACES, LOGS, METRICS)])
_BY_DESCRIPTOR = {field: _field(field) for message in _MESSAGES.values() for field in message.fields}
_BY_JSON_NAME = {
    name: {field.camelcase_name: _BY_DESCRIPTOR[field] for field in message.fields}
    for name, message in _MESSAGES.items()
}

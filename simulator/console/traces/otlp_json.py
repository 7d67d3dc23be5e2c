"""OTLP's JSON and its protobuf messages, one made from the other.

The mapping is protobuf's own with OTLP's exceptions: trace and span ids are hexadecimal, enums are numbers and names
are lowerCamelCase only (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"). The messages' descriptors say
what fields there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from simulator.console.traces.malformed import Malformed, TooManyParts
from simulator.console.traces.otlp_fields import codec_of, wrong
from simulator.console.turns import Turns

# Values and containers in one body: what an object of Python's takes in memory is many times its two or three bytes.
MOST_PARTS = 2**20
# Messages within messages, the root included: as many as protobuf itself reads back.
_MOST_DEPTH = 100


@dataclass(frozen=True)
class _Field:
    """One field of a message; `read` and `write` are for one value of it. None where a message is to be filled."""

    name: str
    json_name: str
    is_repeated: bool
    oneof: str
    read: Callable[[Any], Any] | None
    write: Callable[[Any], Any]


def json_reader(turns: Turns) -> Callable[[bytes], ExportTraceServiceRequest]:
    """Return what reads a request of traces in OTLP's JSON, in `turns` with others.

    Fields that are not known are ignored, null is no value. It raises Malformed where it is not one, with the place in
    it; TooManyParts where there are more than MOST_PARTS values in it.
    """

    def read(body: bytes) -> ExportTraceServiceRequest:
        root = read_values(body)
        request = ExportTraceServiceRequest()
        try:
            _fill(request, root, _MOST_DEPTH, turns)
        except Malformed as error:
            raise Malformed(str(error).removeprefix(": ")) from None
        return request

    return read


def read_values(body: bytes) -> Any:
    """Return what is in a body. Raise Malformed where it is no JSON, TooManyParts for more than MOST_PARTS values."""
    if body.count(b",") + body.count(b"{") + body.count(b"[") > MOST_PARTS:
        raise TooManyParts(f"more than {MOST_PARTS} values in one request; send smaller ones")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error}") from None


def as_json(resource_spans: Iterable[ResourceSpans]) -> dict[str, Any]:
    """Give `{"resourceSpans": [...]}`, ready for a JSON encoder."""
    return {"resourceSpans": [_written(one) for one in resource_spans]}


def _fill(message: Message, node: Any, depth_left: int, turns: Turns) -> None:
    """Set the fields of a message from a JSON object."""
    turns.step()
    if not isinstance(node, dict):
        raise wrong("an object", node)
    if not depth_left:
        raise Malformed(f": more than {_MOST_DEPTH} messages within each other")
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
        raise Malformed(f": there is a {message.WhichOneof(field.oneof)} already")
    if field.is_repeated:
        _extend(getattr(message, field.name), field, given, depth_left, turns)
    elif field.read is not None:
        setattr(message, field.name, field.read(given))
    else:
        below = getattr(message, field.name)
        below.SetInParent()  # one that is there and empty is not the same as none
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
    """Put a step of the way before what is wrong at the end of it."""
    # What protobuf itself refuses, a number out of range, comes without a colon.
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
    # Most of what is in a trace are attributes that are strings: not asking for each of their fields halves the time.
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


def _messages_below(root: Descriptor) -> Mapping[str, Descriptor]:
    """Give every kind of message that may be in one of the kind `root`, by its full name."""
    found, left = {root.full_name: root}, [root]
    while left:
        for field in left.pop().fields:
            if field.message_type is not None and field.message_type.full_name not in found:
                found[field.message_type.full_name] = field.message_type
                left.append(field.message_type)
    return found


_MESSAGES = _messages_below(ExportTraceServiceRequest.DESCRIPTOR)
_BY_DESCRIPTOR = {field: _field(field) for message in _MESSAGES.values() for field in message.fields}
_BY_JSON_NAME = {
    name: {field.camelcase_name: _BY_DESCRIPTOR[field] for field in message.fields}
    for name, message in _MESSAGES.items()
}

"""OTLP's JSON: it is read and written as the specification says, and round-trips."""

from __future__ import annotations

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from simulator.console.otlp.accepted import TRACES
from simulator.console.otlp.json_form import MAX_PARTS, as_json, json_reader
from simulator.console.otlp.malformed import Malformed, TooManyParts
from simulator.console.turns import Turns
from tests.support.exports import SPAN_ID, TRACE_ID, exports

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)

read_request = json_reader(TRACES, Turns())


def body_of(span):
    """Return the JSON of a request with one span of these fields."""
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})


def read_span(span):
    return read_request(body_of(span)).resource_spans[0].scope_spans[0].spans[0]


def read_value(value):
    return read_span({"attributes": [{"key": "k", "value": value}]}).attributes[0].value


def complaint(body):
    with pytest.raises(Malformed) as caught:
        read_request(body)
    return str(caught.value)


def span_complaint(span):
    text = complaint(body_of(span))
    assert text.startswith("resourceSpans[0].scopeSpans[0].spans[0]")
    return text.removeprefix("resourceSpans[0].scopeSpans[0].spans[0]").removeprefix(".")


@given(exports())
def test_requests_round_trip(request):
    """Any request, written as JSON and read again, is the same to the last field."""
    written = orjson.dumps(as_json(request.resource_spans))
    # Two messages with a NaN in them are not equal, but their bytes are.
    again = read_request(written).SerializeToString(deterministic=True)
    assert again == request.SerializeToString(deterministic=True)


def test_a_span_is_written_as_the_specification_says():
    """Ids are hexadecimal, 64-bit integers strings, enums numbers, bytes base64, and what is not set is left out."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = bytes.fromhex(TRACE_ID), bytes.fromhex(SPAN_ID)
    span.kind, span.start_time_unix_nano, span.flags, span.status.code = 3, 2**64 - 1, 257, 2
    for key, field, value in (
        ("text", "string_value", ""),
        ("int", "int_value", -5),
        ("bool", "bool_value", False),
        ("double", "double_value", 0.5),
        ("nan", "double_value", math.nan),
        ("low", "double_value", -math.inf),
        ("bytes", "bytes_value", b"\xff\xfe\xfd"),
    ):
        setattr(span.attributes.add(key=key).value, field, value)
    span.attributes.add(key="list").value.array_value.values.add().int_value = 1
    span.attributes.add(key="none")
    span.links.add(trace_id=b"\xab" * 16, span_id=b"\xcd" * 8)
    assert as_json(request.resource_spans)["resourceSpans"][0]["scopeSpans"][0]["spans"] == [
        {
            "traceId": TRACE_ID,
            "spanId": SPAN_ID,
            "flags": 257,
            "kind": 3,
            "startTimeUnixNano": "18446744073709551615",
            "attributes": [
                {"key": "text", "value": {"stringValue": ""}},
                {"key": "int", "value": {"intValue": "-5"}},
                {"key": "bool", "value": {"boolValue": False}},
                {"key": "double", "value": {"doubleValue": 0.5}},
                {"key": "nan", "value": {"doubleValue": "NaN"}},
                {"key": "low", "value": {"doubleValue": "-Infinity"}},
                {"key": "bytes", "value": {"bytesValue": "//79"}},
                {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}},
                {"key": "none"},
            ],
            "links": [{"traceId": "ab" * 16, "spanId": "cd" * 8}],
            "status": {"code": 2},
        }
    ]


def test_no_spans_are_an_empty_list():
    """A request without spans has an empty list."""
    assert as_json([]) == {"resourceSpans": []}


def test_ids_are_read_in_either_case():
    """Upper and lower case hexadecimal are the same id, and an empty one is none."""
    span = read_span({"traceId": TRACE_ID.upper(), "spanId": SPAN_ID, "parentSpanId": ""})
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id) == (TRACE_ID, SPAN_ID, b"")


@pytest.mark.parametrize(
    ("given_time", "nanoseconds"), [("17", 17), (17, 17), (17.0, 17), ("18446744073709551615", 2**64 - 1), (None, 0)]
)
def test_64_bit_integers_are_strings_or_numbers(given_time, nanoseconds):
    """A time is read from a string of digits or from a number."""
    assert read_span({"startTimeUnixNano": given_time}).start_time_unix_nano == nanoseconds


@pytest.mark.parametrize(("kind", "number"), [(2, 2), ("SPAN_KIND_SERVER", 2), ("2", 2), (77, 77), (None, 0)])
def test_enums_are_numbers_and_names_are_understood(kind, number):
    """An enum is a number, also one that is not known yet; its name is read too."""
    assert read_span({"kind": kind}).kind == number


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        ({"stringValue": "<script>"}, "string_value", "<script>"),
        ({"boolValue": False}, "bool_value", False),
        ({"intValue": "-9223372036854775808"}, "int_value", -(2**63)),
        ({"doubleValue": 1}, "double_value", 1.0),
        ({"doubleValue": "1e3"}, "double_value", 1000.0),
        ({"doubleValue": "-Infinity"}, "double_value", -math.inf),
        ({"bytesValue": "//79"}, "bytes_value", b"\xff\xfe\xfd"),
        ({"bytesValue": "__79"}, "bytes_value", b"\xff\xfe\xfd"),
        ({"bytesValue": "/w"}, "bytes_value", b"\xff"),
        ({"bytesValue": "/w=="}, "bytes_value", b"\xff"),
        ({"intValue": None, "stringValue": "x"}, "string_value", "x"),
    ],
)
def test_values_of_every_kind_are_read(value, kind, read):
    """Each type of attribute is read as its own."""
    found = read_value(value)
    assert (found.WhichOneof("value"), getattr(found, kind)) == (kind, read)


def test_a_value_that_is_not_a_number_is_read():
    """NaN is a double like another."""
    assert math.isnan(read_value({"doubleValue": "NaN"}).double_value)


@pytest.mark.parametrize("value", [{}, {"unheardOf": 1}, None])
def test_an_attribute_may_have_no_value(value):
    """A value without any of the known kinds is an empty one."""
    assert read_value(value).WhichOneof("value") is None


def test_unknown_fields_are_ignored():
    """Fields of a later version, names in the protobuf's own spelling among them, change nothing."""
    span = read_span({"name": "n", "newField": {"a": [1]}, "trace_id": "zz", "start_time_unix_nano": []})
    assert (span.name, span.trace_id, span.start_time_unix_nano) == ("n", b"", 0)


@pytest.mark.parametrize("body", [b"{}", b' {"resourceSpans": []}', b'{"resourceSpans":null}', b'{"other": 1}'])
def test_a_request_may_be_empty(body):
    """A request without spans is valid."""
    assert read_request(body) == ExportTraceServiceRequest()


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"{}}", b'{"a": NaN}', b"\xff", b'"\\ud800"', b"\x00", b"[" * 5000])
def test_what_is_not_json_is_refused(body):
    """The error says that the bytes are not JSON."""
    assert complaint(body).startswith("not JSON: ")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[]", "an object is expected, not []"),
        (b"null", "an object is expected, not None"),
        (b'{"resourceSpans": {}}', "resourceSpans: an array is expected, not {}"),
        (b'{"resourceSpans": [3]}', "resourceSpans[0]: an object is expected, not 3"),
        (b'{"resourceSpans": [{}, null]}', "resourceSpans[1]: an object is expected, not None"),
    ],
)
def test_what_is_not_a_request_is_refused(body, told):
    """JSON of another shape is refused with the place in it."""
    assert complaint(body) == told


@pytest.mark.parametrize(
    ("span", "told"),
    [
        ({"name": 5}, "name: a string is expected, not 5"),
        ({"traceId": "xyz"}, "traceId: an id in hexadecimal is expected, not 'xyz'"),
        ({"traceId": "ab cd"}, "traceId: an id in hexadecimal is expected, not 'ab cd'"),
        ({"traceId": "abc"}, "traceId: an id in hexadecimal is expected, not 'abc'"),
        ({"traceId": "é" * 32}, f"traceId: an id in hexadecimal is expected, not '{'é' * 32}'"),
        ({"spanId": 17}, "spanId: an id in hexadecimal is expected, not 17"),
        ({"startTimeUnixNano": "1_0"}, "startTimeUnixNano: an integer is expected, not '1_0'"),
        ({"startTimeUnixNano": "٣"}, "startTimeUnixNano: an integer is expected, not '٣'"),
        ({"startTimeUnixNano": True}, "startTimeUnixNano: an integer is expected, not True"),
        ({"startTimeUnixNano": 1.5}, "startTimeUnixNano: an integer is expected, not 1.5"),
        ({"kind": "SERVER"}, "kind: an integer is expected, not 'SERVER'"),
        ({"name": "n" * 1000, "kind": "k" * 1000}, f"kind: an integer is expected, not '{'k' * 59}..."),
        (
            {"attributes": [{"value": {"boolValue": 1}}]},
            "attributes[0].value.boolValue: true or false is expected, not 1",
        ),
        ({"attributes": [{"value": {"doubleValue": "1_0"}}]}, "attributes[0].value.doubleValue: a number is expected"),
        ({"attributes": [{"value": {"doubleValue": " 1"}}]}, "attributes[0].value.doubleValue: a number is expected"),
        ({"attributes": [{"value": {"doubleValue": False}}]}, "attributes[0].value.doubleValue: a number is expected"),
        (
            {"attributes": [{"value": {"bytesValue": "*"}}]},
            "attributes[0].value.bytesValue: bytes in base64 is expected",
        ),
        (
            {"attributes": [{"value": {"bytesValue": "é"}}]},
            "attributes[0].value.bytesValue: bytes in base64 is expected",
        ),
        ({"status": []}, "status: an object is expected, not []"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused(span, told):
    """A value of another type than the field's is refused with its place, and shown only up to a length."""
    assert span_complaint(span).startswith(told)


@pytest.mark.parametrize(
    ("span", "place"),
    [
        ({"startTimeUnixNano": -1}, "startTimeUnixNano: "),
        ({"startTimeUnixNano": str(2**64)}, "startTimeUnixNano: "),
        ({"startTimeUnixNano": 1e300}, "startTimeUnixNano: "),
        ({"kind": 2**31}, "kind: "),
        ({"flags": -1}, "flags: "),
        ({"attributes": [{"value": {"intValue": 2**63}}]}, "attributes[0].value.intValue: "),
    ],
)
def test_a_number_out_of_range_is_refused(span, place):
    """A number that its field can't hold is refused with its place."""
    assert span_complaint(span).startswith(place)


def test_two_values_in_one_are_refused():
    """A value is of one kind only."""
    told = span_complaint({"attributes": [{"key": "k", "value": {"stringValue": "a", "intValue": 1}}]})
    assert told == "attributes[0].value.intValue: string_value is set already"


def nested(lists):
    """Return a request with an attribute of a resource that is a number within so many lists."""
    value = b'{"arrayValue":{"values":[' * lists + b'{"intValue":1}' + b"]}}" * lists
    return b'{"resourceSpans":[{"resource":{"attributes":[{"value":%s}]}}]}' % value


def test_whatever_is_read_protobuf_can_read_too():
    """The deepest accepted nesting can be written as protobuf and as JSON, and read again."""
    request = read_request(nested(47))
    assert ExportTraceServiceRequest.FromString(request.SerializeToString()) == request
    assert read_request(orjson.dumps(as_json(request.resource_spans))) == request


@pytest.mark.parametrize("lists", [48, 200, 300])
def test_nesting_beyond_what_protobuf_reads_is_refused(lists):
    """Deeper nesting is refused, and needs no stack of its own."""
    assert complaint(nested(lists)).endswith(": more than 100 messages within each other")


@pytest.mark.parametrize("body", [b'{"resourceSpans":[' + b"{}," * MAX_PARTS + b"{}]}", b"[" * (MAX_PARTS + 1)])
def test_a_body_of_too_many_values_is_refused_unread(body):
    """A body that would take many times its size in memory is refused by counting its bytes."""
    with pytest.raises(TooManyParts, match="send smaller ones"):
        read_request(body)


@given(st.binary(max_size=200) | JSON.map(orjson.dumps))
def test_any_body_is_read_or_refused(body):
    """Any bytes and any JSON are either a request or Malformed."""
    try:
        assert isinstance(read_request(body), ExportTraceServiceRequest)
    except Malformed as error:
        assert str(error)


@given(exports(), st.data())
def test_a_wrong_value_anywhere_is_read_or_refused(request, data):
    """A request in which any one value was replaced by any other is either a request or Malformed."""
    tree = as_json(request.resource_spans)
    holder, key = data.draw(st.sampled_from(list(_places(tree))))
    holder[key] = data.draw(JSON)
    try:
        read_request(orjson.dumps(tree)).SerializeToString()
    except Malformed as error:
        assert str(error)


def _places(node):
    for key in node if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])

"""OTLP's protobuf: a body that would be large in memory is refused before it is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.otlp.accepted import TRACES
from simulator.console.otlp.malformed import Malformed, TooManyParts
from simulator.console.otlp.protobuf_form import MAX_FIELDS, MAX_PARTS, count_parts, protobuf_reader, shape_of
from simulator.console.turns import Turns
from tests.support.exports import export, exports

read_request = protobuf_reader(TRACES, Turns())


def field(number, content):
    """Return a field that has a length."""
    length, written = len(content), bytearray()
    while length > 0x7F:
        written.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *written, length]) + content


def in_a_span(content):
    return field(1, field(2, field(2, content)))


# A field unknown to every version, long enough that the parts are counted; it has none.
PADDING = field(15, bytes(2 * MAX_PARTS))


@given(exports())
def test_whatever_was_written_is_read(request):
    """Any request is read as it was written."""
    body = request.SerializeToString()
    assert read_request(body).SerializeToString(deterministic=True) == request.SerializeToString(deterministic=True)


def test_a_large_request_is_read():
    """A request large enough to be counted is read like any other."""
    request = export(spans=20_000)
    assert len(request.SerializeToString()) > 2 * MAX_PARTS
    assert read_request(request.SerializeToString()) == request


@given(exports())
def test_counting_refuses_nothing_that_is_well_formed(request):
    """Whatever can be written can be counted too, in a body long enough for it."""
    read_request(request.SerializeToString() + PADDING)


@given(exports(), st.data())
def test_a_damaged_body_is_refused_or_read_as_protobuf_does(request, data):
    """A body that ends anywhere, or in which any byte is another, is a request or Malformed, counted or not."""
    body = bytearray(request.SerializeToString() or b"\n\0")
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    for spoilt in (bytes(body), bytes(body[: data.draw(st.integers(0, len(body)))]), PADDING + bytes(body)):
        try:
            read_request(spoilt)
        except Malformed as error:
            assert str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a\x00" * (MAX_PARTS + 1),
        field(1, b"\x12\x00" * (MAX_PARTS + 1)),
        field(1, field(2, b"\x12\x00" * (MAX_PARTS + 1))),
        in_a_span(b"\x4a\x00" * (MAX_PARTS + 1)),
        field(1, field(1, field(3, b"\x1a\x00" * (MAX_PARTS + 1)))),
    ],
    ids=["resources", "scopes", "spans", "attributes", "keys of an entity"],
)
@pytest.mark.long
def test_a_body_of_too_many_parts_is_refused(body):
    """A body of nothing but empty parts, of any kind, would take a hundred times its size: it is refused."""
    with pytest.raises(TooManyParts, match="send smaller ones"):
        read_request(body)


@pytest.mark.long
def test_a_body_of_exactly_the_maximum_is_read():
    """The bound itself is still read."""
    assert len(read_request(field(15, b"") + b"\x0a\x00" * MAX_PARTS).resource_spans) == MAX_PARTS


@pytest.mark.parametrize(
    "tail",
    [
        b"\x0b",
        b"\x0e",
        b"\x0a",
        b"\x0a\x05\x0a",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x08\x80",
        b"\x0d\x00",
        field(1, b"\x12\x05"),
    ],
    ids=["group", "no type", "no length", "too long", "endless number", "half a number", "half a float", "inner"],
)
def test_a_large_body_that_is_not_a_message_is_refused(tail):
    """A body that can't be walked to its end is refused while it is counted."""
    with pytest.raises(Malformed):
        read_request(PADDING + tail)


@pytest.mark.parametrize("value", [b"\x00", b"\x80\x01", b"\xff" * 9 + b"\x01"])
def test_numbers_of_any_length_are_walked_over(value):
    """Numbers of one, two and ten bytes and fixed ones are skipped while counting."""
    read_request(PADDING + b"\x78" + value + b"\x79" + bytes(8) + b"\x7d" + bytes(4))


def test_deep_nesting_is_refused():
    """Values nested deeper than protobuf accepts are refused."""
    value = b""
    for _ in range(200):
        value = field(5, field(1, value))
    with pytest.raises(Malformed):
        read_request(in_a_span(field(9, field(2, value))))


@pytest.mark.parametrize("spans", [0, 1, 7])
def test_parts_are_messages_and_repeated_values(spans):
    """The spans of a resource, the resource, its attribute, the value, the scope's spans and each span count."""
    body = export(spans=spans).SerializeToString()
    assert count_parts(body, TRACES, shape_of(TRACES), Turns()) == 5 + spans


@pytest.mark.long
def test_a_body_of_too_many_fields_is_refused():
    """Unknown fields take no memory, but time to skip: beyond a bound they are refused too."""
    with pytest.raises(TooManyParts, match="fields in one request; send smaller ones"):
        read_request(b"\x78\x01" * (MAX_FIELDS + 100))


def test_a_large_body_is_counted_in_turns():
    """While many fields are counted other greenlets get their turn."""
    given = []
    read = protobuf_reader(TRACES, Turns(lambda: given.append(None)))
    read(b"\x78\x01" * (MAX_FIELDS // 2))
    assert len(given) > 50

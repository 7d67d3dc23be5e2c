"""Bodies that are too large, too slow, broken or hostile: each is refused within bounds and does no harm."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zlib
from contextlib import contextmanager

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.otlp.application import JSON, PROTOBUF
from simulator.console.otlp.json_form import as_json
from simulator.console.turns import Turns
from tests.support.exports import export, exports
from tests.support.receivers import (
    GOOD,
    GOOD_JSON,
    GOOD_PROTOBUF,
    MAX_SPANS,
    PATH,
    PRESCRIBED,
    SMALL,
    Broken,
    Receiver,
    reason_of,
)
from tests.support.serving import answers_of, say, serving


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_body_that_declares_too_much_is_refused_unread(content_type):
    """A length over the bound is 413 before any of the body is read."""
    receiver, stream = Receiver(max_bytes=SMALL), Broken(b"", AssertionError("read"))
    answer = receiver.post_stream(stream, SMALL + 1, content_type)
    assert (answer.status_code, answer.content_type) == (413, content_type)
    assert reason_of(answer) == (8, "the body has 4097 bytes; at most 4096 are taken; send smaller batches")


class Endless:
    """An endless body that counts what was read of it."""

    def __init__(self):
        self.read_bytes = 0

    def read(self, size):
        self.read_bytes += size
        return bytes(size)


def test_an_endless_chunked_body_is_refused():
    """A chunked body is read up to the bound and no further, then it is 413 and the connection is closed."""
    receiver, endless = Receiver(max_bytes=100_000), Endless()
    answer = receiver.post_stream(endless)
    assert (answer.status_code, answer.headers["Connection"]) == (413, "close")
    assert endless.read_bytes < 200_000


def test_a_chunked_body_is_accepted():
    """A chunked body, as of exporters that compress while they send, is accepted."""
    receiver = Receiver()
    assert receiver.post_stream(io.BytesIO(GOOD_PROTOBUF)).status_code == 200
    assert receiver.taken == [GOOD]


@pytest.mark.parametrize("encoding", ["gzip, chunked", "gzip", "identity"])
def test_a_body_with_another_transfer_encoding_needs_its_length(encoding):
    """A body whose end is unknown is 411."""
    answer = Receiver().post(headers={"Transfer-Encoding": encoding})
    assert (answer.status_code, answer.headers["Connection"]) == (411, "close")


def test_a_body_of_the_maximum_size_is_accepted():
    """The bound itself is still accepted, plain and decompressed."""
    body = export(spans=20).SerializeToString()
    receiver = Receiver(max_bytes=len(body))
    assert (
        receiver.post(body).status_code
        == receiver.post(gzip.compress(body, mtime=0), encoding="gzip").status_code
        == 200
    )
    receiver = Receiver(max_bytes=len(body) - 1)
    assert (
        receiver.post(body).status_code
        == receiver.post(gzip.compress(body, mtime=0), encoding="gzip").status_code
        == 413
    )


def test_a_gzip_bomb_is_decompressed_only_up_to_the_bound():
    """A small body that decompresses to a very large one is 413, at the cost of the bound and no more."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
    receiver = Receiver(max_bytes=2**20)
    tracemalloc.start()
    try:
        answer = receiver.post(bomb, encoding="gzip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reason_of(answer) == (8, "unpacked the body has more than 1048576 bytes; send smaller batches")
    assert (answer.status_code, peak < 4 * 2**20) == (413, True)


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"\x0a\x00" * 600_000, PROTOBUF), (b"[" + b"[]," * 600_000 + b"[]]", JSON)]
)
@pytest.mark.long
def test_a_body_that_would_be_large_in_memory_is_refused(body, content_type):
    """A body of empty parts, which take a hundred times their bytes, is 413."""
    answer = Receiver().post(body, content_type)
    assert (answer.status_code, reason_of(answer)[0]) == (413, 8)


def test_batches_in_chunks_on_one_connection():
    """An exporter that sends chunks keeps its connection after every batch, and gets an error for malformed chunks."""
    receiver = Receiver()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    batch = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD_PROTOBUF), GOOD_PROTOBUF)
    with serving(receiver.app) as (port, _):
        answers = answers_of(say(port, batch * 3 + head + b"-1\r\n" + batch))
    assert [(answer.status, answer.headers.get("connection")) for answer in answers] == [
        *[(200, None)] * 3,
        (400, "close"),
    ]
    assert receiver.taken == [GOOD] * 3


@pytest.mark.parametrize("error", [OSError("unexpected end"), ConnectionResetError(), ValueError("no chunk")])
@pytest.mark.parametrize("length", [None, len(GOOD_PROTOBUF)])
def test_a_connection_that_breaks_is_a_bad_request(error, length):
    """A body that is cut short is 400, whatever the server makes of it."""
    receiver = Receiver()
    answer = receiver.post_stream(Broken(GOOD_PROTOBUF[:20], error), length)
    assert (answer.status_code, answer.headers["Connection"]) == (400, "close")
    assert receiver.taken == []


def test_a_body_that_ends_early_is_a_bad_request():
    """Fewer bytes than declared are 400, and the reason says how many arrived."""
    answer = Receiver().post_stream(io.BytesIO(GOOD_PROTOBUF[:20]), 100)
    assert answer.status_code == 400
    assert reason_of(answer) == (3, "the connection ended after 20 of 100 bytes of the body")


def test_a_body_that_does_not_arrive_is_a_timeout():
    """A body that the server waited for in vain is 408."""
    answer = Receiver().post_stream(Broken(b"\n", TimeoutError()), 100)
    assert (answer.status_code, reason_of(answer)) == (408, (4, "the body did not arrive in time"))


def test_a_body_has_a_time_limit():
    """Each body has its own time limit, and one that exceeds it is 408."""
    entered = []

    @contextmanager
    def limit():
        entered.append(True)
        yield
        if len(entered) == 2:
            raise TimeoutError

    receiver = Receiver(time_limit=limit)
    assert [receiver.post().status_code for _ in range(3)] == [200, 408, 200]
    assert len(receiver.taken) == 2


def test_bodies_being_received_are_bounded_together():
    """While many bodies are being read another is 429 with Retry-After, and afterwards everything is as before."""
    receiver = Receiver(max_bytes=SMALL, max_held_bytes=SMALL)
    nested = []

    class Slow(io.BytesIO):
        def read(self, size=-1):
            piece = super().read(size)
            if not piece:  # all of this body is held; meanwhile another one comes
                nested.append(receiver.post(bytes(200)))
            return piece

    answer = receiver.post_stream(Slow(bytes(SMALL - 100)))
    assert answer.status_code == 400
    assert (nested[0].status_code, nested[0].headers["Retry-After"]) == (429, "1")
    assert reason_of(nested[0]) == (8, "too many bodies are being received")
    assert receiver.post().status_code == 200


def test_a_bug_of_our_own_is_a_server_error(caplog):
    """An internal error is 500, in the format of the request, without its details."""
    receiver = Receiver()
    receiver.refusals = None
    answer = receiver.post(GOOD_JSON, JSON)
    assert (answer.status_code, answer.json["code"]) == (500, 13)
    assert "refusals" not in answer.json["message"]
    assert "AttributeError" in caplog.text


@given(
    body=st.binary(max_size=300),
    content_type=st.sampled_from([PROTOBUF, JSON, "text/plain"])
    | st.text(st.characters(max_codepoint=255), max_size=9),
    encoding=st.sampled_from([None, "gzip", "identity"]) | st.text(st.characters(max_codepoint=255), max_size=9),
)
def test_any_body_gets_a_prescribed_answer(body, content_type, encoding):
    """Any bytes of any type and encoding get a status of OTLP's, and a valid request afterwards is accepted."""
    receiver = Receiver(max_bytes=SMALL)
    headers = [("Content-Type", content_type.translate(_NO_BREAKS))]
    if encoding is not None:
        headers.append(("Content-Encoding", encoding.translate(_NO_BREAKS)))
    answer = receiver.client.post(PATH, data=body, headers=headers)
    assert answer.status_code in PRESCRIBED
    assert _is_still_well(receiver)


_NO_BREAKS = dict.fromkeys(map(ord, "\r\n\0"), "_")


@given(exports(), st.sampled_from([PROTOBUF, JSON]), st.sampled_from([None, "gzip"]), st.data())
def test_any_damaged_body_gets_a_prescribed_answer(request, content_type, encoding, data):
    """A request cut short, or with flipped bits, compressed or not, gets a status of OTLP's and does no harm."""
    receiver = Receiver(max_bytes=2**20)
    plain = request.SerializeToString() if content_type == PROTOBUF else orjson.dumps(as_json(request.resource_spans))
    assert receiver.post(plain, content_type).status_code == 200
    body = bytearray(gzip.compress(plain, mtime=0) if encoding else plain)
    for _ in range(data.draw(st.integers(0, 3)) if body else 0):
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    answer = receiver.post(bytes(body[: data.draw(st.integers(0, len(body)))]), content_type, encoding)
    assert answer.status_code in (200, 400, 413)
    assert answer.content_type == content_type
    assert _is_still_well(receiver)


def _is_still_well(receiver):
    return receiver.post().status_code == 200 and receiver.taken[-1] == GOOD


def tiny_spans(count):
    """Return a request of spans that have nothing but their ids, about thirty bytes each."""
    spans = b"".join(
        b"\x12\x1c\x0a\x10" + number.to_bytes(16, "big") + b"\x12\x08" + number.to_bytes(8, "big")
        for number in range(1, count + 1)
    )
    scope = b"\x12" + varint(len(spans)) + spans
    return b"\x0a" + varint(len(scope)) + scope


def varint(number):
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


@pytest.mark.long
def test_too_many_spans_in_one_request_are_refused():
    """Half a million tiny spans in one body are refused before any is stored, and the answer says what to do."""
    receiver = Receiver()
    as_json_too = b",".join([b'{"traceId":"01","spanId":"01"}'] * (MAX_SPANS + 1))
    in_json = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + as_json_too + b"]}]}]}"
    for answer in (receiver.post(tiny_spans(500_000)), receiver.post(in_json, JSON)):
        assert (answer.status_code, receiver.taken) == (413, [])
        assert reason_of(answer) == (8, f"more than {MAX_SPANS} spans in one request; send smaller ones")
    assert [receiver.post(tiny_spans(MAX_SPANS)).status_code, len(receiver.taken)] == [200, 1]


def test_a_large_request_in_json_is_read_in_turns():
    """While a body of many values is read other greenlets get their turn."""
    given = []
    receiver = Receiver(turns=Turns(lambda: given.append(None)))
    body = orjson.dumps(as_json(export(spans=2000).resource_spans))
    assert receiver.post(body, JSON).status_code == 200
    assert len(given) >= 10

"""Packed bodies: taken where they can be unpacked within bounds, and sent on as they came."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import InvalidMessage
from simulator.stage.encodings import UnknownEncoding, is_packed, unpacked
from simulator.telemetry.record import Outcome
from tests.support.posting import JSON, TRACE_ID, assert_problem, post

PLAIN = b'{"order": 1}'
MAX_BODY = 1000


def packed(text):
    """Gzip without the time of day in it, so that every collection of the tests gives them the same names."""
    return gzip.compress(text, mtime=0)


def raw_deflate(text):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, " GZip ": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", PACKERS)
@given(text=st.binary(max_size=2000))
def test_what_was_packed_is_unpacked(encoding, text):
    """Whatever is packed in an encoding that is known comes out of it again."""
    assert is_packed(encoding)
    assert unpacked(PACKERS[encoding](text), encoding, 2000) == text


@given(st.binary(max_size=2000))
def test_deflate_without_its_frame_is_unpacked_too(text):
    """Some clients send deflate without the frame that RFC 9110 wants around it."""
    assert unpacked(raw_deflate(text), "deflate", 2000) == text


def test_members_of_gzip_one_after_the_other_are_one_body():
    """A body of gzip may have several members (RFC 1952, 2.2)."""
    assert unpacked(gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two"), "gzip", 100) == b"one two"


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_what_is_not_packed(encoding):
    """A body without a Content-Encoding, and one that is identity, is what it says."""
    assert not is_packed(encoding)


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "deflate, gzip", "gzip;q=1", "x" * 5000])
def test_an_encoding_that_is_not_known(encoding):
    """Any other encoding, or more than one, is refused with 415 and those that are known, in few words."""
    with pytest.raises(UnknownEncoding, match="gzip or deflate") as refused:
        is_packed(encoding)
    assert (refused.value.status, len(str(refused.value)) < 300) == (415, True)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (PLAIN, "gzip"),
        (PLAIN, "deflate"),
        (b"", "gzip"),
        (b"", "deflate"),
        (packed(PLAIN)[:-1], "gzip"),
        (packed(PLAIN)[:-5] + b"xxxxx", "gzip"),
        (packed(PLAIN) + b"more", "gzip"),
        (zlib.compress(PLAIN)[:-1], "deflate"),
        (zlib.compress(PLAIN) + b"more", "deflate"),
        (packed(PLAIN), "deflate"),
        (zlib.compress(PLAIN), "gzip"),
        (packed(b"") * 1000, "gzip"),
    ],
)
def test_a_body_that_is_not_packed_as_it_claims(body, encoding):
    """A body that ends early, goes on after its end or is not of its encoding at all is refused with 400."""
    with pytest.raises(InvalidMessage, match=f"the Content-Encoding is {encoding} but the body is not") as refused:
        unpacked(body, encoding, MAX_BODY)
    assert refused.value.status == 400


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_no_more_is_unpacked_than_is_taken(pack):
    """A bomb is refused with 413 in the memory of what is taken; exactly that much is taken."""
    encoding = "gzip" if pack is gzip.compress else "deflate"
    assert len(unpacked(pack(b"0" * MAX_BODY), encoding, MAX_BODY)) == MAX_BODY
    bomb = pack(b"0" * 50_000_000)
    tracemalloc.start()
    with pytest.raises(InvalidMessage) as refused:
        unpacked(bomb, encoding, MAX_BODY)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.status == 413
    assert peak_bytes < 300_000


def test_a_bomb_of_many_members_is_refused_too():
    """What is taken is counted over all members."""
    with pytest.raises(InvalidMessage) as refused:
        unpacked(gzip.compress(b"0" * 900) * 2, "gzip", MAX_BODY)
    assert refused.value.status == 413


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("content_type", [JSON, "text/plain"])
def test_a_packed_body_is_sent_on_as_it_came(make_web, encoding, content_type):
    """A stage hands the packed bytes on with the header that describes them, and observes their size."""
    web, body = make_web(calls=("enrich",)), PACKERS[encoding](PLAIN)
    assert post(web, body, content_type, Content_Encoding=encoding).status_code == 200
    [sent] = web.rig.adapter.requests
    assert (sent.body, sent.headers["Content-Encoding"], sent.headers["Content-Type"]) == (body, encoding, content_type)
    assert web.rig.record.arrival.body_bytes == len(body)


def test_a_body_that_is_not_packed_is_sent_on_without_the_header(make_web):
    """Where nothing is packed nothing is said of it, also where a call has a body of its own size."""
    web = make_web(calls=("enrich",))
    assert post(web, PLAIN).status_code == 200
    sized = make_web(calls=({"to": "enrich", "request_bytes": "100B"},))
    assert post(sized, gzip.compress(PLAIN), Content_Encoding="gzip").status_code == 200
    assert not [r for w in (web, sized) for r in w.rig.adapter.requests if "Content-Encoding" in r.headers]


def test_a_terminator_keeps_what_a_packed_body_says(make_web):
    """What ends its way is written down unpacked."""
    web = make_web()
    assert post(web, gzip.compress(PLAIN), Content_Encoding="gzip").status_code == 200
    assert web.rig.kept.messages == [(PLAIN, JSON)]


@pytest.mark.parametrize(
    ("body", "encoding", "status", "title"),
    [
        (PLAIN, "gzip", 400, "Invalid message"),
        (packed(b""), "gzip", 400, "Invalid message"),
        (packed(b"{"), "gzip", 400, "Invalid message"),
        (packed(b"0" * (MAX_BODY + 1)), "gzip", 413, "Content too large"),
        (PLAIN, "br", 415, "Unsupported media type"),
        (packed(packed(PLAIN)), "gzip, gzip", 415, "Unsupported media type"),
    ],
)
def test_a_packed_body_that_is_refused(make_web, body, encoding, status, title):
    """A packed body that can't be unpacked, or says nothing good, is invalid; 415 tells what could be."""
    web = make_web(max_body_bytes=MAX_BODY, calls=("enrich",))
    answer = post(web, body, Content_Encoding=encoding)
    assert_problem(answer, status, title, message_id="made-1", trace_id=TRACE_ID)
    assert answer.headers.get("Accept-Encoding") == ("gzip, deflate" if status == 415 else None)
    assert (web.rig.record.outcome, web.rig.record.code) == (Outcome.INVALID, status)
    assert web.rig.adapter.requests == []
    assert json.loads(answer.data)["detail"]

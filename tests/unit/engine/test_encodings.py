"""Compressed bodies: taken where they can be decompressed within bounds, and sent on as they came."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.encodings import UnknownEncoding, decompressed, is_compressed
from simulator.errors import InvalidMessage

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
    """Whatever is compressed in a supported encoding comes out of it again."""
    assert is_compressed(encoding)
    assert decompressed(PACKERS[encoding](text), encoding, 2000) == text


@given(st.binary(max_size=2000))
def test_deflate_without_its_frame_is_unpacked_too(text):
    """Some clients send deflate without the frame that RFC 9110 wants around it."""
    assert decompressed(raw_deflate(text), "deflate", 2000) == text


def test_members_of_gzip_one_after_the_other_are_one_body():
    """A body of gzip may have several members (RFC 1952, 2.2)."""
    assert decompressed(gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two"), "gzip", 100) == b"one two"


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_what_is_not_packed(encoding):
    """A body without a Content-Encoding, and one that is identity, is what it says."""
    assert not is_compressed(encoding)


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "deflate, gzip", "gzip;q=1", "x" * 5000])
def test_an_encoding_that_is_not_known(encoding):
    """Any other encoding, or more than one, is refused with 415 and those that are known, in few words."""
    with pytest.raises(UnknownEncoding, match="gzip or deflate") as refused:
        is_compressed(encoding)
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
        decompressed(body, encoding, MAX_BODY)
    assert refused.value.status == 400


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_no_more_is_unpacked_than_is_taken(pack):
    """A decompression bomb is refused with 413, in bounded memory; a body of exactly the bound is accepted."""
    encoding = "gzip" if pack is gzip.compress else "deflate"
    assert len(decompressed(pack(b"0" * MAX_BODY), encoding, MAX_BODY)) == MAX_BODY
    bomb = pack(b"0" * 50_000_000)
    tracemalloc.start()
    with pytest.raises(InvalidMessage) as refused:
        decompressed(bomb, encoding, MAX_BODY)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.status == 413
    assert peak_bytes < 300_000


def test_a_bomb_of_many_members_is_refused_too():
    """What is taken is counted over all members."""
    with pytest.raises(InvalidMessage) as refused:
        decompressed(gzip.compress(b"0" * 900) * 2, "gzip", MAX_BODY)
    assert refused.value.status == 413

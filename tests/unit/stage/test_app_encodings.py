"""Compressed bodies that come by POST: sent on as they came, kept decompressed, or refused."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from simulator.telemetry.record import Outcome
from tests.support.posting import JSON, TRACE_ID, assert_problem, post

PLAIN = b'{"order": 1}'
MAX_BODY = 1000
PACKERS = {"gzip": gzip.compress, "deflate": zlib.compress}


def packed(text):
    """Gzip without the time of day in it, so that every collection of the tests gives them the same names."""
    return gzip.compress(text, mtime=0)


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
    """What ends its way is written down decompressed."""
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
    """A compressed body that can't be decompressed, or says nothing good, is invalid; 415 tells what could be."""
    web = make_web(max_body_bytes=MAX_BODY, calls=("enrich",))
    answer = post(web, body, Content_Encoding=encoding)
    assert_problem(answer, status, title, message_id="made-1", trace_id=TRACE_ID)
    assert answer.headers.get("Accept-Encoding") == ("gzip, deflate" if status == 415 else None)
    assert (web.rig.record.outcome, web.rig.record.code) == (Outcome.INVALID, status)
    assert web.rig.adapter.requests == []
    assert json.loads(answer.data)["detail"]

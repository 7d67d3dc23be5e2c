"""What a stage does not take: requests that are no message, and messages whose id or body can't be one."""

from __future__ import annotations

from io import BytesIO

import pytest

from simulator.net.request_body import BrokenBody
from simulator.telemetry.record import Outcome
from tests.support.posting import JSON, TRACE_ID, assert_problem, http_counts, post, post_announcing


@pytest.mark.parametrize("message_id", ["", "two words", "x" * 129, "a\tb", "a;b", '{"a"}', "é", "<script>"])
def test_a_bad_id_is_refused(make_web, message_id):
    """A message whose id can't be one is refused, counted as invalid, and told under an id of our own."""
    web = make_web()
    answer = post(web, X_Message_Id=message_id)
    detail = assert_problem(answer, 400, "Invalid message", message_id="made-1", trace_id=TRACE_ID)
    assert "X-Message-Id" in detail
    assert answer.headers["X-Message-Id"] == "made-1"
    assert (web.rig.record.outcome, web.rig.record.arrival.message_id) == (Outcome.INVALID, "made-1")
    assert web.rig.kept.messages == []


def test_an_empty_body_that_claims_to_be_json_is_refused(make_web):
    """Nothing is not JSON."""
    web = make_web()
    detail = assert_problem(post(web, b"", JSON), 400, "Invalid message", message_id="made-1", trace_id=TRACE_ID)
    assert detail == "the content type is application/json but the body is not JSON: it is empty"
    assert web.rig.record.outcome is Outcome.INVALID


@pytest.mark.parametrize("content_type", ["text/plain", None])
def test_an_empty_body_is_taken(make_web, content_type):
    """A message without a body is a message, unless it claims to be JSON."""
    web = make_web()
    assert post(web, b"", content_type).status_code == 200
    assert (web.rig.record.outcome, web.rig.record.arrival.body_bytes) == (Outcome.DELIVERED, 0)


@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/ld+json",
        "application/vnd.api+json;v=1",
        "application/problem+json",
    ],
)
@pytest.mark.parametrize("body", [b"{", b"not json", b'{"a": NaN}', b"{'a': 1}", b'"\xff"', b"{} {}"])
def test_what_is_not_the_json_it_claims_to_be_is_refused(make_web, content_type, body):
    """A body that claims to be JSON, by any of its types, and is not, is refused and goes no further."""
    web = make_web(calls=("enrich",))
    detail = assert_problem(
        post(web, body, content_type), 400, "Invalid message", message_id="made-1", trace_id=TRACE_ID
    )
    assert content_type in detail
    assert web.rig.adapter.requests == []


def test_one_byte_more_does_not_pass(make_web):
    """A body of one byte over max_body is refused with 413 before any of it is read."""
    web = make_web(max_body_bytes=1000)
    unread = BytesIO(b"x" * 1001)
    answer = post_announcing(web, 1001, unread)
    detail = assert_problem(answer, 413, "Content too large", message_id="made-1", trace_id=TRACE_ID)
    assert "1001" in detail and "1000" in detail
    assert unread.tell() == 0
    assert (web.rig.record.outcome, web.rig.record.code) == (Outcome.INVALID, 413)
    assert web.rig.record.arrival.body_bytes == 1001


def post_in_chunks(web, stream):
    return web.client.post("/messages", input_stream=stream, headers={"Transfer-Encoding": "chunked"})


def test_a_body_in_chunks_is_as_large_as_it_is(make_web):
    """A body in chunks is a message like any other; its size, unknown before, is that of what came."""
    web = make_web(calls=("enrich",), max_body_bytes=40_000)
    assert post_in_chunks(web, BytesIO(b"x" * 40_000)).status_code == 200
    assert web.rig.adapter.requests[0].body == b"x" * 40_000
    assert (web.rig.sink.arrivals[0].body_bytes, web.rig.record.arrival.body_bytes) == (None, 40_000)


def test_a_body_in_chunks_may_be_empty(make_web):
    """A body of no chunks is an empty one."""
    web = make_web()
    assert post_in_chunks(web, BytesIO()).status_code == 200
    assert web.rig.record.arrival.body_bytes == 0


def test_a_body_in_chunks_is_read_no_further_than_max_body(make_web):
    """A body in chunks that has no end is refused with 413 soon after max_body."""
    web = make_web(max_body_bytes=40_000)
    endless = BytesIO(b"x" * 10_000_000)
    detail = assert_problem(
        post_in_chunks(web, endless), 413, "Content too large", message_id="made-1", trace_id=TRACE_ID
    )
    assert "40000" in detail
    assert 40_000 < web.rig.record.arrival.body_bytes == endless.tell() < 80_000


def test_chunks_that_are_none_are_refused(make_web):
    """What is wrong with a body in chunks is told."""
    web = make_web()
    answer = post_in_chunks(web, Breaking(BrokenBody("not the size of a chunk: '-1'")))
    detail = assert_problem(answer, 400, "Invalid message", message_id="made-1", trace_id=TRACE_ID)
    assert "'-1'" in detail


def test_a_body_that_ends_early_is_refused(make_web):
    """A client that hangs up in the middle of its body is an invalid message, and nothing of it goes on."""
    web = make_web(calls=("enrich",))
    answer = post_announcing(web, 10, BytesIO(b"abc"))
    detail = assert_problem(answer, 400, "Invalid message", message_id="made-1", trace_id=TRACE_ID)
    assert "10 bytes" in detail
    assert web.rig.adapter.requests == []


class Breaking(BytesIO):
    """A body whose reading fails."""

    def __init__(self, error):
        super().__init__(b"")
        self.error = error

    def read(self, *_):
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (TimeoutError(), 408, "Request timeout"),
        (ConnectionResetError(), 400, "Invalid message"),
    ],
)
def test_a_body_that_does_not_come(make_web, error, status, title):
    """A body that takes too long, or whose connection breaks, is the client's mistake and no failure of ours."""
    web = make_web()
    answer = post_announcing(web, 10, Breaking(error))
    assert_problem(answer, status, title, message_id="made-1", trace_id=TRACE_ID)
    assert (web.rig.record.outcome, web.rig.record.code) == (Outcome.INVALID, status)


@pytest.mark.parametrize("path", ["/", "/messages/1", "/messages/", "/Messages", "/control"])
def test_there_is_nothing_elsewhere(make_web, path):
    """Any other path is answered with 404, counted as a request without a route, and is no message."""
    web = make_web()
    assert_problem(post(web, path=path), 404, "Not Found")
    assert http_counts(web) == {("POST", "", "404"): 1}
    assert web.rig.sink.arrivals == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_only_post(make_web, method):
    """Any other method is answered with 405 and the one that is allowed, and counted under its name."""
    web = make_web()
    answer = web.client.open("/messages", method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    if method != "HEAD":
        assert_problem(answer, 405, "Method Not Allowed")
    assert http_counts(web) == {(method, "/messages", "405"): 1}
    assert web.rig.sink.arrivals == []


def test_an_unknown_method_is_counted_as_other(make_web):
    """A method that nobody knows can't make a series of its own."""
    web = make_web()
    assert web.client.open("/messages", method="BREW").status_code == 405
    assert http_counts(web) == {("_OTHER", "/messages", "405"): 1}


@pytest.mark.parametrize(
    ("host", "code"), [("a" * 64 + ".x", 400), ("x..y", 400), ("a_b", 200), ("-", 200), ("[::1]:80", 200), ("", 200)]
)
def test_a_host_that_can_be_none(make_web, host, code):
    """A host with a label that is empty or too long is refused, and any other is taken."""
    web = make_web()
    for path in ("/messages", "/nowhere"):
        answer = web.client.post(path, data=b"x", headers={"Host": host})
        assert answer.status_code == (404 if path == "/nowhere" and code == 200 else code)


def test_a_wish_for_another_protocol(make_web):
    """A message whose client would rather speak another protocol is taken; one that opens a WebSocket is refused."""
    web = make_web()
    assert web.client.post("/messages", data=b"x", headers={"Upgrade": "h2c"}).status_code == 200
    wanted = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert web.client.post("/messages", data=b"x", headers=wanted).status_code == 400

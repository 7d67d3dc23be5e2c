"""Fetching JSON from backends that are absent, slow, too large, or no backends."""

from __future__ import annotations

import time

import pytest

from simulator.proof.backends.held import BackendError
from simulator.proof.backends.readers.fetching import BackendClient, TooLarge
from tests.support.backends import free_port
from tests.support.odd_servers import answering_bytes, answering_json


def answer(body, status="200 OK", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def error_of(url, **options):
    with pytest.raises(BackendError) as caught, BackendClient(url, **options) as client:
        client.get("/api", {})
    return str(caught.value)


def test_json_is_read_with_the_path_of_the_url_before_that_of_the_api():
    """A backend behind a prefix is asked there, many times over one connection."""
    with (
        answering_json(lambda path: (200, {"path": path})) as (origin, asked),
        BackendClient(f"{origin}/jaeger/") as one,
    ):
        assert one.get("/api/v3/services", {"a": "b c"}).content == {"path": "/jaeger/api/v3/services?a=b+c"}
        assert one.get("/api", {}).content == {"path": "/jaeger/api"}
    assert len(asked) == 2


@pytest.mark.parametrize("status", [400, 404, 422])
def test_the_statuses_that_say_something_are_returned(status):
    """404 means none, and 400 and 422 a query that was refused: the reader of the API knows what to say."""
    with answering_json(lambda path: (status, {"error": "x"})) as (origin, _), BackendClient(origin) as client:
        found = client.get("/api", {})
    assert (found.status, found.content) == (status, {"error": "x"})


def test_a_backend_that_is_absent_is_named():
    """Nothing listens: one line says so, with the URL and without its password."""
    port = free_port()
    text = error_of(f"http://user:secret@127.0.0.1:{port}/")
    assert text == f"http://***@127.0.0.1:{port}: nothing is listening there"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:16686", "ftp://host", "http://", "http://host:0", "http://host:x", "http://h?a=1"]
)
def test_what_is_no_url_of_a_backend_is_refused(url):
    """A forgotten scheme is said before anything is asked."""
    assert "is not the URL of a backend" in error_of(url)


@pytest.mark.parametrize("drip_seconds", [0.05, 3600.0])
def test_a_slow_backend_is_given_up_in_time(drip_seconds):
    """Neither silence nor a byte now and then holds the reader longer than its limit."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    with answering_bytes(head, drip_seconds) as origin:
        begin = time.monotonic()
        text = error_of(origin, timeout_seconds=0.4)
        assert time.monotonic() - begin < 5
    assert text.endswith("no complete answer within 0.4 s")


def test_a_head_that_drips_is_given_up_in_time():
    """The limit holds for the head of the answer, too."""
    with answering_bytes(b"HTTP/1.1 200 OK\r\nX-Slow: ", 0.05) as origin:
        assert "no complete answer within 0.3 s" in error_of(origin, timeout_seconds=0.3)


def test_all_requests_together_have_a_limit():
    """A thousand traces that each take a while end with a line that says so."""
    clock = iter([0.0, 11.0])
    assert "takes too long" in error_of("http://127.0.0.1:1", total_seconds=10, monotonic=lambda: next(clock))


def test_an_oversized_answer_is_not_read_to_its_end():
    """More than the limit raises TooLarge, whether or not its length was announced."""
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    for sent in (answer(b"x" * 5000), head + b"x" * 5000):
        with (
            answering_bytes(sent) as origin,
            BackendClient(origin, max_bytes=1000) as client,
            pytest.raises(TooLarge, match="more than 1,000 bytes"),
        ):
            client.get("/api", {})


def test_a_page_is_not_taken_for_an_answer():
    """A backend's own web page, or a proxy's, is HTML: the content type is said."""
    with answering_bytes(answer(b"<html></html>", "200 OK", "Content-Type: text/html")) as origin:
        assert error_of(origin).endswith("the answer is not JSON (text/html); is this the right URL?")


def test_a_redirection_is_not_followed():
    """The run is judged by the backend that was given, not by what it names."""
    sent = answer(b"", "302 Found", "Location: http://user:pw@elsewhere/login?token=x")
    with answering_bytes(sent) as origin:
        text = error_of(origin)
    assert "redirects to http://***@elsewhere/login?***" in text
    assert "pw" not in text and "token" not in text


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (answer(b"", "503 Service Unavailable"), "answers with status 503"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP, or is cut short"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "the answer is not HTTP, or is cut short"),
        (answer(b'{"a": [1, 2'), "the answer is not JSON"),
    ],
)
def test_other_answers_are_told(sent, text):
    """An error, another protocol, an answer that breaks off and JSON that does have a line each."""
    with answering_bytes(sent) as origin:
        assert text in error_of(origin)


def test_user_and_password_of_the_url_are_sent():
    """They are Basic authentication, unquoted."""
    with BackendClient("http://a%40b:p%3Aw@localhost:1") as client:
        assert client._headers()["Authorization"] == "Basic YUBiOnA6dw=="

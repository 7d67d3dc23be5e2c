"""Posting to a collector: what is sent, and what each answer comes to."""

from __future__ import annotations

import gzip
import socket
import threading
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_posting import PAUSE_SECONDS, CollectorAnswer, OtlpBatch, Poster
from tests.support.threaded import in_thread, listening

LONG_SECONDS = 20.0
BATCH = OtlpBatch(b"spans", "application/x-protobuf", "identity", 5)


class Collector:
    """A collector that answers as it is told, and what came to it."""

    def __init__(self):
        self.status, self.headers, self.body = 200, {}, b""
        self.statuses = []  # of the next answers, before `status` counts
        self.requests, self.connections = [], set()
        self.hold = None  # an event that each answer waits for


@pytest.fixture
def collector():
    """Run a collector."""
    with running(Collector()) as collector:
        yield collector


@contextmanager
def running(collector):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            collector.connections.add(self.client_address)
            if collector.hold is not None:
                collector.hold.wait(LONG_SECONDS)
            status = collector.statuses.pop(0) if collector.statuses else collector.status
            if not status:
                self.close_connection = True
                return
            answer = collector.body  # once: the next test of a row may set another while this one is being written
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **collector.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(answer)

    server = listening(Handler)
    collector.address = server.origin
    with in_thread(server):
        yield collector


@contextmanager
def poster_to(endpoint, **options):
    poster = Poster(Destination(endpoint=endpoint, **options), {"via": "1.1 console-x"})
    try:
        yield poster
    finally:
        poster.close()


def post(collector, batch=BATCH, timeout_seconds=LONG_SECONDS, **options):
    with poster_to(collector.address + "/v1/traces", **options) as poster:
        return poster(batch, timeout_seconds)


def partial(spans, reason=""):
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans, answer.partial_success.error_message = spans, reason
    return answer.SerializeToString()


def test_a_parcel_is_sent_as_it_came(collector):
    """The body, its type and packing, the user's own headers and who passed it on are what the collector gets."""
    packed = gzip.compress(b"spans")
    batch = OtlpBatch(packed, "application/json", "gzip", 5, via="1.1 elsewhere")
    assert post(collector, batch, headers={"authorization": "Bearer x"}) == CollectorAnswer(True)
    ((path, headers, body),) = collector.requests
    assert (path, body) == ("/v1/traces", packed)
    assert (headers["content-type"], headers["content-encoding"]) == ("application/json", "gzip")
    assert (headers["authorization"], headers["via"]) == ("Bearer x", "1.1 elsewhere, 1.1 console-x")


def test_a_plain_parcel_says_nothing_of_packing(collector):
    """A body that is not packed has no Content-Encoding."""
    post(collector)
    assert "content-encoding" not in collector.requests[0][1]
    assert collector.requests[0][1]["via"] == "1.1 console-x"


def test_one_connection_serves_for_all(collector):
    """A connection is used again, whether the answers have a body or none."""
    with poster_to(collector.address) as poster:
        for body in (b"", partial(1), b"", b"{}"):
            collector.body = body
            assert poster(BATCH, LONG_SECONDS).is_taken
    assert len(collector.connections) == 1


def test_no_proxy_of_the_environment_is_used(collector, monkeypatch):
    """A proxy meant for the world outside is not asked for the collector."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert post(collector).is_taken


@pytest.mark.parametrize(
    ("content_type", "body", "rejected", "problem"),
    [
        ("application/x-protobuf", partial(2, "too old"), 2, "the collector rejected 2 spans: too old"),
        ("application/x-protobuf", partial(2, "\x1b[2Jred"), 2, "the collector rejected 2 spans:  [2Jred"),
        ("application/json", b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}', 2, "too old"),
        ("application/json", b'{"partialSuccess":{"rejectedSpans":2}}', 2, "the collector rejected 2 spans: "),
        ("application/json", b'{"partialSuccess":{}}', 0, ""),
        ("application/json", b"{}", 0, ""),
        ("application/json", b"[]", 0, ""),
        ("application/json", b'{"partialSuccess":{"rejectedSpans":[]}}', 0, ""),
        ("application/json", b"", 0, ""),
        ("application/x-protobuf", partial(0, "a word of warning"), 0, ""),
        ("application/x-protobuf", partial(-3, "less than none"), 0, ""),
        ("text/plain", b"thank you", 0, ""),
        ("", bytes(200_000), 0, ""),
    ],
)
def test_a_success_may_be_a_partial_one(collector, content_type, body, rejected, problem):
    """What the collector rejected of a batch is told; an answer that can't be read is a success all the same."""
    collector.headers, collector.body = {"Content-Type": content_type}, body
    answer = post(collector)
    assert (answer.is_taken, answer.rejected, answer.pause_seconds) == (True, rejected, 0)
    assert problem in answer.problem
    assert bool(answer.problem) == bool(problem)


@pytest.mark.parametrize(
    ("status", "retried", "pause_seconds", "problem"),
    [
        (400, False, 0, "the collector answered 400 Bad Request"),
        # RFC 9110 has another phrase, which the standard library has from Python 3.13 on.
        (413, False, 0, f"the collector answered 413 {HTTPStatus.REQUEST_ENTITY_TOO_LARGE.phrase}"),
        (415, False, 0, "the collector answered 415 Unsupported Media Type"),
        (301, False, PAUSE_SECONDS, "the collector answered 301 Moved Permanently"),
        (401, False, PAUSE_SECONDS, "the collector answered 401 Unauthorized"),
        (404, False, PAUSE_SECONDS, "the collector answered 404 Not Found"),
        (500, False, PAUSE_SECONDS, "the collector answered 500 Internal Server Error"),
        (599, False, PAUSE_SECONDS, "the collector answered 599"),
        (429, True, PAUSE_SECONDS, "the collector answered 429 Too Many Requests"),
        (502, True, PAUSE_SECONDS, "the collector answered 502 Bad Gateway"),
        (503, True, PAUSE_SECONDS, "the collector answered 503 Service Unavailable"),
        (504, True, PAUSE_SECONDS, "the collector answered 504 Gateway Timeout"),
    ],
)
def test_what_a_refusal_comes_to(collector, status, retried, pause_seconds, problem):
    """Only what OTLP says may be retried is; a body's own fault calls for no pause; no redirection is followed."""
    collector.status, collector.headers = status, {"Location": collector.address + "/elsewhere"}
    assert post(collector) == CollectorAnswer(False, retried, pause_seconds, 0, problem, status)
    assert len(collector.requests) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("0", 1), ("86400", 30), ("9" * 400, 30), ("-1", 5), ("soon", 5), ("", 5), ("²", 5), ("1.5", 5)],
)
def test_the_collector_s_own_pause_is_kept_within_bounds(collector, text, seconds):
    """Retry-After is honoured from one second to thirty; what can't be read is as if it were not there."""
    collector.status, collector.headers = 503, {"Retry-After": text}
    assert post(collector).pause_seconds == seconds


def test_a_collector_that_is_away(collector):
    """No connection is worth another attempt after the pause, and the words for it have no secret in them."""
    with running(Collector()) as gone:
        address = gone.address
    with poster_to(f"{address}/v1/traces?token=s3cret") as poster:
        answer = poster(BATCH, LONG_SECONDS)
    assert answer == CollectorAnswer(False, True, PAUSE_SECONDS, 0, "no connection to the collector")


def test_a_collector_that_hangs_up(collector):
    """After a connection closed without an answer another attempt is made at once, and one more may be made later."""
    collector.status = 0
    answer = post(collector)
    assert (answer.is_taken, answer.is_worth_retrying, answer.pause_seconds) == (False, True, PAUSE_SECONDS)
    assert answer.problem.startswith("the collector closed the connection without an answer")
    assert len(collector.requests) == 2


def test_a_kept_connection_that_was_closed_costs_nothing(collector):
    """Where a connection breaks that was used before, a new one serves."""
    with poster_to(collector.address) as poster:
        assert poster(BATCH, LONG_SECONDS).is_taken
        collector.statuses = [0]
        assert poster(BATCH, LONG_SECONDS).is_taken
    assert len(collector.requests) == 3


GOAWAY = b"\0\0\0\4\0\0\0\0\0" + b"\0\0\x08\7\0\0\0\0\0" + b"\0\0\0\0\0\0\0\1"


@pytest.mark.parametrize("said", [GOAWAY, b"SSH-2.0-OpenSSH_9.6\r\n"])
def test_what_does_not_speak_http_is_told_as_such(said):
    """A gRPC port, which answers with frames of HTTP/2, is not taken for a collector that is away."""

    def answer(listener):
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        with poster_to(f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces") as poster:
            problem = poster(BATCH, LONG_SECONDS).problem
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert "no connection" not in problem
    assert "gRPC" in problem


def test_a_netrc_is_not_read(collector, monkeypatch, tmp_path):
    """A password that ~/.netrc has for the host is not sent, and the headers that were asked for are."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password s3cret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    post(collector)
    post(collector, headers={"authorization": "Bearer x"})
    assert [headers.get("authorization") for _, headers, _ in collector.requests] == [None, "Bearer x"]


def test_a_remote_collector_is_reached_through_its_proxy(collector):
    """A proxy of the destination gets the request in absolute form, with the proxy's own password in its own header."""
    proxies = {"http": collector.address.replace("//", "//ann:pw@")}
    with poster_to("http://collector.invalid:4318/v1/traces", proxies=proxies) as poster:
        assert poster(BATCH, LONG_SECONDS).is_taken
    ((path, headers, body),) = collector.requests
    assert (path, body) == ("http://collector.invalid:4318/v1/traces", b"spans")
    assert headers["proxy-authorization"].startswith("Basic ")
    assert "authorization" not in headers


def test_a_proxy_that_is_away_is_told_as_such():
    """A proxy without a connection is named, not the collector, and nothing of its password."""
    with running(Collector()) as gone:
        address = gone.address.replace("//", "//ann:s3cret@")
    with poster_to("http://collector.invalid:4318/v1/traces", proxies={"all": address}) as poster:
        problem = poster(BATCH, LONG_SECONDS).problem
    assert "proxy" in problem
    assert "s3cret" not in problem


def test_a_collector_that_does_not_answer(collector):
    """A collector that is silent for longer than the timeout is worth another attempt."""
    collector.hold = threading.Event()
    answer = post(collector, timeout_seconds=0.05)
    collector.hold.set()
    assert answer == CollectorAnswer(False, True, PAUSE_SECONDS, 0, "the collector did not answer within 0.05 s")


def test_an_answer_whose_body_does_not_come(collector):
    """Once its status has come, an answer counts, whatever becomes of the rest."""
    collector.headers = {"Content-Length": "100"}
    assert post(collector, timeout_seconds=0.05) == CollectorAnswer(True)


@pytest.mark.parametrize("endpoint", ["collector:4318", "", "http://", "ftp://c", "http://[", "http://" + "a" * 70])
def test_an_endpoint_that_can_t_be_called(endpoint):
    """An endpoint that is no good URL is a problem in words, not an exception."""
    with poster_to(endpoint) as poster:
        answer = poster(BATCH, 1.0)
    assert (answer.is_taken, answer.pause_seconds) == (False, PAUSE_SECONDS)
    assert answer.problem


@pytest.mark.parametrize("options", [{"certificate": "/no/such/file"}, {"client_certificate": "/no/such/file"}])
def test_certificates_that_are_missing(options):
    """A file that is not there is a problem in words that names the variables."""
    with poster_to("https://127.0.0.1:9", **options) as poster:
        assert "OTEL_EXPORTER_OTLP_" in poster(BATCH, 1.0).problem


@pytest.mark.parametrize(
    ("options", "certificate"),
    [
        ({"client_certificate": "c.pem", "client_key": "c.key"}, ("c.pem", "c.key")),
        ({"client_certificate": "both.pem"}, "both.pem"),
        ({"client_key": "c.key"}, None),
    ],
)
def test_who_the_client_is(options, certificate):
    """A client's certificate comes with its key in one file or two."""
    with poster_to("https://c", **options) as poster:
        assert poster._session.cert == certificate

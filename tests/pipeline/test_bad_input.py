"""Anything may come over the wire to a live stage: it gets a clear answer, and nothing is lost or held up."""

from __future__ import annotations

import contextlib
import gzip
import re
import resource
import socket
import struct
import time

import pytest

from tests.support.processes import running_stage, running_topology, wait_for
from tests.support.sending import answering, holding, read_request
from tests.support.wire import connect, exchange, misbehaving, nobody, post, post_bytes, read_answer

MAX_BODY = 2000
CHUNKED = b"POST /messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with running_stage(tmp_path_factory.mktemp("stage"), "--max-body", str(MAX_BODY)) as running:
        yield running


@pytest.fixture
def invalid_before(stage):
    return stage.total("simulator_messages_total", outcome="invalid")


@pytest.mark.parametrize(
    ("request_bytes", "status", "said"),
    [
        (post_bytes(b"", content_type="application/json"), 400, "empty"),
        (post_bytes(b"{'a': 1}", content_type="application/json"), 400, "not JSON"),
        (post_bytes(b'{"a": NaN}', content_type="application/vnd.order+json; charset=utf-8"), 400, "not JSON"),
        (post_bytes(b"[" * 1500, content_type="application/json"), 400, "not JSON"),
        (post_bytes(b'["\\ud83d", 1e400', content_type="application/json"), 400, "not JSON"),
        (post_bytes(b"x" * (MAX_BODY + 1)), 413, f"{MAX_BODY + 1} bytes; at most {MAX_BODY}"),
        (CHUNKED + b"-1\r\n", 400, "'-1"),
        (CHUNKED + b"2\r\nhi\r\n" + b"7d0\r\n" + b"x" * MAX_BODY + b"\r\n0\r\n\r\n", 413, f"at most {MAX_BODY}"),
        (post_bytes(b"hi", "X-Message-Id: two words"), 400, "X-Message-Id"),
        (post_bytes(b"hi", f"X-Message-Id: {'x' * 129}"), 400, "X-Message-Id"),
    ],
)  # fmt: skip
def test_a_bad_message_gets_a_problem_and_is_counted_invalid(stage, invalid_before, request_bytes, status, said):
    """A bad message is answered with problem details that say why, counted as invalid, and logged once."""
    answer = exchange(stage.port, request_bytes)
    problem = answer.json()
    assert answer.status == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in problem["detail"]
    assert stage.total("simulator_messages_total", outcome="invalid") == invalid_before + 1
    mine = wait_for(lambda: lines_of(stage, answer.headers["x-message-id"]), "the log line")
    assert [(line["outcome"], line["code"]) for line in mine] == [("invalid", status)]


def lines_of(stage, message_id):
    return [line for line in stage.events("message.handled") if line["message_id"] == message_id]


def test_the_largest_body_is_taken(stage):
    """A body of exactly max_body is taken, of an announced length or in chunks, and observed in its size."""
    before = stage.total("simulator_message_bytes_sum")
    assert post(stage.port, b"x" * MAX_BODY).status == 200
    chunks = b"7CF\r\n" + b"x" * (MAX_BODY - 1) + b"\r\n1;a=b\r\nx\r\n0\r\nX-Trailer: 1\r\n\r\n"
    answer = exchange(stage.port, CHUNKED + chunks)
    assert answer.status == 200
    assert stage.total("simulator_message_bytes_sum") == before + 2 * MAX_BODY
    [line] = wait_for(lambda: lines_of(stage, answer.headers["x-message-id"]), "the log line")
    assert line["body_bytes"] == MAX_BODY


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /messages HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"DELETE /messages HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"BREW /messages HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"OPTIONS /messages HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (post_bytes(b"hi", path="/nowhere"), 404),
        (post_bytes(b"hi", path="/messages/"), 404),
        (post_bytes(b"hi", f"X-Long: {'x' * 65536}"), 431),
        (post_bytes(b"hi", *[f"X-{n}: {'x' * 1000}" for n in range(64)]), 431),
        (post_bytes(b"hi", *[f"X-{n}: x" for n in range(200)]), 431),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 400),
        (b"POST /messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x, chunked\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_what_is_no_message_gets_an_answer_and_is_no_message(stage, request_bytes, status):
    """A wrong method or path, too large headers and what is not HTTP get their status; no message is counted."""
    before = stage.total("simulator_messages_total")
    counted = stage.total("http_server_request_duration_seconds_count", http_response_status_code=str(status))
    answer = exchange(stage.port, request_bytes)
    assert answer.status == status
    assert answer.json()["status"] == status
    assert stage.total("simulator_messages_total") == before
    after = stage.total("http_server_request_duration_seconds_count", http_response_status_code=str(status))
    assert after == counted + 1


def test_labels_stay_in_their_closed_sets(stage):
    """Whatever clients send, no method, path or id of theirs becomes a label."""
    for number in range(20):
        exchange(stage.port, f"M{number} /p{number} HTTP/1.1\r\nHost: x\r\nX-Message-Id: i{number}\r\n\r\n".encode())
    labels = {text for (_, have) in stage.samples() for _, text in have}
    assert not {text for text in labels if re.search("^M[0-9]|^/p[0-9]|^i[0-9]", text)}


def test_a_client_that_hangs_up_in_its_body_is_counted(stage, invalid_before):
    """Half a body and then nothing: the message is invalid, and nothing else happens."""
    with connect(stage.port) as connection:
        connection.sendall(post_bytes(b"x" * 100)[:-40])
    wait_for(
        lambda: stage.total("simulator_messages_total", outcome="invalid") == invalid_before + 1, "the invalid message"
    )
    assert post(stage.port, b"hi").status == 200


def test_a_client_that_resets_in_its_body_is_counted(stage, invalid_before):
    """The same for a connection that is reset."""
    connection = connect(stage.port)
    connection.sendall(post_bytes(b"x" * 100)[:-40])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    wait_for(
        lambda: stage.total("simulator_messages_total", outcome="invalid") == invalid_before + 1, "the invalid message"
    )
    assert stage.process.poll() is None


def test_a_client_that_hangs_up_before_its_answer_is_counted_and_no_error(tmp_path):
    """The message is handled to its end and the disconnect counted; nothing is written to standard error."""
    with running_stage(tmp_path, "--delay", "constant(200ms)") as stage:
        with connect(stage.port) as connection:
            connection.sendall(post_bytes(b"hi"))
        wait_for(lambda: stage.total("simulator_client_disconnects_total") == 1, "the disconnect")
        assert stage.total("simulator_messages_total", outcome="delivered") == 1
        assert stage.stop() == 0
    assert (tmp_path / "stage.stderr").read_text() == ""


THREE_STAGES = """
stages:
  first: {calls: [second]}
  second: {calls: [third]}
  third: {role: terminator}
"""
MEMBERS = [f"k{number}={'v' * 250}" for number in range(32)]


@pytest.mark.parametrize("is_packed", [True, False])
def test_headers_that_fit_on_the_way_in_fit_on_the_way_on(three_stages, is_packed):
    """What the first stage accepts of forwarded headers the last one accepts too; anything else is refused there."""
    port = int(three_stages.stage_base("first").rsplit(":", 1)[1])
    headers = [
        "X-Message-Id: " + "m" * 128,
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate: " + ",".join(MEMBERS)[:8000],
        "baggage: " + ",".join(MEMBERS)[:8000],
        *(["Content-Encoding: gzip"] if is_packed else []),
    ]
    body = gzip.compress(b"hi") if is_packed else b"hi"
    assert post(port, body, *headers, content_type=f"text/plain; a={'x' * 1010}").status == 200
    refused = post(port, b"hi", content_type=f"text/plain; a={'x' * 1012}")
    assert (refused.status, "content-type" in refused.json()["detail"]) == (431, True)


@pytest.fixture(scope="module")
def three_stages(tmp_path_factory):
    with running_topology(tmp_path_factory.mktemp("three"), THREE_STAGES) as running:
        yield running
        assert running.interrupt() == 0, running.errors.read_text()


def test_a_slow_client_holds_up_nobody(tmp_path):
    """While clients send a byte now and then, others are answered as fast as ever, even with a single worker."""
    with running_stage(tmp_path, "--workers", "1", "--queue", "0") as stage:
        slow = [connect(stage.port) for _ in range(10)]
        request = post_bytes(b"slow and steady")
        for position in range(8):  # few, since the head of a request has 10 s
            for connection in slow:
                connection.sendall(request[position : position + 1])
            begin = time.monotonic()
            assert post(stage.port, b"hi").status == 200
            # Nobody could be answered after the slow ones: they end only after this.
            assert time.monotonic() - begin < 15
        for connection in slow:
            connection.sendall(request[8:])
            # One at a time, because there is one worker and no room to wait.
            assert read_answer(connection).status == 200
            connection.close()


def test_idle_connections_lock_out_nobody_where_descriptors_run_out(tmp_path):
    """Where a process has no descriptor left, connections that wait for their clients end, and others are answered."""
    with running_stage(tmp_path) as stage, contextlib.ExitStack() as held:
        _, hard = resource.prlimit(stage.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(stage.process.pid, resource.RLIMIT_NOFILE, (64, hard))
        for number in range(120):
            idle = held.enter_context(connect(stage.port))
            idle.sendall(b"" if number % 2 else b"GET / HTTP/1.1\r\nHost: ")
        for _ in range(3):
            assert exchange(stage.port, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
            assert post(stage.port, b"hi").status == 200
        assert stage.stop() == 0
    assert (tmp_path / "stage.stderr").read_text() == ""


def test_a_refused_body_that_drips_is_not_read_for_ever(stage):
    """Whoever goes on sending a refused body, bit by bit, has the connection ended after a moment."""
    with connect(stage.port) as connection:
        connection.sendall(post_bytes(b"x" * (MAX_BODY + 1000))[: -MAX_BODY // 2])
        assert read_answer(connection).status == 413
        connection.setblocking(False)
        begin = time.monotonic()

        def ended() -> bool:
            try:
                connection.sendall(b"x" if time.monotonic() - begin < 20 else b"")
                return connection.recv(1) == b""
            except BlockingIOError:
                return False
            except OSError:
                return True

        wait_for(ended, "the end of the connection", 20)
    assert post(stage.port, b"hi").status == 200


@pytest.mark.parametrize(
    "request_bytes", [post_bytes(b""), b"POST /messages HTTP/1.1\r\nHost: x\r\n\r\n", CHUNKED + b"0\r\n\r\n"]
)
def test_an_empty_body_is_a_message(stage, request_bytes):
    """Of a declared length, without one, and in chunks: nothing is a body like any other."""
    answer = exchange(stage.port, request_bytes)
    assert answer.status == 200
    [line] = wait_for(lambda: lines_of(stage, answer.headers["x-message-id"]), "the log line")
    assert (line["outcome"], line["body_bytes"]) == ("delivered", 0)


def test_many_requests_on_one_connection(stage):
    """Requests sent in one go on one connection are answered one by one, in order, bad ones among them."""
    bodies = [b"one", b"", b"three", b"x" * (MAX_BODY + 1), b"five"]
    with connect(stage.port) as connection:
        connection.sendall(b"".join(post_bytes(body, f"X-Message-Id: m{n}") for n, body in enumerate(bodies)))
        with connection.makefile("rb") as file:
            statuses = []
            for _ in bodies:
                statuses.append(int(file.readline().split()[1]))
                length = 0
                while (line := file.readline().strip().lower()) != b"":
                    length = int(line.split(b":")[1]) if line.startswith(b"content-length") else length
                file.read(length)
    assert statuses == [200, 200, 200, 413, 200]


def drip(connection):
    read_request(connection)
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" * 100:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("behave", "status", "outcome"),
    [
        (answering(b"garbage that is not HTTP\r\n\r\n"), 502, "broken"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"), 502, "broken"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-"), 502, "broken"),
        (answering(b""), 502, "broken"),
        (answering(b"HTTP/1.1 500 Oh No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 502, "error_status"),
        (answering(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nConnection: close\r\n\r\n"), 502, "error_status"),
        (holding, 504, "timeout"),
        (drip, 504, "timeout"),
    ],
    ids=["garbage", "half-body", "half-headers", "nothing", "500", "redirect", "hangs", "drips"],
)
def test_a_downstream_that_fails_becomes_502_or_504(tmp_path, behave, status, outcome):
    """A downstream's failure is never answered with 200, is counted as failed, and does not hurt the next message."""
    patience = "500ms" if outcome == "timeout" else "15s"
    with misbehaving(behave) as port, running_stage(
        tmp_path, "--downstream", f"bad=http://127.0.0.1:{port}/x", "--timeout", patience
    ) as stage:  # fmt: skip
        begin = time.monotonic()
        answers = [post(stage.port, b"hi") for _ in range(2)]
        assert time.monotonic() - begin < 30  # they would hang and drip for minutes
        assert [answer.status for answer in answers] == [status, status]
        assert "bad" in answers[0].json()["detail"] and "injected" not in answers[0].json()
        assert stage.total("simulator_messages_total", outcome="failed") == 2
        name = "simulator_downstream_call_duration_seconds_count"
        assert stage.total(name, downstream="bad", outcome=outcome) == 2
        sent = wait_for(lambda: len(stage.events("message.sent")) == 2 and stage.events("message.sent"), "both lines")
        assert {line["outcome"] for line in sent} == {outcome}


def test_a_downstream_that_is_absent_becomes_502(tmp_path):
    """A refused connection is told apart from one that broke: the message was never seen there."""
    with nobody() as port, running_stage(tmp_path, "--downstream", f"http://127.0.0.1:{port}/x") as stage:
        assert post(stage.port, b"hi").status == 502
        name = "simulator_downstream_call_duration_seconds_count"
        assert stage.total(name, downstream="downstream", outcome="unreachable") == 1


def test_a_full_stage_answers_503_at_once(tmp_path):
    """With every worker busy and no room to wait, the answer is 503 with Retry-After, without waiting."""
    with running_stage(tmp_path, "--workers", "2", "--queue", "2", "--delay", "constant(6s)") as stage:
        inside = [connect(stage.port) for _ in range(4)]
        for connection in inside:
            connection.sendall(post_bytes(b"hi"))
        wait_for(lambda: stage.total("simulator_in_flight") == 4, "four messages inside")
        assert stage.total("simulator_queue_depth") == 2
        begin = time.monotonic()
        answer = post(stage.port, b"hi")
        assert time.monotonic() - begin < 5  # before any of them has left
        assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
        assert [read_answer(connection).status for connection in inside] == [200] * 4
        for connection in inside:
            connection.close()
        assert stage.total("simulator_messages_total", outcome="rejected") == 1
        assert stage.total("simulator_messages_total", outcome="delivered") == 4

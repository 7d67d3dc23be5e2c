"""Sending on: what goes over the wire, and what each answer means."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

import simulator
from simulator.engine.message import Due
from simulator.stage.travel import RunIdentity
from simulator.telemetry.record import Attempt, CallOutcome
from simulator.topology.headers import parse_headers
from tests.support.sending import OK, OUTGOING, answering, attempt_at, read_request, sending


def test_an_answer(serve):
    """A stage that answers 200 has taken the message, and the attempt took as long as it took."""
    times = iter((10.0, 11.0, 12.5))
    with serve(answering(OK)) as server, sending(server.downstream(), now=lambda: next(times)) as sender:
        assert sender.attempt() == Attempt(outcome=CallOutcome.OK, code=200, duration_seconds=2.5, retryable=False)


def test_the_request_on_the_wire(serve):
    """What goes over the wire is the message: its path, its headers and its body, in one piece and unchanged."""
    requests_read = []

    def behave(connection):
        requests_read.append(read_request(connection))
        connection.sendall(OK)

    body = bytes(range(256))
    with serve(behave) as server, sending(server.downstream()) as sender:
        sender.attempt(
            replace(
                OUTGOING,
                body=body,
                content_type="application/x-bytes",
                message_id="order/7",
                visit="00ff",
                due=Due(1_700_000_000.123456, None),
            )
        )
    head, _, sent = requests_read[0].partition(b"\r\n\r\n")
    request_line, *lines = head.decode().split("\r\n")
    assert request_line == "POST /messages HTTP/1.1"
    assert dict(line.split(": ", 1) for line in lines) == {
        "Host": f"127.0.0.1:{server.port}",
        "User-Agent": f"simulator/{simulator.__version__}",
        "Accept": "*/*",
        "Connection": "keep-alive",
        "Content-Length": "256",
        "Content-Type": "application/x-bytes",
        "X-Message-Id": "order/7",
        "X-Simulator-Caller": "parse",
        "X-Simulator-Visit": "00ff",
        "X-Simulator-Due": "1700000000.123456",
    }
    assert sent == body


def headers_sent(serve, outgoing, **options):
    """Send a message with a user and a password, and return the headers that arrive."""
    seen = []

    def behave(connection):
        seen.append(read_request(connection))
        connection.sendall(OK)

    with serve(behave) as server:
        downstream = replace(server.downstream(), authorizations={server.url: "Basic YW5uOg=="})
        with sending(downstream, **options) as sender:
            assert sender.attempt(outgoing).outcome is CallOutcome.OK
    lines = seen[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return [tuple(line.split(": ", 1)) for line in lines]


def test_a_user_and_a_password_on_the_wire(serve):
    """What came with the URL is sent as Authorization."""
    assert ("Authorization", "Basic YW5uOg==") in headers_sent(serve, OUTGOING)


def test_headers_of_a_call_on_the_wire(serve):
    """A call's headers are sent with the values of their variables, and stand for those of the same name."""
    headers = parse_headers({"authorization": "Bearer ${TOKEN}", "USER-AGENT": "mine", "X-Tenant": "acme"})
    sent = headers_sent(serve, replace(OUTGOING, headers=headers), variables={"TOKEN": "t0p"})
    named = {name.lower(): value for name, value in sent}
    assert (named["authorization"], named["user-agent"], named["x-tenant"]) == ("Bearer t0p", "mine", "acme")
    assert len(named) == len(sent)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_ok(serve, status):
    """Every status of success means that the message was taken."""
    attempt = attempt_at(serve, answering(b"HTTP/1.1 %d Fine\r\nContent-Length: 0\r\n\r\n" % status))
    assert (attempt.outcome, attempt.code, attempt.error) == (CallOutcome.OK, status, "")


@pytest.mark.parametrize("status", [300, 304, 400, 404, 413, 418, 429, 500, 502, 503, 599, 999])
def test_any_other_status_is_an_error_status(serve, status):
    """Every other status is reported with its code, and is not injected unless it says so."""
    attempt = attempt_at(serve, answering(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status))
    assert (attempt.outcome, attempt.code) == (CallOutcome.ERROR_STATUS, status)
    assert attempt.retryable is (500 <= status < 600 or status == 429)
    assert (attempt.injected, attempt.error) == (False, f"it answered {status}")


def test_an_injected_fault_is_known_by_its_header(serve):
    """An error status with the mark of a fault is an injected one."""
    text = b"HTTP/1.1 503 No\r\nX-Simulator-Injected: true\r\nContent-Length: 0\r\n\r\n"
    attempt = attempt_at(serve, answering(text))
    assert (attempt.outcome, attempt.code, attempt.injected) == (CallOutcome.ERROR_STATUS, 503, True)


@pytest.mark.parametrize("is_stage", [True, False])
def test_where_the_run_has_a_secret_only_its_stages_are_believed(serve, is_stage):
    """Another service can't have its own failure told as an injected one."""
    text = b"HTTP/1.1 503 No\r\nX-Simulator-Injected: true\r\nContent-Length: 0\r\n\r\n"
    identity = RunIdentity("s3cret", "clock")
    with serve(answering(text)) as server, sending(server.downstream(is_stage), identity=identity) as sender:
        assert sender.attempt().injected is is_stage


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(serve, status):
    """A redirection is an error status and leads nowhere: the message goes to the stage that was named alone."""
    seen = []

    def behave(connection):
        seen.append(read_request(connection)[:15])
        head = b"HTTP/1.1 %d Elsewhere\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n" % status
        connection.sendall(head)
        seen.append(read_request(connection)[:15])

    attempt = attempt_at(serve, behave)
    assert (attempt.outcome, attempt.code) == (CallOutcome.ERROR_STATUS, status)
    assert seen[:1] == [b"POST /messages "]
    assert b"".join(seen[1:]) == b""


def test_a_redirection_to_nowhere(serve):
    """A redirection whose location makes no sense is an error status like every other."""
    text = b"HTTP/1.1 302 Elsewhere\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n"
    attempt = attempt_at(serve, answering(text))
    assert (attempt.outcome, attempt.code) == (CallOutcome.ERROR_STATUS, 302)


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints\r\nLink: </a>"])
def test_an_interim_answer_is_not_the_answer(serve, interim):
    """A status 1xx comes before the answer and is not taken for it."""
    text = b"HTTP/1.1 " + interim + b"\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    attempt = attempt_at(serve, answering(text))
    assert (attempt.outcome, attempt.code) == (CallOutcome.ERROR_STATUS, 503)


@pytest.mark.parametrize("content_type", ["text/plain\r\nX-Evil: 1", "text/\u4444"])
def test_a_header_that_can_t_be_sent(serve, content_type):
    """A content type that can't stand in a header is recorded by the attempt, and no other header is smuggled in."""
    seen = []

    def behave(connection):
        seen.append(connection.recv(65536))

    with serve(behave) as server, sending(server.downstream()) as sender:
        attempt = sender.attempt(replace(OUTGOING, content_type=content_type))
    assert (attempt.outcome, attempt.code) == (CallOutcome.BROKEN, None)
    assert b"Evil" not in b"".join(seen)


def test_neither_proxies_nor_netrc_are_looked_up(serve, monkeypatch, tmp_path):
    """What the environment says of proxies and passwords is not meant for the stages of a topology."""
    seen = []

    def behave(connection):
        seen.append(read_request(connection))
        connection.sendall(OK)

    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serve(behave) as server, sending(server.downstream()) as sender:
        assert sender.attempt().outcome is CallOutcome.OK
    assert b"Authorization" not in seen[0]


def test_the_deadline_goes_along(serve):
    """A request with a deadline says in a header how many seconds are left, to the microsecond; another has no such."""
    seen = []

    def behave(connection):
        while request := read_request(connection):
            seen.append([line for line in request.split(b"\r\n") if b"Deadline" in line])
            connection.sendall(OK)

    with serve(behave) as server, sending(server.downstream()) as sender:
        for left in (None, 2.5, 0.0000014, 1e6):
            sender.attempt(replace(OUTGOING, deadline_seconds=left))
    assert seen == [
        [],
        [b"X-Simulator-Deadline: 2.500000"],
        [b"X-Simulator-Deadline: 0.000001"],
        [b"X-Simulator-Deadline: 1000000.000000"],
    ]


def test_a_try_knows_its_number(serve):
    """The attempt has the number of its request."""
    with serve(answering(OK)) as server, sending(server.downstream()) as sender:
        assert sender.attempt(replace(OUTGOING, attempt=4)).number == 4


@pytest.mark.parametrize(("is_stage", "told"), [(True, "s3cret"), (False, None)])
def test_the_secret_of_the_run_is_told_to_stages_alone(serve, is_stage, told):
    """A stage of the same topology gets it with each message, an external service never does."""
    heads = []

    def behave(connection):
        heads.append(read_request(connection))
        connection.sendall(OK)

    with (
        serve(behave) as server,
        sending(server.downstream(is_stage), identity=RunIdentity("s3cret", "c1")) as sender,
    ):
        sender.attempt()
    lines = heads[0].decode().lower().split("\r\n")
    assert [line for line in lines if "s3cret" in line] == ([] if told is None else ["x-simulator-secret: s3cret"])


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (OK, 200, ""),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503, "503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", None, "broken"),
        (b"", None, "broken"),
    ],
)
def test_each_request_is_told_when_it_has_ended(serve, answer, status, error):
    """Its method, the instance's address, the status of a whole answer, and error.type by the conventions."""
    seen = []

    def behave(connection):
        read_request(connection)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    def on_request(request, address, error, seconds):
        seen.append((request.method, address, request.status, error))
        assert seconds > 0

    with serve(behave) as server, sending(server.downstream(), on_request=on_request) as sender:
        sender.attempt()
        (url,) = server.downstream().urls
    assert seen == [("POST", url, status, error)]


def test_a_request_that_nobody_takes_is_told(serve):
    """Where nothing listens there is no status, and the error is what became of the attempt."""
    seen = []
    with serve(answering(OK)) as server:
        downstream = server.downstream()
    with sending(downstream, on_request=lambda request, *told: seen.append((request.status, told[1]))) as sender:
        sender.attempt()
    assert seen == [(None, "unreachable")]

"""Sending on, against servers that misbehave in every way that a network knows.

That a call ends when its time is up although bytes keep dripping in is the work of the time limit that a stage process
hands over; here a limit of the test's own stands for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import threading
import time
from dataclasses import replace

import pytest

from simulator.stage import downstream
from simulator.stage.downstream import Parcel, Sender, TooSlow, is_on_purpose
from simulator.stage.injections import Injections
from simulator.stage.transport import LeanAdapter
from simulator.telemetry.record import Attempt, CallOutcome
from simulator.topology.settings import Downstream

PARCEL = Parcel(b'{"n": 1}', "application/json", "m-1", "0", 1_700_000_000.5)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BRIEF_SECONDS = 0.3
LONG_SECONDS = 20.0


@contextlib.contextmanager
def sending(*downstreams, **options):
    sender = Sender("parse", downstreams, 4, time.monotonic, **options)
    try:
        yield sender
    finally:
        sender.close()


def read_request(connection):
    """Read one request, head and body; b"" where the connection ends before it."""
    text = b""
    while b"\r\n\r\n" not in text:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        text += chunk
    head, _, body = text.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(text, then=lambda connection: connection.shutdown(socket.SHUT_RDWR)):
    """Answer one request with these bytes and hang up."""

    def behave(connection):
        if read_request(connection):
            connection.sendall(text)
            then(connection)

    return behave


def holding(connection):
    """Keep the connection open until the other side lets go of it."""
    while connection.recv(65536):
        pass


def attempt_at(serve, behave, timeout_seconds=20.0, **options):
    with serve(behave) as server, sending(server.downstream(), **options) as sender:
        return sender.attempt("enrich", PARCEL, timeout_seconds)


def test_an_answer(serve):
    """A stage that answers 200 has taken the message, and the try took as long as it took."""
    times = iter((10.0, 12.5))
    with serve(answering(OK)) as server:
        sender = Sender("parse", [server.downstream()], 4, lambda: next(times))
        assert sender.attempt("enrich", PARCEL, LONG_SECONDS) == Attempt(CallOutcome.OK, 200, 2.5)
        sender.close()


def test_the_request_on_the_wire(serve):
    """What goes over the wire is the message: its path, its headers and its body, in one piece and unchanged."""
    requests_read = []

    def behave(connection):
        requests_read.append(read_request(connection))
        connection.sendall(OK)

    body = bytes(range(256))
    with serve(behave) as server, sending(server.downstream()) as sender:
        sender.attempt(
            "enrich", Parcel(body, "application/x-bytes", "order/7", "00ff", 1_700_000_000.123456), LONG_SECONDS
        )
    head, _, sent = requests_read[0].partition(b"\r\n\r\n")
    request_line, *lines = head.decode().split("\r\n")
    assert request_line == "POST /messages HTTP/1.1"
    assert dict(line.split(": ", 1) for line in lines) == {
        "Host": f"127.0.0.1:{server.port}",
        "User-Agent": "simulator/0.1.0",
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


def test_nobody_there():
    """Where nobody listens the try is unreachable: the other side has not seen the message."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with sending(Downstream("enrich", (f"http://127.0.0.1:{port}/messages",))) as sender:
        attempt = sender.attempt("enrich", PARCEL, LONG_SECONDS)
    assert (attempt.outcome, attempt.code) == (CallOutcome.UNREACHABLE, None)
    assert "Connection refused" in attempt.error


def test_a_name_that_nobody_knows():
    """A host whose name can't be resolved is unreachable too."""
    with sending(Downstream("enrich", ("http://enrich.invalid/messages",))) as sender:
        attempt = sender.attempt("enrich", PARCEL, LONG_SECONDS)
    assert (attempt.outcome, attempt.code) == (CallOutcome.UNREACHABLE, None)
    assert attempt.error


def test_a_server_that_never_answers(serve):
    """A stage that takes the message and hangs is given up after the timeout, neither sooner nor much later."""
    attempt = attempt_at(serve, holding, BRIEF_SECONDS)
    assert (attempt.outcome, attempt.code) == (CallOutcome.TIMEOUT, None)
    assert attempt.error == "no answer within 0.3 s"
    assert BRIEF_SECONDS <= attempt.duration_seconds < 5


def test_a_server_that_does_not_even_accept():
    """Where no connection comes about within the timeout the try is unreachable: nobody has seen the message."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as clients:
        for _ in range(4):  # more than the room that the system keeps for connections not accepted yet
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        with sending(Downstream("enrich", (f"http://127.0.0.1:{port}/messages",))) as sender:
            attempt = sender.attempt("enrich", PARCEL, BRIEF_SECONDS)
    assert (attempt.outcome, attempt.code) == (CallOutcome.UNREACHABLE, None)
    assert BRIEF_SECONDS <= attempt.duration_seconds < 5


def test_a_server_that_stalls_in_the_middle_of_its_answer(serve):
    """An answer that stops coming is a timeout, as one that does not begin is."""
    stalling = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", then=holding)
    attempt = attempt_at(serve, stalling, BRIEF_SECONDS)
    assert (attempt.outcome, attempt.code) == (CallOutcome.TIMEOUT, None)


@contextlib.contextmanager
def striking(seconds):
    """Raise TooSlow in this thread when the time is up, as the time limit of a stage process does in its greenlet."""
    thread = ctypes.c_ulong(threading.get_ident())
    strike = ctypes.pythonapi.PyThreadState_SetAsyncExc
    timer = threading.Timer(seconds, strike, (thread, ctypes.py_object(TooSlow)))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def test_an_answer_that_drips(serve):
    """An answer of one byte at a time, each well within the timeout, is broken off when the time limit strikes."""
    gone = threading.Event()

    def dripping(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            while not gone.wait(0.01):
                connection.sendall(b"x")
        except OSError:
            gone.set()

    with serve(dripping) as server, sending(server.downstream(), time_limit=striking) as sender:
        attempt = sender.attempt("enrich", PARCEL, BRIEF_SECONDS)
        assert (attempt.outcome, attempt.code, attempt.error) == (CallOutcome.TIMEOUT, None, "no answer within 0.3 s")
        assert BRIEF_SECONDS <= attempt.duration_seconds < 5
        assert gone.wait(20)  # the connection is given up, not left to drip on


def test_the_time_limit_gets_past_everything(serve):
    """The error of the time limit is swallowed by no `except Exception` on its way."""

    @contextlib.contextmanager
    def limit(seconds):
        raise TooSlow
        yield

    assert not issubclass(TooSlow, Exception)
    assert attempt_at(serve, answering(OK), time_limit=limit).outcome is CallOutcome.TIMEOUT


@pytest.mark.parametrize(
    "text",
    [
        b"\x00\xffgarbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99999 Odd\r\n\r\n",
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
    ],
    ids=lambda text: text[:70].decode("latin-1"),
)
def test_what_is_no_whole_answer_is_broken(serve, text):
    """Garbage, nothing at all, or an answer that ends too soon: the connection broke, and nothing is raised."""
    attempt = attempt_at(serve, answering(text))
    assert (attempt.outcome, attempt.code, attempt.injected) == (CallOutcome.BROKEN, None, False)
    assert attempt.error


def test_the_error_is_short_however_long_the_garbage(serve):
    """What the other side sends instead of an answer can't make the error longer than 500 characters."""
    attempt = attempt_at(serve, answering(b"x" * 60_000 + b"\r\n\r\n"))
    assert attempt.outcome is CallOutcome.BROKEN
    assert len(attempt.error) <= 500


@pytest.mark.parametrize(
    "text",
    [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Ty", b"HTTP/1.1 200 OK\r\nServer: x\r\n"],
    ids=lambda text: text.decode(),
)
def test_half_a_head_is_broken(serve, text):
    """An answer that ends before the empty line of its head is no answer, whatever status it began with."""
    attempt = attempt_at(serve, answering(text))
    assert (attempt.outcome, attempt.code) == (CallOutcome.BROKEN, None)


def test_a_reset_is_broken(serve):
    """A connection that is reset after the message was sent is broken: the other side may have seen the message."""

    def resetting(connection):
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.close()

    attempt = attempt_at(serve, resetting)
    assert (attempt.outcome, attempt.code) == (CallOutcome.BROKEN, None)
    assert "reset" in attempt.error.lower()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_ok(serve, status):
    """Every status of success means that the message was taken."""
    attempt = attempt_at(serve, answering(b"HTTP/1.1 %d Fine\r\nContent-Length: 0\r\n\r\n" % status))
    assert (attempt.outcome, attempt.code, attempt.error) == (CallOutcome.OK, status, "")


@pytest.mark.parametrize("status", [300, 304, 400, 404, 413, 418, 500, 502, 503, 599, 999])
def test_any_other_status_is_an_error_status(serve, status):
    """Every other status is told with its code, and is not injected unless it says so."""
    attempt = attempt_at(serve, answering(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status))
    assert (attempt.outcome, attempt.code) == (CallOutcome.ERROR_STATUS, status)
    assert (attempt.injected, attempt.error) == (False, f"it answered {status}")


def test_an_injected_fault_is_known_by_its_header(serve):
    """An error status with the mark of a fault is an injected one."""
    text = b"HTTP/1.1 503 No\r\nX-Simulator-Injected: true\r\nContent-Length: 0\r\n\r\n"
    attempt = attempt_at(serve, answering(text))
    assert (attempt.outcome, attempt.code, attempt.injected) == (CallOutcome.ERROR_STATUS, 503, True)


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


def endless(head, more, sent):
    """Answer with a head and then with more and more, as far as the other side will read."""

    def behave(connection):
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        connection.sendall(head)
        with contextlib.suppress(OSError):
            for _ in range(512):
                connection.sendall(more)
                sent.append(len(more))
            connection.shutdown(socket.SHUT_RDWR)

    return behave


@pytest.mark.parametrize("status", [b"200 OK", b"500 No", b"302 Elsewhere\r\nLocation: /elsewhere"])
def test_an_endless_answer_is_broken_off(serve, status):
    """An answer that does not end is read for a megabyte and then broken off, whatever its status."""
    sent = []
    head = b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n"
    attempt = attempt_at(serve, endless(head, b"x" * 65536, sent))
    assert (attempt.outcome, attempt.code) == (CallOutcome.BROKEN, None)
    assert attempt.error == "the answer is longer than 1048576 bytes"
    assert 2**20 - 2**19 < sum(sent) < 16 * 2**20


@pytest.mark.parametrize(
    "more", [b"X-Many: x\r\n" * 6000, b"\r\nHTTP/1.1 103 Early Hints\r\n" * 2000], ids=["headers", "interim answers"]
)
def test_an_endless_head_is_broken_off(serve, more):
    """An answer whose head does not end is broken off after a megabyte as well."""
    sent = []
    attempt = attempt_at(serve, endless(b"HTTP/1.1 103 Early Hints\r\n", more, sent))
    assert (attempt.outcome, attempt.code) == (CallOutcome.BROKEN, None)
    assert sum(sent) < 16 * 2**20


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints\r\nLink: </a>"])
def test_an_interim_answer_is_not_the_answer(serve, interim):
    """A status 1xx comes before the answer and is not taken for it."""
    text = b"HTTP/1.1 " + interim + b"\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    attempt = attempt_at(serve, answering(text))
    assert (attempt.outcome, attempt.code) == (CallOutcome.ERROR_STATUS, 503)


def test_another_protocol_is_no_answer(serve):
    """A server that switches to another protocol, which nobody asked for, has not answered; nothing is raised."""
    text = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    attempt = attempt_at(serve, answering(text))
    assert attempt.outcome is not CallOutcome.OK


@pytest.mark.parametrize("more", [b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", b"garbage"])
def test_what_comes_after_the_answer_changes_nothing(serve, more):
    """The first answer counts, and what a server sends beyond it is neither this call's answer nor the next one's."""

    def talkative(connection):
        while read_request(connection):
            connection.sendall(OK + more)

    with serve(talkative) as server, sending(server.downstream()) as sender:
        assert [sender.attempt("enrich", PARCEL, LONG_SECONDS).code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("content_type", ["text/plain\r\nX-Evil: 1", "text/\u4444"])
def test_a_header_that_can_t_be_sent(serve, content_type):
    """A content type that can't stand in a header is told by the attempt, and no other header is smuggled in."""
    seen = []

    def behave(connection):
        seen.append(connection.recv(65536))

    with serve(behave) as server, sending(server.downstream()) as sender:
        attempt = sender.attempt("enrich", Parcel(b"x", content_type, "m-1", "0", 0.0), LONG_SECONDS)
    assert (attempt.outcome, attempt.code) == (CallOutcome.BROKEN, None)
    assert b"Evil" not in b"".join(seen)


def echoing(connection):
    while read_request(connection):
        connection.sendall(OK)


def test_connections_are_used_again(serve):
    """A hundred calls one after the other go over a single connection."""
    with serve(echoing) as server, sending(server.downstream()) as sender:
        outcomes = {sender.attempt("enrich", PARCEL, LONG_SECONDS).outcome for _ in range(100)}
        assert outcomes == {CallOutcome.OK}
        assert len(server.accepted) == 1


def test_an_error_s_connection_is_used_again(serve):
    """An answer with an error status leaves its connection fit for the next call."""

    def refusing(connection):
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nsorry")

    with serve(refusing) as server, sending(server.downstream()) as sender:
        assert {sender.attempt("enrich", PARCEL, LONG_SECONDS).code for _ in range(20)} == {503}
        assert len(server.accepted) == 1


def test_a_connection_that_was_closed_while_idle_is_replaced(serve):
    """When the server has closed an idle connection the next call takes a new one and works."""
    closed = threading.Semaphore(0)

    def closing(connection):
        if read_request(connection):
            connection.sendall(OK)
            connection.shutdown(socket.SHUT_RDWR)
            closed.release()

    with serve(closing) as server, sending(server.downstream()) as sender:
        for _ in range(10):
            assert sender.attempt("enrich", PARCEL, LONG_SECONDS).outcome is CallOutcome.OK
            assert closed.acquire(timeout=20)
        assert len(server.accepted) == 10


def test_connections_that_nobody_needs_any_more_are_closed(serve):
    """After a burst the connections that it took end, while the one in use stays."""
    now = [0.0]

    def answering_all(connection):
        while read_request(connection):
            connection.sendall(OK)
        ended.release()

    ended = threading.Semaphore(0)
    adapter = LeanAdapter(4, 1000, monotonic=lambda: now[0])
    with serve(answering_all) as server, sending(server.downstream(), adapter=adapter) as sender:
        together = threading.Barrier(3)
        real_send = adapter.send

        def send_together(*arguments, **options):
            together.wait(20)
            return real_send(*arguments, **options)

        adapter.send = send_together
        burst = [threading.Thread(target=sender.attempt, args=("enrich", PARCEL, LONG_SECONDS)) for _ in range(3)]
        for thread in burst:
            thread.start()
        for thread in burst:
            thread.join()
        adapter.send = real_send
        before = len(server.accepted)
        for now[0] in (4.0, 8.0):
            assert sender.attempt("enrich", PARCEL, LONG_SECONDS).outcome is CallOutcome.OK
        for _ in range(before - 1):
            assert ended.acquire(timeout=20)
        assert not ended.acquire(blocking=False)
        assert sender.attempt("enrich", PARCEL, LONG_SECONDS).outcome is CallOutcome.OK
        assert len(server.accepted) == before


def test_after_a_timeout_no_late_answer_is_taken_for_another(serve):
    """An answer that comes after its call was given up is never taken for that of the next call."""
    given_up = threading.Event()

    def late(connection):
        if b"X-Message-Id: slow" in read_request(connection):
            given_up.wait(20)
            connection.sendall(b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n")
        else:
            connection.sendall(OK)

    with serve(late) as server, sending(server.downstream()) as sender:
        slow = Parcel(b"x", "text/plain", "slow", "0", 0.0)
        assert sender.attempt("enrich", slow, BRIEF_SECONDS).outcome is CallOutcome.TIMEOUT
        given_up.set()
        assert sender.attempt("enrich", PARCEL, LONG_SECONDS).outcome is CallOutcome.OK


def test_calls_at_once_each_have_their_connection(serve):
    """Four calls at once get four connections and each its own answer; four more use the same ones again."""
    together = threading.Barrier(4)

    def answering_together(connection):
        while request := read_request(connection):
            together.wait(20)
            number = int(request.partition(b"X-Message-Id: m-")[2].split(b"\r\n")[0])
            connection.sendall(b"HTTP/1.1 %d Fine\r\nContent-Length: 0\r\n\r\n" % (200 + number))

    codes = {}
    with serve(answering_together) as server, sending(server.downstream()) as sender:

        def call(number):
            codes[number] = sender.attempt(
                "enrich", Parcel(b"x", "text/plain", f"m-{number}", "0", 0.0), LONG_SECONDS
            ).code

        for first in (0, 4):
            threads = [threading.Thread(target=call, args=(first + number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
        assert codes == {number: 200 + number for number in range(8)}
        assert len(server.accepted) == 4


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
        assert sender.attempt("enrich", PARCEL, LONG_SECONDS).outcome is CallOutcome.OK
    assert b"Authorization" not in seen[0]


def test_each_try_has_its_own_timeout(serve):
    """A try is given up after its own timeout, also on a connection that another one has used."""
    with serve(answering(OK, then=holding)) as server, sending(server.downstream()) as sender:
        assert sender.attempt("enrich", PARCEL, LONG_SECONDS).outcome is CallOutcome.OK
        assert BRIEF_SECONDS <= sender.attempt("enrich", PARCEL, BRIEF_SECONDS).duration_seconds < 3 * BRIEF_SECONDS
        assert sender.attempt("enrich", PARCEL, LONG_SECONDS).outcome is CallOutcome.OK
        assert sender.attempt("enrich", PARCEL, 3 * BRIEF_SECONDS).duration_seconds >= 3 * BRIEF_SECONDS
        assert len(server.accepted) == 2


def test_the_deadline_goes_along(serve):
    """A parcel with a deadline says in a header how many seconds are left, to the microsecond; another has no such."""
    seen = []

    def behave(connection):
        while request := read_request(connection):
            seen.append([line for line in request.split(b"\r\n") if b"Deadline" in line])
            connection.sendall(OK)

    with serve(behave) as server, sending(server.downstream()) as sender:
        for left in (None, 2.5, 0.0000014, 1e6):
            sender.attempt("enrich", replace(PARCEL, deadline_seconds=left), LONG_SECONDS)
    assert seen == [
        [],
        [b"X-Simulator-Deadline: 2.500000"],
        [b"X-Simulator-Deadline: 0.000001"],
        [b"X-Simulator-Deadline: 1000000.000000"],
    ]


def test_a_try_knows_its_number(serve):
    """The attempt bears the number of its parcel."""
    with serve(answering(OK)) as server, sending(server.downstream()) as sender:
        assert sender.attempt("enrich", replace(PARCEL, attempt=4), LONG_SECONDS).number == 4


def nowhere():
    """Give a URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/messages"


def test_instances_on_the_wire(serve):
    """Of two instances of which one is not there each try that finds it gone passes it over for the next ones."""
    gone, heard = nowhere(), []
    with serve(echoing) as server:
        instances = Downstream("enrich", (gone, server.url))
        with sending(instances, on_ejection=lambda *what: heard.append(what)) as sender:
            assert sender.has_another("enrich")
            outcomes = [sender.attempt("enrich", PARCEL, LONG_SECONDS).outcome for _ in range(4)]
            assert sender.has_another("enrich")
    assert outcomes == [CallOutcome.UNREACHABLE, *[CallOutcome.OK] * 3]
    assert heard == [("enrich", gone, True)]


def test_nobody_else_is_left():
    """A stage of one instance has no other one, whether or not it can be reached."""
    with sending(Downstream("enrich", (nowhere(),))) as sender:
        assert not sender.has_another("enrich")
        sender.attempt("enrich", PARCEL, LONG_SECONDS)
        assert not sender.has_another("enrich")


def telling(status, asked):
    """Hang up on messages, and answer the question whether that was on purpose with a status."""

    def behave(connection):
        request = read_head(connection)
        if request.startswith(b"GET"):
            asked.append(request.split(b" ")[1].decode())
            connection.sendall(b"HTTP/1.1 %d Word\r\nContent-Length: 0\r\n\r\n" % status)
        connection.shutdown(socket.SHUT_RDWR)

    return behave


def read_head(connection):
    text = b""
    while b"\r\n\r\n" not in text and (chunk := connection.recv(65536)):
        text += chunk
    return text


@pytest.mark.parametrize(("status", "injected"), [(200, True), (404, False), (500, False)])
def test_who_gave_no_answer_is_asked_whether_on_purpose(serve, status, injected):
    """A stage of ours that broke the connection is asked about the very visit, and its word is the attempt's."""
    asked = []
    with serve(telling(status, asked)) as server, sending(server.downstream(is_stage=True)) as sender:
        attempt = sender.attempt("enrich", replace(PARCEL, visit="00ff", message_id="order/7"), LONG_SECONDS)
    assert (attempt.outcome, attempt.injected) == (CallOutcome.BROKEN, injected)
    assert asked == ["/injected?message_id=order%2F7&visit=00ff"]


def test_who_is_too_slow_is_asked_too(serve):
    """A stage of ours that does not answer in time is asked as well, over a connection of its own."""
    asked = []

    def behave(connection):
        request = read_head(connection)
        if request.startswith(b"GET"):
            asked.append(request)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        else:
            holding(connection)

    with serve(behave) as server, sending(server.downstream(is_stage=True)) as sender:
        attempt = sender.attempt("enrich", PARCEL, BRIEF_SECONDS)
    assert (attempt.outcome, attempt.injected, len(asked)) == (CallOutcome.TIMEOUT, True, 1)


@pytest.mark.parametrize("is_stage", [True, False])
@pytest.mark.parametrize(
    "text", [OK, b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"]
)
def test_who_answered_is_not_asked(serve, monkeypatch, text, is_stage):
    """An answer says itself whether it was on purpose, so nobody asks."""
    monkeypatch.setattr(downstream, "is_on_purpose", lambda *_: pytest.fail("nobody is to be asked"))
    with serve(answering(text)) as server, sending(server.downstream(is_stage)) as sender:
        assert sender.attempt("enrich", PARCEL, LONG_SECONDS).injected is False


@pytest.mark.parametrize("url", ["stranger", "nobody"])
def test_who_can_t_know_is_not_asked(serve, monkeypatch, url):
    """Neither a stranger, which knows nothing of our faults, nor whoever can't be reached is asked."""
    monkeypatch.setattr(downstream, "is_on_purpose", lambda *_: pytest.fail("nobody is to be asked"))
    with serve(answering(b"")) as server:
        target = server.downstream() if url == "stranger" else Downstream("enrich", (nowhere(),), True)
        with sending(target) as sender:
            assert sender.attempt("enrich", PARCEL, LONG_SECONDS).injected is False


@pytest.mark.parametrize("text", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_a_stage_that_is_mute_means_no(serve, text):
    """Whoever does not answer the question sensibly is taken not to have failed on purpose; nothing is raised."""

    def behave(connection):
        read_head(connection)
        connection.sendall(text)
        connection.shutdown(socket.SHUT_RDWR)

    with serve(behave) as server:
        assert is_on_purpose(server.url, "m-1", "0") is False
    assert is_on_purpose(nowhere(), "m-1", "0") is False


def test_a_stage_that_keeps_silent_means_no(serve, monkeypatch):
    """The question is given up after a while."""
    monkeypatch.setattr(downstream, "_ASK_SECONDS", 0.05)
    with serve(holding) as server:
        assert is_on_purpose(server.url, "m-1", "0") is False


def test_what_is_under_way_is_known(serve):
    """While a message is sent on it is known where to and as which visit, and afterwards it is not."""
    injections, seen = Injections(), []

    def behave(connection):
        read_request(connection)
        injections.is_on_purpose("m-1", "0a", lambda *question: seen.append(question))
        connection.sendall(OK)

    parcel = replace(PARCEL, visit="0b", from_visit="0a")
    with serve(behave) as server, sending(server.downstream(), injections=injections) as sender:
        sender.attempt("enrich", parcel, LONG_SECONDS)
        assert seen == [(server.url, "m-1", "0b")]
        assert not injections.is_on_purpose("m-1", "0a", lambda *_: pytest.fail("nobody is to be asked"))

"""Sending on over connections that are kept, used again, and never mistaken for each other."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest
import requests

from simulator.engine.sender import CONNECT_SECONDS
from simulator.stage import transport
from simulator.stage.connection import connect
from simulator.stage.transport import LeanAdapter
from simulator.telemetry.record import CallOutcome
from simulator.topology.addresses import Route
from simulator.topology.model import Method
from simulator.topology.settings import Downstream
from tests.support.sending import (
    BRIEF_SECONDS,
    OK,
    OUTGOING,
    answering,
    echoing,
    holding,
    nowhere,
    read_request,
    sending,
)


@pytest.mark.parametrize("more", [b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", b"garbage"])
def test_what_comes_after_the_answer_changes_nothing(serve, more):
    """The first answer counts, and what a server sends beyond it is neither this call's answer nor the next one's."""

    def talkative(connection):
        while read_request(connection):
            connection.sendall(OK + more)

    with serve(talkative) as server, sending(server.downstream()) as sender:
        assert [sender.attempt().code for _ in range(3)] == [200, 200, 200]


def test_connections_are_used_again(serve):
    """A hundred calls one after the other go over a single connection."""
    with serve(echoing) as server, sending(server.downstream()) as sender:
        outcomes = {sender.attempt().outcome for _ in range(100)}
        assert outcomes == {CallOutcome.OK}
        assert len(server.accepted) == 1


def test_each_message_may_have_a_path_of_its_own(serve, monkeypatch):
    """Addresses are remembered within a bound, and however many there are, each request goes to its own."""
    monkeypatch.setattr(transport, "_MAX_TARGETS", 8)
    asked, adapter = [], LeanAdapter(4)

    def behave(connection):
        while text := read_request(connection):
            asked.append(text.split(b" ", 2)[1].decode())
            connection.sendall(OK)

    with serve(behave) as server:
        routes = {"read": Route(Method.PUT, "/carts/{id}")}
        downstream = Downstream("enrich", (server.url.removesuffix("/messages"),), routes=routes)
        with sending(downstream, adapter=adapter) as sender:
            numbers = [*range(40), *range(5), *range(40)]
            for number in numbers:
                outgoing = replace(OUTGOING, operation="read", message_id=f"m/{number}")
                assert sender.attempt(outgoing).outcome is CallOutcome.OK
                assert len(adapter._targets) <= 8
        assert len(server.accepted) == 1
    assert asked == [f"/carts/m%2F{number}" for number in numbers]


def test_a_connection_in_use_is_replaced_at_its_age(serve):
    """A call a second: each connection is used for ten, so that a server that is added gets its part."""
    now = [0.0]
    adapter = LeanAdapter(4, monotonic=lambda: now[0])
    with serve(echoing) as server, sending(server.downstream(), adapter=adapter) as sender:
        accepted = []
        for now[0] in range(33):
            assert sender.attempt().outcome is CallOutcome.OK
            accepted.append(len(server.accepted))
    assert accepted == [1] * 11 + [2] * 11 + [3] * 11


def test_an_error_s_connection_is_used_again(serve):
    """An answer with an error status leaves its connection fit for the next call."""

    def refusing(connection):
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nsorry")

    with serve(refusing) as server, sending(server.downstream()) as sender:
        assert {sender.attempt().code for _ in range(20)} == {503}
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
            assert sender.attempt().outcome is CallOutcome.OK
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
    adapter = LeanAdapter(4, monotonic=lambda: now[0])
    with serve(answering_all) as server, sending(server.downstream(), adapter=adapter) as sender:
        together = threading.Barrier(3)
        real_send = adapter.send

        def send_together(*arguments, **options):
            together.wait(20)
            return real_send(*arguments, **options)

        adapter.send = send_together
        burst = [threading.Thread(target=sender.attempt) for _ in range(3)]
        for thread in burst:
            thread.start()
        for thread in burst:
            thread.join()
        adapter.send = real_send
        before = len(server.accepted)
        for now[0] in (4.0, 8.0):
            assert sender.attempt().outcome is CallOutcome.OK
        for _ in range(before - 1):
            assert ended.acquire(timeout=20)
        assert not ended.acquire(blocking=False)
        assert sender.attempt().outcome is CallOutcome.OK
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
        slow = replace(OUTGOING, message_id="slow")
        assert sender.attempt(slow, BRIEF_SECONDS).outcome is CallOutcome.TIMEOUT
        given_up.set()
        assert sender.attempt().outcome is CallOutcome.OK


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
            codes[number] = sender.attempt(replace(OUTGOING, message_id=f"m-{number}")).code

        for first in (0, 4):
            threads = [threading.Thread(target=call, args=(first + number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
        assert codes == {number: 200 + number for number in range(8)}
        assert len(server.accepted) == 4


def test_each_try_has_its_own_timeout(serve):
    """An attempt is given up after its own timeout, also on a connection that another one has used."""
    with serve(answering(OK, then=holding)) as server, sending(server.downstream()) as sender:
        assert sender.attempt().outcome is CallOutcome.OK
        assert BRIEF_SECONDS <= sender.attempt(OUTGOING, BRIEF_SECONDS).duration_seconds < 3 * BRIEF_SECONDS
        assert sender.attempt().outcome is CallOutcome.OK
        assert sender.attempt(OUTGOING, 3 * BRIEF_SECONDS).duration_seconds >= 3 * BRIEF_SECONDS
        assert len(server.accepted) == 2


def test_instances_on_the_wire(serve):
    """Of two instances of which one is not there each attempt that finds it gone passes it over for the next ones."""
    gone, heard = nowhere(), []
    with serve(echoing) as server:
        instances = Downstream("enrich", (gone, server.url))
        with sending(instances, on_ejection=lambda *what: heard.append(what)) as sender:
            outcomes = [sender.attempt().outcome for _ in range(4)]
    assert outcomes == [CallOutcome.UNREACHABLE, *[CallOutcome.OK] * 3]
    assert heard == [("enrich", gone, True)]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_in_numbers_is_not_looked_up(monkeypatch, host):
    """No resolver is asked for an address in numbers, which under gevent would take a thread for each connection."""
    try:
        listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError:
        pytest.skip(f"there is no {host} here")
    monkeypatch.setattr(socket, "getaddrinfo", None)
    with listener, connect((host, listener.getsockname()[1]), 5.0) as connection:
        assert connection.getpeername()[:2] == listener.getsockname()[:2]
        assert connection.gettimeout() == 5.0
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_name_is_looked_up_and_a_refusal_is_an_error():
    """A name leads where it leads, and where nobody listens there is an error and no open socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connect(("localhost", port), 5.0).close()
    with pytest.raises(ConnectionRefusedError):
        connect(("127.0.0.1", port), 5.0)


def test_each_address_of_a_name_is_tried():
    """Where the first address of a name refuses, the next one may not; and the last one's error counts."""
    gone = (socket.AF_INET, ("127.0.0.1", requests.utils.urlparse(nowhere()).port))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        there = (socket.AF_INET, listener.getsockname())
        for found in ([gone, there], [there, gone]):
            with connect(("name", 1), 5.0, lambda host, port, found=found: found) as connection:
                assert connection.getpeername() == listener.getsockname()
    with pytest.raises(ConnectionRefusedError):
        connect(("name", 1), 5.0, lambda host, port: [gone, gone])


@pytest.mark.parametrize(
    ("instances", "timeout_seconds", "connect_seconds"), [(1, 30.0, 30.0), (2, 30.0, CONNECT_SECONDS), (2, 0.3, 0.3)]
)
def test_one_of_several_instances_has_less_time_to_connect(instances, timeout_seconds, connect_seconds):
    """Where another instance may answer, five seconds are enough to connect; a single one has the whole timeout."""
    asked = []

    def refuse(address, seconds):
        asked.append(seconds)
        raise ConnectionRefusedError

    downstream = Downstream("enrich", tuple(f"http://enrich-{number}/messages" for number in range(instances)))
    with sending(downstream, adapter=LeanAdapter(4, connect=refuse)) as sender:
        sender.attempt(OUTGOING, timeout_seconds)
    assert asked == [connect_seconds]

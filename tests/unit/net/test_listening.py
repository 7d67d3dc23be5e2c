"""Listening sockets, or one line that says why there is none."""

from __future__ import annotations

import contextlib
import socket

import pytest

from simulator.errors import StartError
from simulator.net.listening import listen, listen_in_a_row


def test_port_0_is_any_that_is_free():
    """Port 0 gives a port of the system's choice, on which a client can connect at once."""
    with contextlib.closing(listen("127.0.0.1", 0, "stage parse")) as listener:
        host, port = listener.getsockname()
        assert host == "127.0.0.1" and port > 0
        with socket.create_connection((host, port), timeout=10):
            pass


def test_accepted_connections_do_not_wait():
    """A connection that is accepted sends small answers at once, with Nagle's algorithm off."""
    with contextlib.closing(listen("127.0.0.1", 0, "stage parse")) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=10)
        accepted, _ = listener.accept()
        with client, accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_use_is_named():
    """A port that another process has is reported with the stage, the port, the host and the reason."""
    with contextlib.closing(listen("127.0.0.1", 0, "stage parse")) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(StartError) as raised:
            listen("127.0.0.1", port, "stage enrich")
    assert str(raised.value) == f"stage enrich: port {port} on 127.0.0.1 can't be used: Address already in use"


def test_a_port_can_be_had_again_at_once():
    """A port that was just let go, with a connection still in its last state, can be listened on again."""
    first = listen("127.0.0.1", 0, "stage parse")
    port = first.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    accepted, _ = first.accept()
    accepted.close()  # the side that closes first keeps the address in TIME_WAIT
    client.close()
    first.close()
    listen("127.0.0.1", port, "stage parse").close()


def test_many_connections_may_wait_to_be_accepted():
    """Hundreds of clients can connect before the stage has accepted the first."""
    with contextlib.closing(listen("127.0.0.1", 0, "stage parse")) as listener, contextlib.ExitStack() as clients:
        for _ in range(300):
            clients.enter_context(socket.create_connection(listener.getsockname(), timeout=10))
        accepted = [listener.accept()[0] for _ in range(300)]
        for connection in accepted:
            connection.close()


def test_an_address_of_another_machine_is_refused():
    """An address that is not this machine's is reported in one line."""
    with pytest.raises(StartError, match=r"stage parse: port 0 on 192\.0\.2\.1 can't be used: Cannot assign"):
        listen("192.0.2.1", 0, "stage parse")


def test_a_name_that_can_t_be_a_host_is_told():
    """A host that is no address and no name is reported in one line that names the stage."""
    with pytest.raises(StartError, match=r"stage parse: can't listen on 300\.1\.1\.1\.invalid"):
        listen("300.1.1.1.invalid", 0, "stage parse")


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_name_that_can_t_be_looked_up_is_told(host):
    """A host with an empty or too long part is reported in one line like every other that can't be had."""
    with pytest.raises(StartError, match="can't listen on"):
        listen(host, 0, "stage parse")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6():
    """An IPv6 address is listened on as one."""
    try:
        listener = listen("::1", 0, "stage parse")
    except StartError:
        pytest.skip("this machine has no ::1")
    with contextlib.closing(listener), socket.create_connection(listener.getsockname()[:2], timeout=10):
        assert listener.family is socket.AF_INET6


@contextlib.contextmanager
def in_a_row(port, count):
    listeners = listen_in_a_row("127.0.0.1", port, count, "stage parse")
    try:
        yield [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_ports_in_a_row(count):
    """For port 0 any row that is free is taken, one port after the other, and clients can connect to each."""
    with in_a_row(0, count) as ports:
        assert ports == list(range(ports[0], ports[0] + count))
        for port in ports:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()


def test_a_row_that_was_asked_for():
    """A row from a given port on is that row."""
    with in_a_row(0, 3) as free:
        pass
    with in_a_row(free[0], 3) as ports:
        assert ports == free


def test_a_row_with_a_port_in_use():
    """Where one of the ports that were asked for is in use that one is named, and none of the others is kept."""
    with in_a_row(0, 3) as free:
        pass
    taken = listen("127.0.0.1", free[2], "stage enrich")
    with contextlib.closing(taken), pytest.raises(StartError, match=f"stage parse: port {free[2]} on"):
        listen_in_a_row("127.0.0.1", free[0], 3, "stage parse")
    with in_a_row(free[0], 3) as ports:
        assert ports == free


def test_any_row_passes_over_ports_in_use(monkeypatch):
    """For port 0 another row is looked for where one can't be had, and those sockets are closed."""
    from simulator.net import listening

    made, plain = [], listening.listen

    def failing_at_first(host, port, name):
        if len(made) == 2:
            made.append(None)
            raise StartError("in use")
        made.append(plain(host, port, name))
        return made[-1]

    monkeypatch.setattr(listening, "listen", failing_at_first)
    with in_a_row(0, 3) as ports:
        assert ports == list(range(ports[0], ports[0] + 3))
        # Another process may have taken a port of the second row, too.
        *passed_over, _, _, _ = made
        assert len(passed_over) >= 3
        assert {listener.fileno() for listener in passed_over if listener is not None} == {-1}


def test_a_row_beyond_the_last_port():
    """A row that would end beyond the last port there is can't be had."""
    with pytest.raises(StartError), in_a_row(65535, 2):
        pass

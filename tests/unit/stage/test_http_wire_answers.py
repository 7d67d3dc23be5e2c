"""Answers of any size: read to their end, thrown away, and their connections used again."""

from __future__ import annotations

import tracemalloc

import pytest

from simulator.telemetry.record import CallOutcome
from tests.support.sending import OK, attempt_at, read_request, sending

_PIECE = b"x" * 2**20


def in_one(size):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, (_PIECE,) * (size // len(_PIECE)), b""


def in_chunks(size):
    chunk = b"100000\r\n" + _PIECE + b"\r\n"
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", (chunk,) * (size // len(_PIECE)), b"0\r\n\r\n"


def large(form, size):
    def behave(connection):
        while read_request(connection):
            head, pieces, end = form(size)
            for part in (head, *pieces, end):
                connection.sendall(part)

    return behave


@pytest.mark.parametrize("form", [in_one, in_chunks])
def test_a_large_answer_is_read_and_its_connection_used_again(serve, form):
    """Answers of 3 MiB are answers like others, and follow each other on one connection."""
    with serve(large(form, 3 * 2**20)) as server, sending(server.downstream()) as sender:
        outcomes = {sender.attempt().outcome for _ in range(3)}
        assert outcomes == {CallOutcome.OK}
        assert len(server.accepted) == 1


@pytest.mark.parametrize("status", [b"200 OK", b"500 No", b"302 Elsewhere\r\nLocation: /elsewhere"])
def test_a_large_answer_that_ends_with_its_connection(serve, status):
    """An answer without a length is as long as it is, whatever its status."""

    def behave(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n" + 3 * _PIECE)
        connection.close()

    assert attempt_at(serve, behave).code == int(status.split()[0])


@pytest.mark.parametrize("form", [in_one, in_chunks])
def test_an_answer_s_body_is_not_kept(serve, form):
    """However large an answer is, reading it takes the memory of a few reads."""
    with serve(large(form, 32 * 2**20)) as server, sending(server.downstream()) as sender:
        tracemalloc.start()
        try:
            assert sender.attempt().outcome is CallOutcome.OK
            assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
        finally:
            tracemalloc.stop()


def test_trailers_are_no_headers(serve):
    """What stands behind a body in chunks is read, and can't make an answer look like an injected fault."""
    text = b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Simulator-Injected: true\r\n\r\n"

    def behave(connection):
        while read_request(connection):
            connection.sendall(text)

    with serve(behave) as server, sending(server.downstream()) as sender:
        attempts = [sender.attempt() for _ in range(2)]
        assert [(attempt.code, attempt.injected) for attempt in attempts] == [(503, False)] * 2
        assert len(server.accepted) == 1


def test_what_a_server_packs_is_not_unpacked(serve):
    """An answer that claims to be packed and is not is no failure: nobody looks into it."""
    text = OK.replace(b"Content-Length", b"Content-Encoding: gzip\r\nContent-Length")
    assert attempt_at(serve, lambda connection: read_request(connection) and connection.sendall(text)).code == 200

"""Clients that take a stage's connections or its memory: the others are answered, and memory is bounded."""

from __future__ import annotations

import contextlib
import resource
import select
from pathlib import Path

import pytest

from simulator.stage.intake import SPARE_BYTES
from simulator.stage.server import SPARE_CONNECTIONS
from tests.support.processes import running_stage, wait_for
from tests.support.wire import connect, exchange, post, post_bytes, read_answer

MIB = 2**20
IDLE = SPARE_CONNECTIONS + 200
BODIES = 300
# Of the stage in these tests: two at work, two that wait. Beside the bodies, for buffers and all that is not a body.
HELD_BYTES = 4 * MIB + SPARE_BYTES
OTHER_BYTES = 40 * MIB


def peak_bytes(stage):
    """Return the most memory that a stage's process ever had."""
    status = Path(f"/proc/{stage.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def many_files(count):
    """Raise the limit of open files to so many; skip the test where the machine does not allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"{count} open files are needed, and at most {hard} are allowed here (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def refusals(stage):
    """Return how many messages were turned away or, on a slow machine, did not come in time."""
    return sum(stage.total("simulator_messages_total", outcome=outcome) for outcome in ("rejected", "invalid"))


def test_idle_connections_lock_nobody_out(tmp_path):
    """With more idle connections than there are places, probes and messages are still answered, each on a new one."""
    with contextlib.ExitStack() as idle, running_stage(tmp_path, "--workers", "1", "--queue", "0") as stage:
        idle.enter_context(many_files(IDLE + 500))
        for _ in range(IDLE):
            idle.enter_context(connect(stage.port, timeout_seconds=60))
        for path in ("/healthz", "/readyz", "/metrics"):
            assert exchange(stage.port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).status == 200
        assert [post(stage.port, b"hi").status for _ in range(20)] == [200] * 20


@pytest.mark.parametrize("is_full", [True, False], ids=["a full stage", "bodies without their last byte"])
def test_300_bodies_of_a_megabyte_take_no_more_memory_than_is_told(tmp_path, is_full):
    """What does not fit beside the bodies that are held is rejected, also where there is a worker for it."""
    body = b"x" * MIB
    with (
        contextlib.ExitStack() as clients,
        running_stage(tmp_path, "--workers", "2", "--queue", "2", "--delay", "constant(10m)") as stage,
    ):
        clients.enter_context(many_files(BODIES + 500))
        if is_full:
            for _ in range(4):
                clients.enter_context(connect(stage.port)).sendall(post_bytes(b"hi"))
            wait_for(lambda: stage.total("simulator_in_flight") == 4, "a full stage")
        before = peak_bytes(stage)
        connections = [clients.enter_context(connect(stage.port, timeout_seconds=60)) for _ in range(BODIES)]
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sendall(post_bytes(body) if is_full else post_bytes(body)[:-1])
        fitting = 0 if is_full else HELD_BYTES // MIB
        wait_for(lambda: refusals(stage) >= BODIES - fitting, "refusals")
        poll = select.poll()  # descriptors may be larger than those that select knows
        by_descriptor = {connection.fileno(): connection for connection in connections}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        answered = [by_descriptor[descriptor] for descriptor, _ in poll.poll(60_000)]
        assert read_answer(answered[0]).status in (503, 408)
        assert peak_bytes(stage) - before < HELD_BYTES + OTHER_BYTES
        assert exchange(stage.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status == 200


def test_a_change_of_400_megabytes_is_refused_early(tmp_path):
    """A PATCH in chunks without end is answered while most of it is still to come, and takes no memory."""
    chunk = b"100000\r\n" + b" " * MIB + b"\r\n"
    head = b"PATCH /control HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    sent_at_answer = None
    with running_stage(tmp_path) as stage, connect(stage.port, timeout_seconds=60) as connection:
        before = peak_bytes(stage)
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            for sent in range(400):
                if sent_at_answer is None and select.select([connection], [], [], 0)[0]:
                    sent_at_answer, answer = sent, read_answer(connection)
                connection.sendall(chunk)
        assert sent_at_answer is not None and sent_at_answer < 50
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert "a change must have at most 65536 bytes" in answer.json()["detail"]
        assert peak_bytes(stage) - before < 50 * MIB
        assert post(stage.port, b"hi").status == 200

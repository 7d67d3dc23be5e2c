"""The two ends of the measured stages: a sink for messages, and a collector for spans. Each is a process.

`python -m benchmarks.servers sink|collector` prints its port and serves until its standard input ends, which happens
when the process that started it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.errors import BenchmarkFailed
from benchmarks.load import read_answer

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n%s"
_POLL_SECONDS = 0.02


class Server:
    """A sink or a collector in its own process, and its count of messages or spans."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.servers", kind],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # so that Ctrl-C reaches only the benchmark, which then stops everything in order
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise BenchmarkFailed(f"the {kind} did not start")
        self.port = int(line)

    @property
    def url(self) -> str:
        """Return its URL."""
        return f"http://127.0.0.1:{self.port}"

    def count(self) -> int:
        """Return how many messages or spans have arrived."""
        with socket.create_connection(("127.0.0.1", self.port), 5.0) as connection:
            connection.sendall(b"GET /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            return int(read_answer(connection)[2])

    def wait_for(self, count: int, timeout_seconds: float) -> int:
        """Return how many have arrived, as soon as that many have or after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        while (have := self.count()) < count and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return have

    def close(self) -> None:
        """Stop the process."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Connection(asyncio.Protocol):
    """Read requests and answer each with an empty 200, except `GET /count` with the count so far."""

    def __init__(self, take: Callable[[bytes], None], count: Callable[[], int]) -> None:
        self._take = take
        self._count = count
        self._data = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._data, 0, end + 2)
            wanted = end + 4 + (int(found[1]) if found else 0)
            if len(self._data) < wanted:
                return
            request, self._data = self._data[:wanted], self._data[wanted:]
            self._answer(request, request[end + 4 :])

    def _answer(self, request: bytes, body: bytes) -> None:
        text = b""
        if request.startswith(b"GET /count "):
            text = b"%d" % self._count()
        else:
            self._take(body)
        self._transport.write(_ANSWER % (len(text), text))


class _Messages:
    """Count messages."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, body: bytes) -> None:
        self.taken += 1

    def count(self) -> int:
        return self.taken


class _Spans:
    """Store what exporters send, and count its spans only when asked, so that receiving them costs almost nothing."""

    def __init__(self) -> None:
        self._unread: list[bytes] = []
        self._counted = 0

    def take(self, body: bytes) -> None:
        self._unread.append(body)

    def count(self) -> int:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        bodies, self._unread = self._unread, []
        for body in bodies:
            request = ExportTraceServiceRequest.FromString(body)
            self._counted += sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)
        return self._counted


async def _serve(kind: str) -> None:
    loop = asyncio.get_running_loop()
    counter = _Spans() if kind == "collector" else _Messages()
    server = await loop.create_server(lambda: _Connection(counter.take, counter.count), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))

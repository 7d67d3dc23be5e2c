"""The two ends of the measured stages: a sink for messages, and a collector for telemetry. Each is a process.

`python -m benchmarks.servers sink|json-sink|collector` prints its port and serves until its standard input ends, which
happens when the process that started it is gone.
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
# What a collector counts, by the paths that it comes to; metrics are taken and not counted.
SPANS, LOG_RECORDS = "v1/traces", "v1/logs"


class Server:
    """A sink or a collector in its own process, and its count of messages, or of spans and log records."""

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

    def count(self, what: str = SPANS) -> int:
        """Return how many messages, or how many spans or log records, have arrived."""
        with socket.create_connection(("127.0.0.1", self.port), 5.0) as connection:
            connection.sendall(b"GET /count/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % what.encode())
            return int(read_answer(connection)[2])

    def wait_for(self, count: int, timeout_seconds: float, what: str = SPANS) -> int:
        """Return how many have arrived, as soon as that many have or after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        while (have := self.count(what)) < count and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return have

    def close(self) -> None:
        """Stop the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Connection(asyncio.Protocol):
    """Read requests and answer each with 200 and the same text, except `GET /count/WHAT` with the count so far."""

    def __init__(self, take: Callable[[str, bytes], None], count: Callable[[str], int], text: bytes) -> None:
        self._take = take
        self._count = count
        self._text = text
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
        text = self._text
        path = request.split(b" ", 2)[1].decode().lstrip("/")
        if path.startswith("count/"):
            text = b"%d" % self._count(path.removeprefix("count/"))
        else:
            self._take(path, body)
        self._transport.write(_ANSWER % (len(text), text))


class _Messages:
    """Count messages."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, path: str, body: bytes) -> None:
        self.taken += 1

    def count(self, what: str) -> int:
        return self.taken


class _Telemetry:
    """Store what exporters send, and count what is in it only when asked, so that receiving it costs almost nothing."""

    def __init__(self) -> None:
        self._unread: dict[str, list[bytes]] = {}
        self._counted: dict[str, int] = {}

    def take(self, path: str, body: bytes) -> None:
        self._unread.setdefault(path, []).append(body)

    def count(self, what: str) -> int:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        for body in self._unread.pop(what, ()):
            if what == SPANS:
                spans = ExportTraceServiceRequest.FromString(body).resource_spans
                found = sum(len(scope.spans) for group in spans for scope in group.scope_spans)
            else:
                logs = ExportLogsServiceRequest.FromString(body).resource_logs
                found = sum(len(scope.log_records) for group in logs for scope in group.scope_logs)
            self._counted[what] = self._counted.get(what, 0) + found
        return self._counted.get(what, 0)


async def _serve(kind: str) -> None:
    loop = asyncio.get_running_loop()
    counter = _Telemetry() if kind == "collector" else _Messages()
    text = b"{}" if kind == "json-sink" else b""
    server = await loop.create_server(
        lambda: _Connection(counter.take, counter.count, text), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))

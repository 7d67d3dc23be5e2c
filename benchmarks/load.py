"""Load: keep-alive connections on plain sockets, a thread each, paced by a schedule or by the answers themselves.

It is lean because it shares the machine with what it measures. `python -m benchmarks.load URL CONNECTIONS SECONDS`
prints how many messages a closed loop sent.
"""

from __future__ import annotations

import random
import socket
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.errors import BenchmarkFailed

BODY = b'{"order": 4711, "customer": "c-1822", "lines": [{"sku": "a-17", "count": 3}, {"sku": "b-4", "count": 1}]}'
_SOCKET_SECONDS = 10.0

# Returns when the next message is due, on the clock of time.perf_counter, and None at the end.
NextDue = Callable[[], float | None]


@dataclass(frozen=True)
class LoadResult:
    """The result of a load. `latencies_seconds` are from a message's due time to the last byte of its answer."""

    seconds: float
    latencies_seconds: tuple[float, ...]

    @property
    def messages(self) -> int:
        """Return how many messages were answered with success."""
        return len(self.latencies_seconds)


def closed_loop(
    url: str, connections: int, seconds: float, messages: int = 1_000_000, body: bytes = BODY
) -> LoadResult:
    """Send on each connection the next message when the last one is answered, for a time or a number of messages."""
    numbers, end = iter(range(messages)), time.perf_counter() + seconds

    def next_due() -> float | None:
        now = time.perf_counter()
        return now if now < end and next(numbers, None) is not None else None

    return _run(url, connections, next_due, body)


def open_schedule(url: str, rate_per_second: float, seconds: float, connections: int = 16) -> LoadResult:
    """Send at times drawn beforehand (Poisson arrivals, the same in every call), independently of the answers.

    At most `connections` messages can be in flight: the next one is then late, which counts in its latency.
    """
    dues = poisson_times(rate_per_second, seconds)
    begin = time.perf_counter() + 0.05
    lock = threading.Lock()

    def next_due() -> float | None:
        with lock:
            offset = next(dues, None)
        return None if offset is None else begin + offset

    return _run(url, connections, next_due, BODY)


def poisson_times(rate_per_second: float, seconds: float) -> Iterator[float]:
    """Return the times, in seconds from the start, at which messages are due."""
    source = random.Random(7)
    due = source.expovariate(rate_per_second)
    while due < seconds:
        yield due
        due += source.expovariate(rate_per_second)


def _run(url: str, connections: int, next_due: NextDue, body: bytes) -> LoadResult:
    """Run a thread per connection until no message is due any more, or until one of them fails."""
    latencies: list[float] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    def work() -> None:
        try:
            _send_all(LoadConnection(url), next_due, stop, latencies, body)
        except Exception as error:  # noqa: BLE001 - it is raised again in the thread that waits for this one
            failures.append(error)
            stop.set()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(connections)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        stop.set()
    if failures:
        raise BenchmarkFailed(f"a message to {url} failed: {failures[0]}") from failures[0]
    return LoadResult(time.perf_counter() - begin, tuple(latencies))


def _send_all(
    connection: LoadConnection, next_due: NextDue, stop: threading.Event, latencies: list[float], body: bytes
) -> None:
    with connection:
        while not stop.is_set() and (due := next_due()) is not None:
            pause_seconds = due - time.perf_counter()
            if pause_seconds > 0:
                time.sleep(pause_seconds)
            connection.post(body)
            latencies.append(time.perf_counter() - due)


class LoadConnection:
    """One keep-alive connection to POST to; it is opened at its first use, and again if the server closed it."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n".encode()
        )
        self._socket: socket.socket | None = None

    def __enter__(self) -> LoadConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def post(self, body: bytes) -> None:
        """Send a body and read the answer to its end. Raise OSError if it is not a 200."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, _SOCKET_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(b"%sContent-Length: %d\r\n\r\n%s" % (self._head, len(body), body))
        status, headers, _ = read_answer(self._socket)
        if status != 200:
            raise OSError(f"it answered {status}")
        if b"\r\nconnection: close" in headers:
            self.close()


def read_answer(connection: socket.socket) -> tuple[int, bytes, bytes]:
    """Read one answer that has a Content-Length; return its status, its headers in lower case and its body."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _receive(connection)
    headers = data[:end].lower()
    wanted = end + 4 + int(headers.partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0])
    while len(data) < wanted:
        data += _receive(connection)
    return int(headers[9:12]), headers, data[end + 4 :]


def _receive(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise ConnectionError("it closed the connection before its answer was complete")
    return chunk


if __name__ == "__main__":
    print(closed_loop(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])).messages)

"""Many messages in flight at the same time: a connection for each, in one process, which waits for all of them at once.

`python -m benchmarks.crowd PORT CONNECTIONS RAMP_SECONDS SECONDS` opens its connections and sends the first messages
evenly over the ramp, then on each the next one when the last is answered. It prints, as JSON, what was answered in the
seconds after the ramp.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from http import HTTPStatus

from benchmarks.load import BODY
from benchmarks.measure import quantile

_POLL_SECONDS = 0.01
_END = b"\r\n\r\n"
_HEAD = b"POST /messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_REQUEST = _HEAD % len(BODY) + BODY


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """What a crowd saw: answers with 200 in so many seconds and their latencies; all that was sent, and what failed."""

    sent: int
    seconds: float
    answered: int
    others: dict[str, int]
    latency_p50_seconds: float
    latency_p99_seconds: float


class Member:
    """One connection: when it sent its last message, and what has come of the answer."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(("127.0.0.1", port))
        self.sent_at = 0.0
        self._data = b""

    def send(self, request: bytes) -> None:
        """Send a message; it is short enough for the socket to take it whole."""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def status(self) -> int | None:
        """Return the status once the answer is whole, None before; 0 is a connection that was closed."""
        chunk = self.socket.recv(65536)
        if not chunk:
            return 0
        self._data += chunk
        end = self._data.find(_END)
        if end < 0:
            return None
        length = self._data[:end].lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        if len(self._data) < end + len(_END) + int(length):
            return None
        status, self._data = int(self._data[9:12]), b""
        return status


class _Crowd:
    """All connections, by descriptor, and what came of them."""

    def __init__(self, port: int, counts_from: float) -> None:
        self._port = port
        self._counts_from = counts_from
        self._poll = select.epoll()
        self._members: dict[int, Member] = {}
        self.opened = self.sent = 0
        self.others = Counter[str]()
        self.latencies: list[float] = []

    def open(self) -> None:
        """Open a connection; it is writable once, when it is connected."""
        member = Member(self._port)
        self._members[member.socket.fileno()] = member
        self._poll.register(member.socket, select.EPOLLOUT)
        self.opened += 1

    def go_on(self) -> None:
        """Send on each connection that is new, or whose message is answered, the next one."""
        for fd, event in self._poll.poll(_POLL_SECONDS):
            member = self._members[fd]
            try:
                if self._may_send(member, event):
                    member.send(_REQUEST)
                    self.sent += 1
                if event & select.EPOLLOUT:
                    self._poll.modify(fd, select.EPOLLIN)
            except OSError as error:
                self.others[str(error)] += 1
                self._poll.unregister(fd)
                self._members.pop(fd).socket.close()

    def _may_send(self, member: Member, event: int) -> bool:
        """Return whether a connection is free. Raise OSError if its message was not answered with 200."""
        if not event & select.EPOLLIN:
            return bool(event & select.EPOLLOUT) or member.status() is not None
        status = member.status()
        if status is None:
            return False
        if status != HTTPStatus.OK:
            raise ConnectionError(f"status {status}" if status else "the connection was closed")
        at = time.perf_counter()
        if at >= self._counts_from:
            self.latencies.append(at - member.sent_at)
        return True


def crowd(port: int, connections: int, ramp_seconds: float, seconds: float) -> Crowd:
    """Keep so many messages in flight for a time, and return what was answered in it."""
    begin = time.perf_counter()
    counts_from = begin + ramp_seconds
    end = counts_from + seconds
    found = _Crowd(port, counts_from)
    while (now := time.perf_counter()) < end:
        while found.opened < min(connections, 1 + connections * (now - begin) / ramp_seconds):
            found.open()
        found.go_on()
    latencies = found.latencies or [0.0]
    return Crowd(
        sent=found.sent,
        seconds=time.perf_counter() - counts_from,
        answered=len(found.latencies),
        others=dict(found.others),
        latency_p50_seconds=quantile(latencies, 0.5),
        latency_p99_seconds=quantile(latencies, 0.99),
    )


def raise_open_files() -> int:
    """Raise the number of files that this process may open as far as it may, and return it; children inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


if __name__ == "__main__":
    raise_open_files()
    print(json.dumps(asdict(crowd(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))))

"""A steady load from clients that keep their connections, and what went wrong for any of them."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator

_PAUSE_SECONDS = 0.2  # the pace, at which connections are idle most of the time


class Client(threading.Thread):
    """A client that keeps its connection for as long as it is told to: 5 messages a second, until it is stopped."""

    def __init__(self, name: str, address: tuple[str, int], stopped: threading.Event) -> None:
        super().__init__(name=name)
        self.address, self.stopped = address, stopped
        self.sent: list[str] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        while not self.stopped.is_set():
            ident = f"{self.name}-{len(self.sent)}"
            self.sent.append(ident)
            try:
                connection.request("POST", "/messages", b"hi", {"X-Message-Id": ident})
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200:
                    self.wrong.append(f"{ident}: {answer.status} {body!r}")
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(f"{ident}: {error!r}")
                connection.close()
            time.sleep(_PAUSE_SECONDS)
        connection.close()


@contextlib.contextmanager
def steady_load(host: str, port: int, name: str = "client", clients: int = 4) -> Iterator[list[Client]]:
    """Send some 20 messages a second on kept connections in the body of the `with`."""
    stopped = threading.Event()
    threads = [Client(f"{name}{number}", (host, port), stopped) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        stopped.set()
        for thread in threads:
            thread.join(60)

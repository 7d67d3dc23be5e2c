"""An HTTP server for tests that answers as it is told and remembers what it was sent."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.support.threaded import in_thread, listening


@dataclass(frozen=True)
class SeenRequest:
    path: str
    headers: Mapping[str, str]  # names in small letters
    body: bytes


@dataclass
class AnsweringServer:
    """`answers` are the next ones, (status, headers); with none left it is 200."""

    answers: list[tuple[int, Mapping[str, str]]]
    requests: list[SeenRequest] = field(default_factory=list)
    address: str = ""


@contextmanager
def answering(
    *answers: tuple[int, Mapping[str, str]],
    before: Callable[[], object] = lambda: None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[AnsweringServer]:
    """Run a server on a free port, in threads; `before()` is called before each answer.

    `tls` of None means plain HTTP.
    """
    seen = AnsweringServer(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.requests.append(SeenRequest(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            before()
            status, headers = seen.answers.pop(0) if seen.answers else (200, {})
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            with suppress(ConnectionError):  # of a client that did not wait
                self.end_headers()

    server = listening(Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    seen.address = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
    with in_thread(server):
        yield seen

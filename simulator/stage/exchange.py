"""One HTTP exchange: reading the body of a request, and sending the answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from simulator.engine.message import Answer, slow_step_bytes
from simulator.engine.runtime import Runtime
from simulator.errors import InjectedFault
from simulator.stage.answers import wire_answer
from simulator.stage.intake import Intake
from simulator.stage.message_headers import INJECTED

# Keys in the WSGI environment. By these two the application tells the server how to end the connection:
RESET, HANG_UP = "simulator.reset", "simulator.hang_up"
# when the request's first byte arrived, monotonic and in nanoseconds since 1970;
RECEIVED_AT, RECEIVED_UNIX_NS = "simulator.received_at", "simulator.received_unix_ns"
# the Host header, of which the application's HTTP_HOST is only the name;
HOST = "simulator.host"
# the target of the request, and the lines of its head, as they came;
TARGET, HEADER_TEXT = "simulator.target", "simulator.header_text"
# a function that returns how many seconds the server has waited for its client since then;
WAITED = "simulator.waited"
# and one that sends some bytes before the answer.
INTERIM = "simulator.interim"
# The server puts there when the last of the answer left, monotonic.
LEFT_AT = "simulator.left_at"
_WITHHELD = f"HTTP/1.1 102 Processing\r\n{INJECTED}: true\r\n\r\n".encode()


class HttpExchange:
    """The exchange of a message that came by POST; `by_stage` says that the caller understands interim responses."""

    def __init__(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        intake: Intake,
        runtime: Runtime,
        *,
        stage: str,
        message_id: str,
        trace_id: str,
        by_stage: bool,
        is_draining: Callable[[], bool],
    ) -> None:
        self._environ = environ
        self._start_response = start_response
        self._intake = intake
        self._runtime = runtime
        self._stage = stage
        self._message_id = message_id
        self._trace_id = trace_id
        self._may_tell = by_stage
        self._is_draining = is_draining
        self._is_answered = False

    @property
    def waited_seconds(self) -> float:
        """Return how long the stage has waited for the client to send its request, since its first byte."""
        waited = self._environ.get(WAITED)
        return 0.0 if waited is None else float(waited())

    def read(self) -> bytes:
        """Return the body. Raise InvalidMessage or Rejected if it is refused, or does not arrive."""
        return self._intake.read()

    def release(self) -> None:
        """Release the bytes of the body."""
        self._intake.release()

    def withhold(self) -> None:
        """Tell a calling stage, in an interim response, that an injected fault may withhold its answer."""
        send = self._environ.get(INTERIM)
        if self._may_tell and send is not None and not self._is_answered:
            self._may_tell = False
            with suppress(OSError):  # the caller is gone
                send(_WITHHELD)

    def answer(self, answer: Answer) -> float | None:
        """Send the answer, with the effects of faults; return when the last of it left, None if it did not."""
        self._is_answered = True
        error = answer.error
        if isinstance(error, InjectedFault) and error.no_answer:
            self._environ[RESET] = True
            return None
        is_head = self._environ["REQUEST_METHOD"] == "HEAD"
        if is_head and answer.truncated:
            self._environ[HANG_UP] = True  # there is nothing but a head to cut off
            return None
        status, headers, body = wire_answer(answer, self._stage, self._message_id, self._trace_id, is_head)
        if self._is_draining():
            headers.append(("Connection", "close"))
        write: Any = self._start_response(status, headers)
        if answer.truncated:
            self._environ[HANG_UP] = True
            body = body[: len(body) // 2]
        if is_head:
            body = b""
        try:
            if answer.bytes_per_second is None:
                write(body)
            else:
                self._drip(body, answer.bytes_per_second, write)
        except OSError:  # the client is gone
            self._environ[HANG_UP] = True
            return None
        except BaseException:  # the stage stops: the client must see that the rest will not come
            self._environ[HANG_UP] = True
            raise
        return self._environ.get(LEFT_AT)

    def _drip(self, body: bytes, bytes_per_second: float, write: Callable[[bytes], Any]) -> None:
        begin = self._runtime.now()
        step = slow_step_bytes(bytes_per_second)
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            due = begin + (start + len(piece)) / bytes_per_second
            self._runtime.sleep(max(0.0, due - self._runtime.now()))
            write(piece)

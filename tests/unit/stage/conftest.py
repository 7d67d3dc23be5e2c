"""A stage without a network: its time, its downstreams, its keeper and a sink that remembers are the test's own.

Every fixture gives a function that makes things anew, and holds nothing itself.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from simulator.behaviour.distributions import Constant
from simulator.stage.app import Front, create_app
from simulator.stage.capacity import Capacity
from simulator.stage.downstream import Sender
from simulator.stage.handling import Behaviour, Handling
from simulator.stage.message import Message
from simulator.telemetry.metrics import Metrics
from simulator.telemetry.observe import Observer
from simulator.telemetry.record import OUTSIDE, Clock, TraceIds, Via
from simulator.topology.settings import Downstream

UNIX_START = 1_700_000_000
TRACE = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "03", True)
LONG_SECONDS = 20.0


class FakeTime:
    """Time that passes only when somebody sleeps, or the test says so."""

    def __init__(self):
        self.seconds = 0.0
        self.clock = Clock(lambda: self.seconds, lambda: UNIX_START * 10**9 + round(self.seconds * 1e9))

    def advance(self, seconds):
        self.seconds += seconds


class Hearer:
    """A sink that remembers what it was told."""

    def __init__(self):
        self.arrivals, self.tries, self.calls, self.records = [], [], [], []

    def received(self, arrival):
        self.arrivals.append(arrival)

    def sending(self, downstream):
        self.tries.append(downstream)

    def sent(self, arrival, call):
        self.calls.append(call)

    def handled(self, record):
        self.records.append(record)


class Answering(BaseAdapter):
    """The stages downstream, in this process: `answer(request)` gives (status, headers, body), or raises."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer
        self.requests = []

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
        self.requests.append(request)
        status, headers, body = self.answer(request)
        response = requests.Response()
        response.status_code, response.request, response.url = status, request, request.url
        response.headers = CaseInsensitiveDict(headers)
        response.raw = HTTPResponse(BytesIO(body), headers, status, preload_content=False)
        return response

    def close(self):
        pass


def fine(_):
    """Answer as a stage that took the message."""
    return 200, {"Content-Type": "application/json"}, b"{}"


@dataclass
class Kept:
    """A keeper that remembers, or raises `error`."""

    messages: list[tuple[bytes, str]] = field(default_factory=list)
    error: Exception | None = None

    def keep(self, body, content_type):
        if self.error is not None:
            raise self.error
        self.messages.append((body, content_type))

    def close(self):
        pass


@dataclass
class Rig:
    """A stage's handling and all that it was given."""

    handling: Handling
    capacity: Capacity
    time: FakeTime
    hearer: Hearer
    adapter: Answering
    kept: Kept
    sleeps: list[float]

    @property
    def record(self):
        """Give the record of the last message."""
        return self.hearer.records[-1]


@pytest.fixture(scope="session")
def make_stage():
    """Give a function that makes a stage; whatever is not said is as simple as it can be."""

    def make(
        stage="parse",
        seed=7,
        delay=Constant(0.0),  # noqa: B008 - it is frozen
        faults=(),
        calls=(),
        answer=fine,
        workers=8,
        queue=8,
        sinks=(),
        sleep=None,
        timeout_seconds=1.0,
        current_trace=lambda: TRACE,
    ):
        time, hearer, adapter, kept, sleeps = FakeTime(), Hearer(), Answering(answer), Kept(), []

        def pass_time(seconds):
            sleeps.append(seconds)
            if sleep is None:
                time.advance(seconds)
            else:
                sleep(time, seconds)

        downstreams = [
            Downstream(name, f"http://{name}:8080/messages", timeout_seconds) for name in dict.fromkeys(calls)
        ]
        capacity = Capacity(workers, queue, time.clock.monotonic)
        handling = Handling(
            Behaviour(stage, seed, delay, tuple(faults), tuple(calls)),
            capacity,
            Sender(stage, downstreams, 4, time.clock.monotonic, adapter=adapter),
            kept,
            Observer([hearer, *sinks], time.clock),
            time.clock,
            pass_time,
            current_trace,
        )
        return Rig(handling, capacity, time, hearer, adapter, kept, sleeps)

    return make


@pytest.fixture(scope="session")
def make_message():
    """Give a function that makes a message."""

    def make(body=b'{"n": 1}', content_type="application/json", **changes):
        values = {
            "message_id": "m-1",
            "visit": "0",
            "caller": OUTSIDE,
            "via": Via.HTTP,
            "content_type": content_type,
            "body_bytes": len(body),
            "due_unix_seconds": UNIX_START - 0.5,
            "read": lambda: body,
        }
        return Message(**{**values, **changes})

    return make


@dataclass
class Web:
    """A stage's application with a client for it."""

    rig: Rig
    app: Any
    client: Any
    registry: CollectorRegistry
    draining: list[bool]


@pytest.fixture(scope="session")
def make_web(make_stage):
    """Give a function that makes the application of a stage called `parse`, that `injector` may call."""

    def make(max_body_bytes=1024, path="/messages", **stage):
        rig = make_stage(**stage)
        registry, numbers, draining = CollectorRegistry(), itertools.count(1), [False]
        metrics = Metrics(registry, "parse", "processor", path, rig.time.clock, ())
        front = Front(
            stage="parse",
            path=path,
            max_body_bytes=max_body_bytes,
            callers=frozenset({"injector"}),
            handling=rig.handling,
            metrics=metrics,
            clock=rig.time.clock,
            new_message_id=lambda: f"made-{next(numbers)}",
            current_trace=lambda: TRACE,
            draining=lambda: draining[0],
        )
        app = create_app(front)
        return Web(rig, app, app.test_client(), registry, draining)

    return make


@dataclass
class Misbehaving:
    """A server on 127.0.0.1; `accepted` holds its connections in the order in which they came."""

    port: int
    accepted: list[socket.socket] = field(default_factory=list)

    def downstream(self, timeout_seconds=LONG_SECONDS):
        return Downstream("enrich", f"http://127.0.0.1:{self.port}/messages", timeout_seconds)


@pytest.fixture(scope="session")
def serve():
    """Give a context manager: a server that does with each connection, in a thread, what it is told to."""

    @contextlib.contextmanager
    def serving(behave):
        listener = socket.create_server(("127.0.0.1", 0))
        server, threads = Misbehaving(listener.getsockname()[1]), []

        def treat(connection):
            with contextlib.suppress(OSError):
                behave(connection)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    server.accepted.append(connection)
                    threads.append(threading.Thread(target=treat, args=(connection,)))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            acceptor.join(LONG_SECONDS)
            for connection in server.accepted:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(LONG_SECONDS)
                assert not thread.is_alive()
            for connection in server.accepted:
                connection.close()

    return serving


@pytest.fixture(scope="session")
def wait_for():
    """Give a function that waits until a condition holds."""

    def wait(check):
        deadline = time.monotonic() + LONG_SECONDS
        while not check():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.0005)

    return wait

"""The stages of these tests, without a network: their time, tasks, downstreams, keepers and sinks are the test's own.

Every fixture gives a function that makes things anew, and holds nothing itself.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from simulator.behaviour.distributions import Constant
from simulator.stage.app import Front, create_app
from simulator.stage.attempts import Attempts
from simulator.stage.calls import Calls
from simulator.stage.capacity import Capacity
from simulator.stage.downstream import Sender
from simulator.stage.handling import Behaviour, Handling, World
from simulator.stage.injections import Injections
from simulator.stage.intake import HeldBodies
from simulator.stage.message import Message
from simulator.stage.travel import Due, RunIdentity
from simulator.telemetry.metrics import Metrics
from simulator.telemetry.observe import Observer
from simulator.telemetry.record import OUTSIDE, TraceIds, Via
from simulator.topology.graph import calls_of
from simulator.topology.settings import Downstream
from tests.support.fake_time import UNIX_START, FakeTime
from tests.support.stage_rig import Answering, FakeSpan, Hearer, Kept, Rig, Work, fine, model_of, urls_of

TRACE = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "03", True)
LONG_SECONDS = 20.0


@pytest.fixture(scope="session")
def make_stage():
    """Give a function that makes a stage; whatever is not said is as simple as it can be.

    `instances` says of how many instances a downstream is; whatever else is given is a key of the stage.
    """

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
        current_trace=lambda: TRACE,
        instance=1,
        instances=None,
        calls_stages=False,
        tasks=None,
        **plain,
    ):
        time, hearer, kept, sleeps, spans, ejections = FakeTime(), Hearer(), Kept(), [], [], []
        adapter, work, injections = Answering(answer, time), Work(time), Injections()

        def pass_time(seconds):
            sleeps.append(seconds)
            if sleep is None:
                time.sleep(seconds)
            else:
                sleep(time, seconds)

        @contextlib.contextmanager
        def inner_span(name):
            spans.append(FakeSpan(name))
            yield spans[-1]

        model = model_of(delay, faults, calls, {"workers": workers, "queue": queue, **plain})
        names = dict.fromkeys(call.to for _, call in calls_of(model))
        capacity = Capacity(workers, queue, time.clock.monotonic)
        sender = Sender(
            stage,
            [Downstream(name, urls_of(name, (instances or {}).get(name, 1)), calls_stages) for name in names],
            4,
            time.clock.monotonic,
            time.limit,
            adapter,
            injections,
            lambda *ejection: ejections.append(ejection),
        )
        runs = tasks or time
        attempts = Attempts(sender, runs, time.clock.monotonic, pass_time)
        handling = Handling(
            Behaviour(stage, seed, model, instance),
            capacity,
            Calls(attempts, runs, time.clock.monotonic, inner_span),
            kept,
            Observer([hearer, *sinks], time.clock),
            injections,
            World(time.clock, pass_time, work.burn, work.hold, current_trace, inner_span, runs),
        )
        return Rig(
            handling,
            capacity,
            attempts,
            sender,
            injections,
            time,
            hearer,
            adapter,
            kept,
            work,
            sleeps,
            spans,
            ejections,
        )

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
            "due": Due(UNIX_START - 0.5, -0.5),
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
    held: HeldBodies


@pytest.fixture(scope="session")
def make_web(make_stage):
    """Give a function that makes the application of a stage called `parse`, that `injector` may call."""

    def make(
        max_body_bytes=1024,
        path="/messages",
        max_held_bytes=2**30,
        current_trace=lambda: TRACE,
        identity=RunIdentity(),  # noqa: B008 - it is frozen
        **stage,
    ):
        rig = make_stage(max_body=max_body_bytes, current_trace=current_trace, **stage)
        held = HeldBodies(lambda: max_held_bytes)
        registry, numbers, draining = CollectorRegistry(), itertools.count(1), [False]
        metrics = Metrics(registry, "parse", "processor", path, rig.time.clock, ())
        front = Front(
            stage="parse",
            path=path,
            max_body_bytes=max_body_bytes,
            held=held,
            callers=frozenset({"injector"}),
            handling=rig.handling,
            metrics=metrics,
            clock=rig.time.clock,
            new_message_id=lambda: f"made-{next(numbers)}",
            current_trace=current_trace,
            sleep=rig.time.sleep,
            draining=lambda: draining[0],
            identity=identity,
        )
        app = create_app(front)
        return Web(rig, app, app.test_client(), registry, draining, held)

    return make


@dataclass
class Misbehaving:
    """A server on 127.0.0.1; `accepted` holds its connections in the order in which they came."""

    port: int
    accepted: list[socket.socket] = field(default_factory=list)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/messages"

    def downstream(self, is_stage=False):
        return Downstream("enrich", (self.url,), is_stage)


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

"""A stage's application, and servers for a stage to call.

Every fixture returns a function that makes new things, and holds nothing itself.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from simulator.stage.app import Front, create_app
from simulator.stage.intake import HeldBodies
from simulator.stage.travel import RunIdentity
from simulator.telemetry.families import Measured
from simulator.telemetry.metrics import Metrics
from simulator.topology.settings import Downstream
from tests.support.stage_rig import TRACE, Rig

LONG_SECONDS = 20.0


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
    """Return a function that makes the application of a stage called `parse`, that `injector` may call."""

    def make(
        max_body_bytes=1024,
        path="/messages",
        max_held_bytes=2**30,
        current_trace=lambda: TRACE,
        identity=RunIdentity(),  # noqa: B008 - it is frozen
        **stage,
    ):
        rig = make_stage(max_body=max_body_bytes, current_trace=current_trace, path=path, **stage)
        held = HeldBodies(lambda: max_held_bytes)
        registry, numbers, draining = CollectorRegistry(), itertools.count(1), [False]
        metrics = Metrics(registry, Measured(stage="parse", role="processor"), rig.time)
        front = Front(
            stage="parse",
            max_body_bytes=max_body_bytes,
            held=held,
            callers=frozenset({"injector"}),
            handling=rig.handling,
            metrics=metrics,
            runtime=rig.time,
            new_message_id=lambda: f"made-{next(numbers)}",
            current_trace=current_trace,
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
    """Return a context manager: a server that does with each connection, in a thread, what it is told to."""

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

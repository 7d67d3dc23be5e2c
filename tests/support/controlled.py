"""Stages that answer /control over HTTP: the real one, and one that says whatever a test wants."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.types import WSGIApplication

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from simulator.engine.attempts import Attempts
from simulator.engine.calls import Calls
from simulator.engine.capacity import Capacity
from simulator.engine.handling import Handling
from simulator.engine.identity import Identity
from simulator.engine.injection import Behaviour
from simulator.engine.live import LiveStage
from simulator.engine.sender import Sender
from simulator.stage.control import make_control
from simulator.telemetry.logs import make_logger
from simulator.telemetry.observe import Observer
from simulator.topology.model import Stage
from tests.support.fake_time import FakeTime
from tests.support.stage_rig import FakeTracing, Kept
from tests.support.threaded import in_thread


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - its name in werkzeug
        pass


@contextlib.contextmanager
def served(application: WSGIApplication) -> Iterator[str]:
    """Serve an application on 127.0.0.1 until the end of the `with`; return the address for messages there."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    with in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}/messages"


def live_stage(name: str, model: Stage) -> LiveStage:
    """Make what /control changes, of a stage that calls nobody."""
    time = FakeTime()
    capacity = Capacity(model.workers, model.queue, time)
    handling = Handling(
        Behaviour(Identity(stage=name, seed=7), model),
        time,
        Observer([], time),
        FakeTracing(lambda: None),
        capacity=capacity,
        calls=Calls(Attempts(Sender({}, None, time.now), time), time, FakeTracing(lambda: None)),
        output=Kept(),
        machine=None,
    )
    return LiveStage(handling, capacity, None, lambda stage: None)


def control_of(live: LiveStage, token: str | None = None) -> WSGIApplication:
    """Make the real /control of a stage."""
    return make_control(live, token, make_logger(lambda line: None, "error"), lambda result: None)


class Scripted:
    """A stage that answers /control as `answer(method, patch)` says: (status, content).

    What it was asked is in `asked`, as (method, patch, Authorization).
    """

    def __init__(self, answer: Callable[[str, Any], tuple[int, Any]]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Any, str | None]] = []
        self.paths: list[str] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        patch = json.loads(request.get_data()) if request.method == "PATCH" else None
        self.asked.append((request.method, patch, request.headers.get("Authorization")))
        self.paths.append(request.path)
        status, content = self.answer(request.method, patch)
        body = content if isinstance(content, str) else json.dumps(content)
        return Response(body, status, content_type="application/json")(environ, start_response)

    @property
    def patches(self) -> list[Any]:
        return [patch for method, patch, _ in self.asked if method == "PATCH"]

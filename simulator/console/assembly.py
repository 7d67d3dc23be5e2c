"""The console assembled: its parts by path, behind the guard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from wsgiref.types import WSGIApplication

import flask

from simulator.console.front import HEALTH, OTHER_APIS, by_path, health, no_such_api
from simulator.console.guard import Guard
from simulator.console.otlp.intake import OtlpIntake, Takers
from simulator.console.otlp.receiver import PREFIX as RECEIVER
from simulator.console.otlp.receiver import make_receiver
from simulator.console.page.application import make_page
from simulator.console.page.control_answers import ControlAnswers
from simulator.console.page.frame_answers import FrameAnswers
from simulator.console.page.stage_answers import StageAnswers
from simulator.console.page.trace_answers import TraceAnswers
from simulator.console.traces.api import PREFIXES as API
from simulator.console.traces.api import make_api
from simulator.console.traces.forwarding import Forwarder
from simulator.console.watching import Watching
from simulator.telemetry.run_files import CONSOLE_TOKEN_VARIABLE
from simulator.topology.variables import CONTROL_TOKEN_VARIABLE

_MAX_REQUEST_BYTES = 2**20


def assemble(
    watching: Watching,
    addresses: Mapping[str, list[str]],
    forwarder: Forwarder | None,
    port: int,
    environment: Mapping[str, str],
    intake: OtlpIntake,
    time_limit: Callable[[], AbstractContextManager[object]],
) -> Guard:
    """Return the application of the console at `port`.

    `forwarder` of None means that spans are not forwarded, and `intake` takes what arrives by OTLP. `time_limit()`
    bounds how long a body may take to arrive.
    """
    page_server = flask.Flask("simulator.console.page", static_folder=None)
    page_server.config["MAX_CONTENT_LENGTH"] = _MAX_REQUEST_BYTES
    token = environment.get(CONSOLE_TOKEN_VARIABLE, "")
    control_token = environment.get(CONTROL_TOKEN_VARIABLE) or None

    def may_change() -> bool:
        return guard.may_change(flask.request.cookies)

    controls = ControlAnswers(watching, addresses, may_change, control_token)
    answers = FrameAnswers(watching, forwarder, TraceAnswers(watching), StageAnswers(watching), controls)
    page = make_page(page_server, answers)
    policy = partial(_policy, " ".join(f"'{digest.strip(chr(39))}'" for digest in page.csp_hashes()))
    api = make_api(watching.store, watching.unix_ns)
    receiver = make_receiver(intake, time_limit=time_limit)
    others: dict[str, WSGIApplication] = {
        RECEIVER: receiver,
        **dict.fromkeys(API, api),
        HEALTH: health,
        **dict.fromkeys(OTHER_APIS, no_such_api),
    }
    guard = Guard(by_path(others, page_server), token, port, policy)
    return guard


def make_intake(watching: Watching, forwarder: Forwarder | None) -> OtlpIntake:
    """Return what takes the requests of OTLP."""
    takers = Takers(
        traces=watching.store.add,
        logs=watching.take_logs,
        metrics=watching.take_metrics,
        forward=None if forwarder is None else forwarder.offer,
    )
    return OtlpIntake(takers, watching.turns)


def _policy(hashes: str) -> str:
    """Return the page's policy: nothing from other origins, and only its own scripts."""
    allowed = {
        "default-src": "'none'",
        "script-src": f"'self' {hashes}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{what} {sources}" for what, sources in allowed.items())

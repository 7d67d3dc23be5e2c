"""The console as a process: started by a run, and ended with it.

It must be imported after gevent has patched the standard library, which `simulator.cli` sees to.
"""

from __future__ import annotations

import gc
import json
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from wsgiref.types import WSGIApplication

import flask
import gevent
import gevent.event
import gevent.os
from gevent.pool import Pool

from simulator.console.front import HEALTH, by_path, health
from simulator.console.guard import Guard
from simulator.console.metrics.fetching import fetch
from simulator.console.metrics.scraper import Scraper, targets_of
from simulator.console.page.application import make_page
from simulator.console.page.control_answers import ControlAnswers
from simulator.console.page.frame_answers import FrameAnswers
from simulator.console.page.stage_answers import StageAnswers
from simulator.console.page.trace_answers import TraceAnswers
from simulator.console.traces.api import make_api
from simulator.console.traces.destination import destination_from
from simulator.console.traces.passing import Passer, Standing
from simulator.console.traces.receiver import PATH as RECEIVER
from simulator.console.traces.receiver import make_receiver
from simulator.console.traces.store import TraceStore
from simulator.console.watching import Watching
from simulator.stage.control import TOKEN_VARIABLE as CONTROL_TOKEN_VARIABLE
from simulator.stage.server import StageServer
from simulator.telemetry.record import Clock
from simulator.telemetry.run_files import CONSOLE_TOKEN_VARIABLE, RunFiles
from simulator.topology.reader import read_topology

_CONNECTIONS = 1000
_AT_ONCE = 16
_BODY_SECONDS = 10.0
_PASS_ON_SECONDS = 4.0


def run_console(folder: Path, listen_fd: int, parent_fd: int, environment: Mapping[str, str]) -> int:
    """Show a run until SIGTERM, or until whoever started this is gone."""
    stop = gevent.event.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    gevent.spawn(_when_closed, parent_fd, stop.set)
    files, clock, store = RunFiles(folder), Clock(), TraceStore()
    topology = read_topology(files.topology)
    addresses = json.loads(files.addresses.read_text())
    nudged = gevent.event.Event()
    scraper = Scraper(targets_of(addresses), fetch, clock.monotonic)
    watching = Watching(topology, files, store, scraper, clock, nudged.set)
    destination = destination_from(environment)
    passer = Passer(destination) if destination is not None else None
    listener = socket.socket(fileno=listen_fd)
    listener.setblocking(False)
    application = _application(watching, addresses, passer, listener.getsockname()[1], environment)
    server = StageServer(listener, application, _CONNECTIONS, lambda: None, lambda _: None)
    server.start()
    gc.collect()
    gc.freeze()
    gevent.spawn(_look_again_and_again, watching, nudged)
    stop_passing, passing = threading.Event(), None
    if passer is not None:
        passing = gevent.spawn(passer.run, stop_passing)
    stop.wait()
    server.stop(timeout=0)
    stop_passing.set()
    if passing is not None and passer is not None:
        passing.join(_PASS_ON_SECONDS)
        _tell_losses(passer.standing())
    return 0


def _tell_losses(standing: Standing) -> None:
    lost = standing.spans_dropped + standing.spans_waiting
    if lost:
        why = f": {standing.problem}" if standing.problem else ""
        sys.stderr.write(f"{lost:,} spans were not passed on to {standing.endpoint}{why}\n")


def _application(
    watching: Watching,
    addresses: Mapping[str, list[str]],
    passer: Passer | None,
    port: int,
    environment: Mapping[str, str],
) -> Guard:
    page_server = flask.Flask("simulator.console.page", static_folder=None)
    token = environment.get(CONSOLE_TOKEN_VARIABLE, "")
    control_token = environment.get(CONTROL_TOKEN_VARIABLE) or None

    def may_change() -> bool:
        return guard.may_change(flask.request.cookies)

    controls = ControlAnswers(watching, addresses, may_change, control_token)
    answers = FrameAnswers(watching, passer, TraceAnswers(watching), StageAnswers(watching), controls)
    page = make_page(page_server, answers)
    policy = partial(_policy, " ".join(f"'{digest.strip(chr(39))}'" for digest in page.csp_hashes()))
    page_server.register_blueprint(make_api(watching.store))
    receiver = make_receiver(
        watching.store.add,
        passer.offer if passer is not None else None,
        time_limit=lambda: gevent.Timeout(_BODY_SECONDS, TimeoutError),
    )
    others: dict[str, WSGIApplication] = {RECEIVER: receiver, HEALTH: health}
    guard = Guard(by_path(others, page_server), token, port, policy)
    return guard


def _policy(hashes: str) -> str:
    """Give the policy of the page: nothing from anywhere else, and no script but those that belong to it."""
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


def _look_again_and_again(watching: Watching, nudged: gevent.event.Event) -> None:
    def for_each(visit: Callable[[object], None], targets: Iterable[object]) -> None:
        for _ in Pool(_AT_ONCE).imap_unordered(visit, targets):
            pass

    while True:
        watching.look(for_each)  # type: ignore[arg-type]
        nudged.clear()
        nudged.wait(watching.due_in_seconds())


def _when_closed(descriptor: int, stop: Callable[[], None]) -> None:
    gevent.os.tp_read(descriptor, 1)
    stop()

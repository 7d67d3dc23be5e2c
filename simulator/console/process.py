"""The console as a process: started by a run, and stopped with it.

It must be imported after gevent has patched the standard library, which its command ensures.
"""

from __future__ import annotations

import gc
import json
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import gevent.socket
from gevent.pool import Pool

from simulator.console.assembly import assemble, make_intake
from simulator.console.metrics.fetching import fetch
from simulator.console.metrics.scraper import Scraper, targets_of
from simulator.console.otlp.accepted import TRACES
from simulator.console.otlp.intake import MAX_BYTES, OtlpIntake
from simulator.console.otlp.json_form import json_reader
from simulator.console.otlp.plain_bodies import PlainBodies
from simulator.console.traces.destination import destination_from
from simulator.console.traces.forwarding import Forwarder, ForwarderStatus
from simulator.console.traces.store import TraceStore
from simulator.console.turns import Turns
from simulator.console.watching import Watching
from simulator.stage.server import StageServer
from simulator.stage.threads import in_thread
from simulator.telemetry.clock import SystemClock
from simulator.telemetry.otlp import GRPC
from simulator.telemetry.otlp_batch import Transport
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_transport import InThread, transport_to
from simulator.telemetry.run_files import RunFiles
from simulator.telemetry.tally import SPANS_FORWARDED, SPANS_OFFERED, Tally
from simulator.topology.reader import read_topology

_HOST = "127.0.0.1"
_CONNECTIONS = 1000
_CONCURRENCY = 16
_BODY_SECONDS = 10.0
_FORWARD_SECONDS = 4.0
_PAUSE_AFTER_ERROR_SECONDS = 5.0


def run_console(
    folder: Path, listen_fd: int, parent_fd: int, environment: Mapping[str, str], grpc_port: int | None = None
) -> int:
    """Show a run until SIGTERM, or until the process that started this one is gone.

    `grpc_port` of None means that OTLP is taken only over HTTP. Raise StartError if that port is taken.
    """
    stop = gevent.event.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    gevent.spawn(_when_closed, parent_fd, stop.set)
    turns = Turns(partial(gevent.sleep, 0))
    files, clock, store = RunFiles(folder), SystemClock(), TraceStore(turns=turns)
    topology = read_topology(files.topology)
    addresses = json.loads(files.addresses.read_text())
    nudged = gevent.event.Event()
    scraper = Scraper(targets_of(addresses), fetch, clock.now)
    watching = Watching(topology, files, store, scraper, clock, nudged.set, turns)
    call = in_thread
    if grpc_port is not None:
        from simulator.console.otlp.grpc_receiver import let_greenlets_serve  # noqa: PLC0415 - grpcio need not be there

        let_greenlets_serve()
        call = _directly  # then grpcio waits as gevent does, and must not in a real thread
    destination = destination_from(environment)
    forwarder = _make_forwarder(destination, files, call) if destination is not None else None
    listener = socket.socket(fileno=listen_fd)
    listener.setblocking(False)
    intake, port = make_intake(watching, forwarder), listener.getsockname()[1]
    application = assemble(watching, addresses, forwarder, port, environment, intake, _body_time_limit)
    server = StageServer(listener, application, _CONNECTIONS, lambda: None, lambda _: None)
    server.start()
    grpc_server = _start_grpc(intake, grpc_port) if grpc_port is not None else None
    gc.collect()
    gc.freeze()
    gevent.spawn(_keep_looking, watching, nudged)
    stop_forwarding, forwarding = threading.Event(), None
    if forwarder is not None:
        forwarding = gevent.spawn(forwarder.run, stop_forwarding)
    stop.wait()
    server.stop(timeout=0)
    if grpc_server is not None:
        grpc_server.stop(0)
    stop_forwarding.set()
    if forwarding is not None and forwarder is not None:
        forwarding.join(_FORWARD_SECONDS)
        _report_losses(forwarder.status())
    return 0


def _start_grpc(intake: OtlpIntake, port: int) -> Any:
    from simulator.console.otlp.grpc_receiver import start_grpc_receiver  # noqa: PLC0415 - grpcio need not be there

    return start_grpc_receiver(intake, f"{_HOST}:{port}")


def _directly(function: Callable[[], Any]) -> Any:
    return function()


def _make_forwarder(destination: Destination, files: RunFiles, call: InThread) -> Forwarder:
    tally = Tally.create(files.console_tally, [SPANS_OFFERED, SPANS_FORWARDED])
    return Forwarder(destination, count=tally.add, connect=partial(_connect, destination, call))


def _connect(destination: Destination, call: InThread, headers: Mapping[str, str]) -> Transport:
    """Return the transport to the user's own collector."""
    transport = transport_to(destination, headers, call)
    if destination.protocol != GRPC:
        return transport
    return PlainBodies(transport, json_reader(TRACES, Turns(partial(gevent.sleep, 0))), MAX_BYTES)


def _body_time_limit() -> gevent.Timeout:
    return gevent.Timeout(_BODY_SECONDS, TimeoutError)


def _report_losses(status: ForwarderStatus) -> None:
    lost = status.spans_dropped + status.spans_waiting
    if lost:
        why = f": {status.problem}" if status.problem else ""
        sys.stderr.write(f"{lost:,} spans were not forwarded to {status.endpoint}{why}\n")


def _keep_looking(watching: Watching, nudged: gevent.event.Event) -> None:
    def for_each(visit: Callable[[object], None], targets: Iterable[object]) -> None:
        for _ in Pool(_CONCURRENCY).imap_unordered(visit, targets):
            pass

    while True:
        try:
            watching.look(for_each)  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001 - one failed look must not be the last one
            traceback.print_exc()
            gevent.sleep(_PAUSE_AFTER_ERROR_SECONDS)
        nudged.clear()
        nudged.wait(watching.due_in_seconds())


def _when_closed(descriptor: int, stop: Callable[[], None]) -> None:
    gevent.socket.wait_read(descriptor)
    stop()

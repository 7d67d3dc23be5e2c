"""Everything a stage process is made of, put together.

With `process` and `server` this is all that knows gevent: the other modules get their sleep, threads and time limits
from here.
"""

from __future__ import annotations

import itertools
import secrets
import socket
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
import gevent.fileobject
from flask import Flask
from gevent import monkey
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

import simulator
from simulator.behaviour.draws import message_id
from simulator.behaviour.pacing import make_pace
from simulator.stage.app import Front, create_app
from simulator.stage.capacity import Capacity
from simulator.stage.downstream import MAX_ANSWER_BYTES, Sender, TooSlow, as_sent
from simulator.stage.handling import Behaviour, Handling
from simulator.stage.injector import Injector, Watcher, bounded_lines, from_lines, made_up, open_lines
from simulator.stage.keeping import Discarding, JsonLinesKeeper, Keeper
from simulator.stage.listening import listen
from simulator.stage.probes import beside, make_probes
from simulator.stage.server import SPARE_CONNECTIONS, StageServer
from simulator.stage.transport import LeanAdapter
from simulator.telemetry import traces
from simulator.telemetry.exporting import BoundedProcessor, PatientExporter
from simulator.telemetry.lines import LineWriter
from simulator.telemetry.logs import LogSink, forward_library_warnings, make_logger
from simulator.telemetry.metrics import Metrics
from simulator.telemetry.observe import Observer, Sink
from simulator.telemetry.otlp import exports_spans, traces_endpoint
from simulator.telemetry.record import Clock, Via
from simulator.telemetry.schedule import ScheduleWatcher
from simulator.telemetry.tally import DISCONNECTS, Tally, TallySink
from simulator.topology.model import Load, Role, Stage
from simulator.topology.settings import StageSettings

_OUTGOING_CONNECTIONS = 4096


@dataclass(frozen=True)
class Surroundings:
    """What the runner gives a stage that it starts; a stage by itself has none of it.

    `listen_fd` is a socket that listens already, `tally_path` the file to count in, `parent_fd` a pipe that closes when
    the runner is gone.
    """

    listen_fd: int | None = None
    tally_path: Path | None = None
    parent_fd: int | None = None


@dataclass
class State:
    """Where in its life a stage is."""

    ready: bool = False
    draining: bool = False


@dataclass(frozen=True)
class Parts:
    """The parts of one stage process; `inject` runs its own load, None where it has none."""

    host: str
    port: int
    seed: int
    state: State
    logger: FilteringBoundLogger
    writer: LineWriter
    provider: TracerProvider
    capacity: Capacity
    keeper: Keeper
    server: StageServer
    injector: Injector | None
    inject: Callable[[], None] | None


def assemble(settings: StageSettings, surroundings: Surroundings, environment: Mapping[str, str]) -> Parts:
    """Make all the parts of a stage. Raise StartError where a port or a file can't be had."""
    stage, clock, state = settings.stage, Clock(), State()
    seed = settings.seed if settings.seed is not None else secrets.randbits(63)
    listener = _listener(settings, surroundings.listen_fd)
    keeper: Keeper = JsonLinesKeeper(Path(stage.output)) if stage.output else Discarding()
    lines = _input_lines(stage.input, stage.max_body_bytes) if stage.input is not None else None
    identity = {"service": settings.name, "stage": settings.name, "role": str(stage.role)}
    writer = _line_writer(identity)
    logger = make_logger(writer.write, settings.log_level, **identity)
    forward_library_warnings(logger)
    capacity = Capacity(stage.workers, stage.queue, clock.monotonic)
    tally = Tally(surroundings.tally_path) if surroundings.tally_path else None
    registry = CollectorRegistry()
    metrics = _metrics(registry, settings, capacity, clock, seed)
    traces.mend_propagation(environment)
    provider = traces.make_provider(settings.name, settings.topology, str(uuid.uuid4()), simulator.__version__)
    _export(provider, logger, metrics, clock, environment)
    spans = traces.SpanSink(provider, settings.name, str(stage.role), str(stage.delay))
    sinks: list[Sink] = [LogSink(logger), metrics, spans]
    if tally is not None:
        sinks.append(TallySink(tally, lambda: capacity.waiting))
    handling = Handling(
        Behaviour(settings.name, seed, stage.delay, stage.faults, tuple(down.name for down in settings.downstreams)),
        capacity,
        _sender(settings, clock),
        keeper,
        Observer(sinks, clock),
        clock,
        gevent.sleep,
        traces.current_trace,
    )
    app = create_app(_front(settings, state, handling, metrics, clock, seed))
    _instrument(app, provider, settings)
    probes = make_probes(registry, metrics.roll, lambda: state.ready)
    server = StageServer(
        listener,
        beside(probes, app, clock.monotonic),
        stage.workers + stage.queue + SPARE_CONNECTIONS,
        _on_disconnect(metrics, tally),
        lambda status: metrics.record_unrouted_request("", "", status, 0.0),
    )
    injector = inject = None
    if stage.role is Role.INJECTOR and (stage.load is not None or lines is not None):
        watcher = ScheduleWatcher(metrics, tally, logger)
        via = Via.SCHEDULE if lines is None else Via.INPUT
        injector = Injector(settings.name, seed, handling, watcher, clock, spans.root, gevent.spawn, via)
        inject = _inject(injector, watcher, stage, lines, seed, settings.name)
    host, port = listener.getsockname()[:2]
    return Parts(host, port, seed, state, logger, writer, provider, capacity, keeper, server, injector, inject)


def _listener(settings: StageSettings, listen_fd: int | None) -> socket.socket:
    if listen_fd is not None:
        return socket.socket(fileno=listen_fd)
    return listen(settings.host, settings.port, settings.name)


def _input_lines(path: str, max_bytes: int) -> Iterator[bytes]:
    if path != "-" and not Path(path).is_fifo():
        return bounded_lines(open_lines(path), max_bytes)
    return _lines_in_a_thread(sys.stdin.fileno() if path == "-" else path, max_bytes)


def _lines_in_a_thread(source: int | str, max_bytes: int) -> Iterator[bytes]:
    """Give the lines of a pipe that may be silent for long: read in a thread, so that nothing else waits."""
    pool = gevent.get_hub().threadpool
    file = pool.apply(open, (source, "rb"), {"closefd": isinstance(source, str)})
    yield from bounded_lines(gevent.fileobject.FileObjectThread(file, "rb"), max_bytes)


def _line_writer(identity: Mapping[str, str]) -> LineWriter:
    """Make the writer of standard output; its thread is one of the operating system, not one of gevent's."""
    start_new_thread = monkey.get_original("_thread", "start_new_thread")

    def dropped(count: int) -> bytes:
        lines: list[bytes] = []
        make_logger(lines.append, "info", **identity).warning("logs.dropped", lines=count)
        return lines[0]

    return LineWriter(
        sys.stdout.fileno(),
        lambda run: start_new_thread(run, ()),
        monkey.get_original("threading", "Event"),
        monkey.get_original("time", "sleep"),
        dropped,
    )


def _metrics(
    registry: CollectorRegistry, settings: StageSettings, capacity: Capacity, clock: Clock, seed: int
) -> Metrics:
    stage = settings.stage
    names = tuple(downstream.name for downstream in settings.downstreams)
    metrics = Metrics(registry, settings.name, str(stage.role), stage.path, clock, names)
    metrics.add_gauge("simulator_in_flight", "Messages inside the stage", lambda: capacity.inside)
    metrics.add_gauge("simulator_workers", "Messages that can be processed at once", lambda: capacity.workers)
    metrics.add_gauge("simulator_workers_busy", "Workers that hold a message", lambda: capacity.busy)
    metrics.add_gauge("simulator_queue_depth", "Messages waiting for a worker", lambda: capacity.waiting)
    metrics.add_gauge("simulator_queue_capacity", "Messages that may wait", lambda: capacity.queue)
    metrics.add_info(version=simulator.__version__, seed=str(seed), delay=str(stage.delay))
    metrics.add_process_metrics()
    return metrics


def _export(
    provider: TracerProvider,
    logger: FilteringBoundLogger,
    metrics: Metrics,
    clock: Clock,
    environment: Mapping[str, str],
) -> None:
    if not exports_spans(environment):
        return
    endpoint = traces_endpoint(environment)
    inner = traces.make_exporter(environment)
    exporter = PatientExporter(inner, logger, metrics.record_dropped_spans, clock.monotonic, endpoint)
    provider.add_span_processor(BoundedProcessor(exporter, metrics.record_dropped_spans))


def _sender(settings: StageSettings, clock: Clock) -> Sender:
    connections = min(_OUTGOING_CONNECTIONS, settings.stage.workers)
    adapter = LeanAdapter(connections, MAX_ANSWER_BYTES, monkey.get_original("select", "poll"))
    return Sender(settings.name, settings.downstreams, connections, clock.monotonic, _time_limit, adapter)


def _time_limit(seconds: float) -> AbstractContextManager[object]:
    return gevent.Timeout(seconds, TooSlow)  # type: ignore[no-any-return]


def _front(
    settings: StageSettings, state: State, handling: Handling, metrics: Metrics, clock: Clock, seed: int
) -> Front:
    numbers = itertools.count(1)
    return Front(
        stage=settings.name,
        path=settings.stage.path,
        max_body_bytes=settings.stage.max_body_bytes,
        callers=frozenset(settings.callers),
        handling=handling,
        metrics=metrics,
        clock=clock,
        new_message_id=lambda: message_id(seed, f"{settings.name}/http", next(numbers)),
        current_trace=traces.current_trace,
        draining=lambda: state.draining,
    )


def _on_disconnect(metrics: Metrics, tally: Tally | None) -> Callable[[], None]:
    def count() -> None:
        metrics.record_disconnect()
        if tally is not None:
            tally.add(DISCONNECTS)

    return count


def _inject(
    injector: Injector, watcher: Watcher, stage: Stage, lines: Iterator[bytes] | None, seed: int, name: str
) -> Callable[[], None]:
    load = stage.load or Load()

    def run() -> None:
        if lines is None:
            drafts = made_up(load.messages)
        else:
            drafts = from_lines(lines, watcher, stage.on_bad_line, stage.max_body_bytes, load.messages)
        if load.rate_per_second is None:
            injector.run_closed(drafts, min(load.concurrency, stage.workers))
        else:
            injector.run_paced(drafts, make_pace(load.arrivals, load.rate_per_second, seed, name))

    return run


def _instrument(app: Flask, provider: TracerProvider, settings: StageSettings) -> None:
    """Let the Flask and requests instrumentations make their spans with the stage's provider.

    The one for requests replaces a method of `requests.Session` for the whole process, so it belongs here and not with
    the session.
    """
    names = {as_sent(downstream.url): downstream.name for downstream in settings.downstreams}

    def name_peer(span: Any, request: Any) -> None:
        span.set_attribute("peer.service", names.get(request.url, ""))

    no_metrics = NoOpMeterProvider()
    instrument_app: Any = FlaskInstrumentor.instrument_app
    instrument_app(app, tracer_provider=provider, meter_provider=no_metrics, enable_commenter=False)
    RequestsInstrumentor().instrument(tracer_provider=provider, meter_provider=no_metrics, request_hook=name_peer)

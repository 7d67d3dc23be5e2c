"""The assembly of all parts of a stage.

Most other modules do not know gevent: they get their sleep, tasks and time limits from here.
"""

from __future__ import annotations

import itertools
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import TracerProvider
from structlog.typing import FilteringBoundLogger

from simulator.behaviour.draws import message_id
from simulator.engine.attempts import Attempts
from simulator.engine.calls import Calls
from simulator.engine.capacity import Capacity
from simulator.engine.handling import Handling
from simulator.engine.identity import Identity
from simulator.engine.injection import Behaviour
from simulator.engine.live import LiveStage
from simulator.engine.output import Discarding, Output
from simulator.engine.runtime import Runtime
from simulator.engine.sender import Sender
from simulator.net.listening import listen
from simulator.stage import control
from simulator.stage.app import Front, create_app
from simulator.stage.instrumentation import continue_traces, instrument_app
from simulator.stage.intake import SPARE_BYTES, HeldBodies
from simulator.stage.machine import RealMachine
from simulator.stage.outgoing import make_sender, tls_for
from simulator.stage.output_file import JsonLinesOutput
from simulator.stage.probes import PATHS, beside, make_probes
from simulator.stage.server import SPARE_CONNECTIONS, StageServer
from simulator.stage.shared import Shared
from simulator.stage.signals import Signals, expect_faults, info_labels, make_signals
from simulator.stage.travel import RunIdentity, clock_id
from simulator.telemetry import traces
from simulator.telemetry.lines import LineWriter
from simulator.telemetry.log_file import LogBound
from simulator.telemetry.observe import Observer
from simulator.telemetry.stage_exports import StageExports
from simulator.telemetry.tally import DISCONNECTS, Tally
from simulator.topology.graph import headers_of
from simulator.topology.headers import values_for
from simulator.topology.model import Role, Stage
from simulator.topology.settings import StageSettings
from simulator.topology.variables import CONTROL_TOKEN_VARIABLE, SECRET_VARIABLE

if TYPE_CHECKING:
    from simulator.engine.injector import Injector
    from simulator.stage.truth import StageTruth


@dataclass(frozen=True)
class Surroundings:
    """What the runner gives to a stage that it starts; a stage on its own has little of it.

    `listen_fd` is a socket that listens already, `tally_path` the file to count in, `log_bound` says which file takes
    the log and how much of it is kept; without it the log goes to standard output. `truth_bound` says the same of the
    truth; without it there is none. `ignored` are the variables that were left out of its environment because its
    topology names it, each with the reason.
    """

    listen_fd: int | None = None
    tally_path: Path | None = None
    log_bound: LogBound | None = None
    truth_bound: LogBound | None = None
    ignored: tuple[tuple[str, str], ...] = ()


@dataclass
class State:
    """The state of a stage's life cycle."""

    ready: bool = False
    draining: bool = False


@dataclass(frozen=True)
class Parts:
    """The parts of one stage; `inject` runs its load, None if it has none."""

    host: str
    port: int
    seed: int
    state: State
    logger: FilteringBoundLogger
    writer: LineWriter
    provider: TracerProvider
    exports: StageExports
    truth: StageTruth | None
    capacity: Capacity
    handling: Handling
    output: Output
    server: StageServer
    injector: Injector | None
    inject: Callable[[], None] | None


def assemble(
    settings: StageSettings, surroundings: Surroundings, environment: Mapping[str, str], shared: Shared
) -> Parts:
    """Return all the parts of a stage. Raise StartError if a port or a file can't be used.

    Raise ConfigurationError if the environment lacks a variable that a header names.
    """
    stage, runtime, state = settings.stage, shared.runtime, State()
    variables = values_for(headers_of(stage), environment)
    run = RunIdentity(environment.get(SECRET_VARIABLE, ""), clock_id())
    tls = tls_for(settings.downstreams, environment)
    seed = settings.seed if settings.seed is not None else secrets.randbits(63)
    listener = _listener(settings, surroundings.listen_fd)
    output: Output = JsonLinesOutput(Path(stage.output)) if stage.output else Discarding()
    lines = _input_lines(stage)
    capacity = Capacity(stage.workers, stage.queue, runtime)
    tally = Tally(surroundings.tally_path) if surroundings.tally_path else None
    signals = make_signals(
        settings,
        seed,
        capacity,
        tally,
        runtime,
        environment,
        shared,
        surroundings.log_bound,
        surroundings.truth_bound,
    )
    sender = make_sender(settings, signals, runtime, tls, variables, run)
    handling = _handling(settings, seed, signals, capacity, output, sender, runtime)
    injector, inject = _load(handling, runtime, signals, tally, lines)
    held = HeldBodies(lambda: (capacity.workers + capacity.queue) * stage.max_body_bytes + SPARE_BYTES)
    app = create_app(_front(settings, state, handling, held, signals, runtime, seed, run))
    if stage.has_server_span:
        instrument_app(app, signals.provider)
    else:
        continue_traces(app)
    probes = make_probes(signals.registry, signals.metrics.roll, lambda: state.ready)
    live = LiveStage(
        handling,
        capacity,
        injector,
        lambda now: _show_change(signals, seed, now),
        variables,
        settings.limits,
        settings.decisions,
    )
    token = environment.get(CONTROL_TOKEN_VARIABLE) or None
    controls = control.make_control(live, token, signals.logger, signals.metrics.record_control)
    server = StageServer(
        listener,
        # Of the instrumented application, without what Flask would pass each message through first.
        shared.at_work.wsgi(
            signals.shown, beside({**dict.fromkeys(PATHS, probes), control.PATH: controls}, app.wsgi_app)
        ),
        stage.workers + stage.queue + SPARE_CONNECTIONS,
        _on_disconnect(signals, tally),
        lambda status: signals.metrics.record_unrouted_request("", "", status, 0.0),
    )
    host, port = listener.getsockname()[:2]
    return Parts(
        host,
        port,
        seed,
        state,
        signals.logger,
        signals.writer,
        signals.provider,
        signals.exports,
        signals.truth,
        capacity,
        handling,
        output,
        server,
        injector,
        None if inject is None else lambda: shared.at_work.run(signals.shown, inject),
    )


def _show_change(signals: Signals, seed: int, now: Stage) -> None:
    signals.metrics.set_info(**info_labels(seed, now.delay))
    expect_faults(signals.metrics, now)


@dataclass(frozen=True)
class Gauged:
    """What the gauges of a stage read."""

    capacity: Capacity
    open_breakers: Callable[[str], int]


def _handling(
    settings: StageSettings,
    seed: int,
    signals: Signals,
    capacity: Capacity,
    output: Output,
    sender: Sender,
    runtime: Runtime,
) -> Handling:
    attempts = Attempts(sender, runtime)
    signals.metrics.watch(Gauged(capacity, attempts.open_breakers))
    identity = Identity(stage=settings.name, seed=seed, topology=settings.topology, instance=settings.instance)
    return Handling(
        Behaviour(identity, settings.stage),
        runtime,
        Observer(signals.sinks, runtime),
        signals.spans,
        capacity=capacity,
        calls=Calls(attempts, runtime, signals.spans),
        output=output,
        machine=RealMachine(lambda: runtime.sleep(0)),
    )


def _input_lines(stage: Stage) -> Iterator[bytes] | None:
    """Return the lines of an injector's input, None if it has none. Raise StartError if they can't be read."""
    if stage.input is None:
        return None
    from simulator.stage.load import input_lines  # noqa: PLC0415 - only injectors need it

    return input_lines(stage.input, stage.max_body_bytes)


def _load(
    handling: Handling, runtime: Runtime, signals: Signals, tally: Tally | None, lines: Iterator[bytes] | None
) -> tuple[Injector, Callable[[], None]] | tuple[None, None]:
    """Return the injector of a stage and what runs its load; neither for a stage without a load."""
    stage = handling.behaviour.model
    if stage.role is not Role.INJECTOR:
        return None, None
    from simulator.engine.load import make_load  # noqa: PLC0415 - only injectors need it
    from simulator.stage.load import pool_of  # noqa: PLC0415
    from simulator.telemetry.schedule import ScheduleWatcher  # noqa: PLC0415

    seconds = signals.truth.seconds if signals.truth is not None else None
    watcher = ScheduleWatcher(signals.metrics, tally, signals.logger, seconds)
    return make_load(handling, runtime, watcher, signals.spans, lines, pool_of(stage)) or (None, None)


def _listener(settings: StageSettings, listen_fd: int | None) -> socket.socket:
    if listen_fd is not None:
        return socket.socket(fileno=listen_fd)
    return listen(settings.host, settings.port, f"stage {settings.name}")


def _front(
    settings: StageSettings,
    state: State,
    handling: Handling,
    held: HeldBodies,
    signals: Signals,
    runtime: Runtime,
    seed: int,
    run: RunIdentity,
) -> Front:
    numbers = itertools.count(1)
    origin = f"{settings.name}/http" if settings.instance == 1 else f"{settings.name}/{settings.instance}/http"
    return Front(
        stage=settings.name,
        max_body_bytes=settings.stage.max_body_bytes,
        held=held,
        callers=frozenset(settings.callers),
        handling=handling,
        metrics=signals.metrics,
        runtime=runtime,
        new_message_id=lambda: message_id(seed, origin, next(numbers)),
        current_trace=traces.current_trace,
        draining=lambda: state.draining,
        identity=run,
    )


def _on_disconnect(signals: Signals, tally: Tally | None) -> Callable[[], None]:
    def count() -> None:
        signals.metrics.record_disconnect()
        if tally is not None:
            tally.add(DISCONNECTS)

    return count

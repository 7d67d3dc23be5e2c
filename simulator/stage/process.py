"""One stage as a process: started, run until a signal, and taken down in order.

It must be imported after gevent has patched the standard library, which `simulator.cli` sees to.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Mapping

import gevent
import gevent.event
import gevent.socket

import simulator
from simulator.net.open_files import allow_many_files
from simulator.stage.assembly import Parts, Surroundings, assemble
from simulator.telemetry.otel_ignored import ignored_variables
from simulator.telemetry.otlp import endpoint_problem, exports_spans, traces_endpoint
from simulator.topology.addresses import url_of
from simulator.topology.settings import StageSettings
from simulator.urls import redacted

# For the answers to what was broken off, and for asking the stages that it waited for.
BREAK_OFF_SECONDS = 3.0
# How long the log of a stage that ends is waited for.
_LOG_SECONDS = 5.0
_POLL_SECONDS = 0.005


def run_stage(settings: StageSettings, surroundings: Surroundings, environment: Mapping[str, str]) -> int:
    """Run a stage until SIGTERM, SIGINT or SIGHUP, and return its exit code. Raise StartError where it can't start."""
    allow_many_files()
    parts = assemble(settings, surroundings, environment)
    stop = _StopRequest()
    if surroundings.parent_fd is not None:
        gevent.spawn(stop.when_closed, surroundings.parent_fd)
    _settle_memory()
    parts.server.start()
    parts.state.ready = True
    _log_start(settings, parts, environment)
    if parts.inject is not None:
        gevent.spawn(parts.inject)
    stop.wait()
    delay_seconds = settings.shutdown_delay_seconds if stop.by_orchestrator else 0.0
    _shut_down(parts, delay_seconds, settings.drain_seconds, stop.hurry)
    return 0


class _StopRequest:
    """SIGTERM, SIGINT, SIGHUP or the end of the runner that started this process.

    A second SIGTERM or SIGINT ends the process at once. A second SIGHUP does not: a terminal that is closed may send
    it twice, once by its shell. Where SIGHUP is ignored from the start, as `nohup` has it, it stays ignored.
    `hurry` is set by SIGUSR1: the time that the runner gives is up. `by_orchestrator` says that it was SIGTERM: others
    than those who stop the stage may still send to it for a while.
    """

    def __init__(self) -> None:
        self._event = gevent.event.Event()
        self.hurry = gevent.event.Event()
        self.by_orchestrator = False
        gevent.signal_handler(signal.SIGUSR1, self.hurry.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, self._on_signal, number)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            gevent.signal_handler(signal.SIGHUP, self._event.set)

    def wait(self) -> None:
        self._event.wait()

    def when_closed(self, descriptor: int) -> None:
        gevent.socket.wait_read(descriptor)
        self._event.set()

    def _on_signal(self, number: int) -> None:
        if self._event.is_set():
            os._exit(130)
        self.by_orchestrator = number == signal.SIGTERM
        self._event.set()


def _shut_down(parts: Parts, delay_seconds: float, bound_seconds: float, hurry: gevent.event.Event) -> None:
    """End a stage so that nothing is lost.

    For `delay_seconds` it takes what comes, and each answer and /readyz say that it will end. Then it listens no
    more, ends idle connections, finishes what was admitted within the bound, breaks off the rest, and tells what is
    untold.
    """
    parts.state.ready, parts.state.draining = False, True
    parts.logger.info("stage.draining", in_flight=parts.capacity.inside, timeout_seconds=bound_seconds)
    if parts.injector is not None:
        parts.injector.stop()
        gevent.sleep(0)  # what was begun already gets in before the door is shut
    hurry.wait(delay_seconds)
    parts.server.close_door()
    _wait_until_idle(parts, bound_seconds, hurry)
    parts.capacity.close()
    unfinished = parts.handling.break_off()
    _wait_until_idle(parts, BREAK_OFF_SECONDS)
    parts.server.stop(timeout=0)
    parts.provider.shutdown()
    parts.logger.info(
        "stage.stopped",
        unfinished=unfinished,
        spans_dropped=parts.exporter.dropped if parts.exporter is not None else 0,
        log_lines_dropped=parts.writer.dropped,
    )
    parts.writer.close(_LOG_SECONDS)
    parts.keeper.close()


def _wait_until_idle(parts: Parts, bound_seconds: float, hurry: gevent.event.Event | None = None) -> None:
    with gevent.Timeout(bound_seconds, False):
        gevent.sleep(0)  # what has come already begins to be read
        parts.server.dismiss_idle()
        while (parts.handling.under_way or parts.server.exchanges) and not (hurry and hurry.is_set()):
            gevent.sleep(_POLL_SECONDS)
            parts.server.dismiss_idle()


def _log_start(settings: StageSettings, parts: Parts, environment: Mapping[str, str]) -> None:
    stage = settings.stage
    parts.logger.info(
        "stage.started",
        version=simulator.__version__,
        address=url_of(parts.host, parts.port, stage.path),
        topology=settings.topology,
        seed=parts.seed,
        delay=str(stage.delay),
        faults=[str(fault) for fault in stage.faults],
        workers=stage.workers,
        queue=stage.queue,
        calls={downstream.name: ", ".join(map(redacted, downstream.urls)) for downstream in settings.downstreams},
        sampler=parts.provider.sampler.get_description(),
        traces_endpoint=redacted(traces_endpoint(environment)) if exports_spans(environment) else None,
        pid=os.getpid(),
    )
    for variable in settings.ignored:
        parts.logger.warning("configuration.ignored", variable=variable, hint="no such setting; see --help")
    for variable, hint in ignored_variables(environment):
        parts.logger.warning("configuration.ignored", variable=variable, hint=hint)
    if exports_spans(environment) and (problem := endpoint_problem(environment)):
        parts.logger.warning("telemetry.endpoint_unusable", hint=f"{problem}; until then spans are dropped")


def _settle_memory() -> None:
    """Spare the garbage collector what lives as long as the process, and let it look less often at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)

"""One running stage: started, and stopped so that nothing is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping

import gevent
import gevent.event

import simulator
from simulator.stage.assembly import Parts, Surroundings, assemble
from simulator.stage.shared import Shared
from simulator.telemetry.lines import Flag
from simulator.telemetry.otel_ignored import ignored_variables
from simulator.telemetry.otlp import endpoint_of, endpoint_problem, exports, exports_spans, traces_endpoint
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.tally import dropped_slot
from simulator.topology.addresses import base_path, url_of
from simulator.topology.instance_values import resource_of
from simulator.topology.layers import variable_hint
from simulator.topology.settings import StageSettings
from simulator.urls import redacted

# For sending the answers to what was broken off.
BREAK_OFF_SECONDS = 3.0
# How long a stage that stops waits for its log to be written.
_LOG_SECONDS = 5.0
_POLL_SECONDS = 0.005


class RunningStage:
    """A stage, assembled at construction. Raise StartError if a port or a file can't be used."""

    def __init__(
        self, settings: StageSettings, surroundings: Surroundings, environment: Mapping[str, str], shared: Shared
    ) -> None:
        self.settings = settings
        self._environment = environment
        self._left_out = surroundings.ignored
        self._parts: Parts = assemble(settings, surroundings, environment, shared)
        self._hurry = gevent.event.Event()

    def begin(self) -> None:
        """Take messages from now on, and create some if the stage is an injector."""
        self._parts.server.start()
        self._parts.state.ready = True
        _log_start(self.settings, self._parts, self._environment, self._left_out)
        if self._parts.inject is not None:
            gevent.spawn(self._parts.inject)

    def hurry(self) -> None:
        """Stop waiting for what was admitted, once the stage is shutting down."""
        self._hurry.set()

    @property
    def in_flight(self) -> int:
        """Return how many messages it has."""
        return self._parts.handling.in_flight

    @property
    def is_busy(self) -> bool:
        """Return whether it has messages, or answers that are still being sent."""
        return bool(self.in_flight or self._parts.server.exchanges)

    def close_to_others(self) -> None:
        """Refuse the messages of all but the stages of its circle, which stop with it and may still call back."""
        self._parts.handling.take_only_from(self.settings.circle)

    def shut_down(
        self, delay_seconds: float, wait_for_callers: Callable[[], None], is_circle_busy: Callable[[], bool]
    ) -> None:
        """Shut the stage down so that nothing is lost.

        For `delay_seconds`, and until `wait_for_callers` returns, it takes what arrives, and each answer and /readyz
        say that it will stop. Then it stops listening, ends idle connections, finishes what was admitted within the
        bound, breaks off the rest, and flushes logs and spans. A stage in a circle of calls listens to the others in it
        until `is_circle_busy` says that they have finished: what any of them has admitted may come back.
        """
        parts = self._parts
        parts.state.ready, parts.state.draining = False, True
        bound_seconds = self.settings.drain_seconds
        parts.logger.info("stage.draining", in_flight=parts.capacity.inside, timeout_seconds=bound_seconds)
        if parts.injector is not None:
            parts.injector.stop()
            gevent.sleep(0)  # requests that have started get in before it stops listening
        self._hurry.wait(delay_seconds)
        wait_for_callers()
        begin = time.monotonic()
        if self.settings.circle:
            self.close_to_others()
            self._wait_while(is_circle_busy, bound_seconds, self._hurry)
        parts.server.stop_listening()
        left_seconds = max(0.0, begin + bound_seconds - time.monotonic())
        self._wait_while(lambda: self.is_busy, left_seconds, self._hurry)
        parts.capacity.close()
        unfinished = parts.handling.break_off()
        self._wait_while(lambda: self.is_busy, BREAK_OFF_SECONDS)
        parts.server.stop(timeout=0)
        parts.exports.finish(Signal.TRACES, Signal.METRICS)
        parts.logger.info(
            "stage.stopped",
            unfinished=unfinished,
            spans_dropped=parts.exports.dropped(Signal.TRACES),
            log_lines_dropped=parts.writer.dropped,
            **_also_dropped(parts),
        )
        parts.exports.finish(Signal.LOGS)
        if parts.truth is not None:
            parts.truth.close(_wait_for_writer)
        parts.writer.close(_wait_for_writer)
        parts.output.close()

    def _wait_while(
        self, is_busy: Callable[[], bool], bound_seconds: float, hurry: gevent.event.Event | None = None
    ) -> None:
        server = self._parts.server
        with gevent.Timeout(bound_seconds, False):
            gevent.sleep(0)  # what has arrived starts to be read
            server.dismiss_idle()
            while is_busy() and not (hurry and hurry.is_set()):
                gevent.sleep(_POLL_SECONDS)
                server.dismiss_idle()


def _other_endpoints(environment: Mapping[str, str]) -> dict[str, str]:
    """Return where log records and metrics go, if they are exported."""
    signals = (signal for signal in (Signal.LOGS, Signal.METRICS) if exports(environment, signal))
    return {f"{signal}_endpoint": redacted(endpoint_of(environment, signal)) for signal in signals}


def _also_dropped(parts: Parts) -> dict[str, int]:
    """Return what was lost of the signals that are exported beside spans; of the log only what is known so far."""
    others = (signal for signal in parts.exports.exported() if signal is not Signal.TRACES)
    return {dropped_slot(signal): parts.exports.dropped(signal) for signal in others}


def _wait_for_writer(is_done: Flag) -> bool:
    """Wait for the end of a log while other stages of the process continue."""
    with gevent.Timeout(_LOG_SECONDS, False):
        while not is_done.is_set():
            gevent.sleep(_POLL_SECONDS)
    return is_done.is_set()


def _log_start(
    settings: StageSettings, parts: Parts, environment: Mapping[str, str], left_out: Iterable[tuple[str, str]]
) -> None:
    stage = settings.stage
    parts.logger.info(
        "stage.started",
        version=simulator.__version__,
        address=url_of(parts.host, parts.port, base_path(stage)),
        topology=settings.topology,
        seed=parts.seed,
        delay=str(stage.delay),
        faults=[str(fault) for fault in stage.faults],
        workers=stage.workers,
        queue=stage.queue,
        calls={downstream.name: ", ".join(map(redacted, downstream.urls)) for downstream in settings.downstreams},
        sampler=parts.provider.sampler.get_description(),
        traces_endpoint=redacted(traces_endpoint(environment)) if exports_spans(environment) else None,
        **_other_endpoints(environment),
        pid=os.getpid(),
        **({"resource": resource} if (resource := resource_of(stage, settings.instance)) else {}),
    )
    for variable in settings.ignored:
        parts.logger.warning("configuration.ignored", variable=variable, hint=variable_hint(variable))
    for variable, hint in (*left_out, *ignored_variables(environment)):
        parts.logger.warning("configuration.ignored", variable=variable, hint=hint)
    for signal in Signal:
        if exports(environment, signal) and (problem := endpoint_problem(environment, signal)):
            hint = f"{problem}; until then {signal.words} are dropped"
            parts.logger.warning("telemetry.endpoint_unusable", hint=hint)

"""The telemetry of one stage, assembled: its log, its metrics and its spans."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

import simulator
from simulator.engine.capacity import Capacity
from simulator.errors import StartError
from simulator.stage.shared import Shared
from simulator.telemetry import traces
from simulator.telemetry.at_work import Shown
from simulator.telemetry.clock import Clock
from simulator.telemetry.families import Measured
from simulator.telemetry.late_lines import LateLines
from simulator.telemetry.lines import LineWriter, WriterThread
from simulator.telemetry.log_file import LogBound, LogFile
from simulator.telemetry.logs import LogSink, make_logger
from simulator.telemetry.metric_settings import HistogramAggregation, MetricSettings
from simulator.telemetry.metrics import Metrics, exemplar_of
from simulator.telemetry.observe import Sink
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.record import Outcome
from simulator.telemetry.run_files import create_file
from simulator.telemetry.service import Service, as_the_environment_says, described
from simulator.telemetry.span_export import StageSpans
from simulator.telemetry.stage_exports import StageExports
from simulator.telemetry.tally import LOG_LINES_DELETED, LOG_LINES_DROPPED, Tally, TallySink, dropped_slot
from simulator.topology.graph import calls_of
from simulator.topology.instance_values import resource_of
from simulator.topology.model import Forward, Operation, Role, Stage
from simulator.topology.settings import StageSettings

if TYPE_CHECKING:
    from simulator.stage.truth import StageTruth
    from simulator.telemetry.log_records import LogTee
    from simulator.telemetry.metric_export import MetricSchedule


@dataclass(frozen=True)
class Signals:
    """The log, the metrics and the spans of a stage; `sinks` record its messages.

    `exports` counts what of them did not arrive, `shown` is the telemetry that libraries use. `truth` of None means
    that nobody wants it.
    """

    logger: FilteringBoundLogger
    writer: LineWriter
    registry: CollectorRegistry
    metrics: Metrics
    provider: TracerProvider
    exports: StageExports
    shown: Shown
    spans: traces.SpanSink
    sinks: tuple[Sink, ...]
    truth: StageTruth | None


def make_signals(
    settings: StageSettings,
    seed: int,
    capacity: Capacity,
    tally: Tally | None,
    clock: Clock,
    environment: Mapping[str, str],
    shared: Shared,
    log_bound: LogBound | None = None,
    truth_bound: LogBound | None = None,
) -> Signals:
    """Return the telemetry of a stage, without what it shares with others of its process."""
    stage = settings.stage
    service = _service(settings, environment)
    identity = {"service": service.name, "stage": settings.name, "role": str(stage.role)}
    if stage.instances > 1:
        identity["instance"] = str(settings.instance)
    writer = _line_writer(identity, tally, shared.writer_thread, log_bound)
    provider = traces.make_provider(service, environment)
    tee = _log_tee(writer, shared)
    late = LateLines(shared.runtime.soon, time.time_ns)
    logger = make_logger(late.before(writer.write if tee is None else tee), settings.log_level, **identity)
    registry = CollectorRegistry()
    metrics = _metrics(registry, settings, clock, seed, service.version, shared.metric_settings)
    shared.process_metrics.add_to(registry)
    shown = Shown(provider, logger)
    shared.add(shown)
    exports = StageExports(logger, _on_dropped(metrics, tally), clock.now)
    _export_spans(provider, exports, shared)
    if tee is not None:
        _export_log(tee, provider, exports, shared)
    if shared.metric_schedule is not None:
        _export_metrics(metrics, registry, provider, exports, shared, shared.metric_schedule)
    spans = traces.SpanSink(
        provider, settings.name, str(stage.role), root_name=stage.span or traces.ROOT, databases=_databases(settings)
    )
    sinks: list[Sink] = [LogSink(logger, late), metrics, spans]
    if tally is not None:
        sinks.append(TallySink(tally, lambda: capacity.waiting))
    truth = None
    if truth_bound is not None:
        from simulator.stage.truth import make_truth  # noqa: PLC0415 - only if needed

        truth = make_truth(settings, truth_bound, tally, clock, shared.writer_thread)
        sinks.append(truth.sink)
    return Signals(logger, writer, registry, metrics, provider, exports, shown, spans, tuple(sinks), truth)


def _export_spans(provider: TracerProvider, exports: StageExports, shared: Shared) -> None:
    for route in shared.routes[Signal.TRACES]:
        spans = StageSpans(route.queue, provider.resource, exports.account(route))
        provider.add_span_processor(spans)
        exports.at_end(Signal.TRACES, spans.finish)


def _log_tee(writer: LineWriter, shared: Shared) -> LogTee | None:
    """Return what takes the lines of the log if they are exported, None if they are only written."""
    if not shared.routes[Signal.LOGS]:
        return None
    from simulator.telemetry.log_records import LogTee  # noqa: PLC0415 - only if needed

    return LogTee(writer.write)


def _export_log(tee: LogTee, provider: TracerProvider, exports: StageExports, shared: Shared) -> None:
    from simulator.telemetry.log_records import StageLog  # noqa: PLC0415 - only if needed

    for route in shared.routes[Signal.LOGS]:
        log = StageLog(route.queue, provider.resource, exports.account(route))
        tee.add(log)
        exports.at_end(Signal.LOGS, log.close)


def _export_metrics(
    metrics: Metrics,
    registry: CollectorRegistry,
    provider: TracerProvider,
    exports: StageExports,
    shared: Shared,
    schedule: MetricSchedule,
) -> None:
    from simulator.telemetry.data_points import MetricsReader  # noqa: PLC0415 - only if needed
    from simulator.telemetry.metric_export import StageMetrics  # noqa: PLC0415 - only if needed

    for route in shared.routes[Signal.METRICS]:
        resource, is_delta = provider.resource, shared.metric_settings.is_delta
        reader = MetricsReader(registry, resource, metrics.exponentials, is_delta)
        exported = StageMetrics(route.queue, resource, exports.account(route), reader, metrics.roll)
        schedule.add(exported)
        exports.at_end(Signal.METRICS, exported.close)


def _service(settings: StageSettings, environment: Mapping[str, str]) -> Service:
    several = settings.stage.instances > 1
    own = Service(
        name=settings.name,
        namespace=settings.topology,
        instance_id=f"{settings.name}-{settings.instance}" if several else str(uuid.uuid4()),
    )
    return as_the_environment_says(described(own, resource_of(settings.stage, settings.instance)), environment)


def info_labels(seed: int, delay: object) -> dict[str, str]:
    """Return the labels of `simulator_info`."""
    return {"version": simulator.__version__, "seed": str(seed), "delay": str(delay)}


def _line_writer(
    identity: Mapping[str, str], tally: Tally | None, thread: WriterThread, log_bound: LogBound | None
) -> LineWriter:
    """Return the writer of the log."""
    descriptor = _log_descriptor(log_bound)

    def tell(name: str) -> Callable[[int], None]:
        return lambda count: tally.set(name, count) if tally is not None else None

    def dropped(count: int) -> bytes:
        lines: list[bytes] = []
        make_logger(lines.append, "info", **identity).warning("logs.dropped", lines=count)
        return lines[0]

    return LineWriter(
        descriptor,
        thread,
        dropped,
        on_loss=tell(LOG_LINES_DROPPED),
        file=LogFile(descriptor, log_bound, tell(LOG_LINES_DELETED)) if log_bound is not None else None,
    )


def _log_descriptor(log_bound: LogBound | None) -> int:
    if log_bound is None:
        return sys.stdout.fileno()
    try:
        with create_file(log_bound.path) as file:
            return os.dup(file.fileno())
    except OSError as error:
        raise StartError(f"{log_bound.path} can't be written: {error.strerror}") from None


def _metrics(
    registry: CollectorRegistry,
    settings: StageSettings,
    clock: Clock,
    seed: int,
    version: str = "",
    form: MetricSettings | None = None,
) -> Metrics:
    stage = settings.stage
    operations = stage.all_operations
    objectives = [operation.slo.latency for operation in operations.values() if operation.slo is not None]
    measured = Measured(
        stage=settings.name,
        role=str(stage.role),
        operations=tuple(operations),
        calls=tuple(dict.fromkeys((call.to, call.operation) for _, call in calls_of(stage))),
        names_called=any(operation for downstream in settings.downstreams for operation in downstream.routes),
        labels=stage.labels,
        service_version=version,
        latency_objectives=tuple(objective.seconds for objective in objectives if objective is not None),
        databases=_databases(settings),
        injects=stage.role is Role.INJECTOR,
        requests=_requests(settings),
        accepting={
            name: _success(operation) for name, operation in operations.items() if operation.forward is Forward.ACCEPT
        },
    )
    form = form or MetricSettings()
    metrics = Metrics(registry, measured, clock, exemplar_of(form.exemplars), _exponential(form))
    metrics.set_info(**info_labels(seed, stage.delay))
    expect_faults(metrics, stage)
    return metrics


def _exponential(form: MetricSettings) -> Callable[[], Any] | None:
    if form.histograms is HistogramAggregation.EXPLICIT:
        return None
    from simulator.telemetry.exponential import ExponentialHistogram  # noqa: PLC0415 - only if needed

    return ExponentialHistogram


def _requests(settings: StageSettings) -> dict[str, Outcome]:
    """Return what the requests ask for that are expected to begin at a stage, with the outcome of one that succeeds."""
    stage = settings.stage
    if stage.role is Role.INJECTOR:
        from simulator.topology.requests import requests_of  # noqa: PLC0415 - only an injector needs it

        return dict.fromkeys(requests_of(settings.name, stage), Outcome.FORWARDED)
    if settings.callers:
        return {}
    return {name: _success(operation) for name, operation in stage.all_operations.items()}


def _success(operation: Operation) -> Outcome:
    return Outcome.FORWARDED if operation.calls else Outcome.DELIVERED


def _databases(settings: StageSettings) -> dict[tuple[str, str], Mapping[str, str]]:
    """Return the attributes of the operations of databases that the stage may call."""
    return {
        (downstream.name, operation): route.database.attributes
        for downstream in settings.downstreams
        for operation, route in downstream.routes.items()
        if route.database is not None
    }


def expect_faults(metrics: Metrics, stage: Stage) -> None:
    """Create the counters of a stage's faults, at zero."""
    for name, operation in stage.all_operations.items():
        metrics.expect_faults((fault.name for fault in operation.faults), name)


def _on_dropped(metrics: Metrics, tally: Tally | None) -> Callable[[Signal, int], None]:
    def record(signal: Signal, count: int) -> None:
        metrics.record_dropped(signal, count)
        if tally is not None:
            tally.add(dropped_slot(signal), count)

    return record

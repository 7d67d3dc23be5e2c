"""The destinations of a process's telemetry, each with a queue of its own, so that none waits for another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulator.telemetry.batching import LOGS_PREFIX, Batching, read_batching
from simulator.telemetry.encoding import SpanEncoder
from simulator.telemetry.exporting import ExportQueue, PatientExporter
from simulator.telemetry.metric_settings import read_metric_settings
from simulator.telemetry.otlp import exports
from simulator.telemetry.otlp_destination import Destination, read_destination
from simulator.telemetry.otlp_sending import OtlpSender
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.otlp_transport import InThread, exporter_transport

Routes = Mapping[Signal, Sequence["ExportRoute"]]


@dataclass(frozen=True)
class ExportRoute:
    """The way of one signal to one destination, which the stages of a process share."""

    signal: Signal
    endpoint: str
    queue: ExportQueue[Any]


def export_routes(environment: Mapping[str, str], monotonic: Callable[[], float], in_thread: InThread) -> Routes:
    """Return where each signal goes. What only logs or metrics need is imported only if they go anywhere.

    `in_thread` is as `transport_to` has it.
    """
    return {signal: list(_collector_routes(environment, signal, monotonic, in_thread)) for signal in Signal}


def _collector_routes(
    environment: Mapping[str, str], signal: Signal, monotonic: Callable[[], float], in_thread: InThread
) -> Iterator[ExportRoute]:
    if not exports(environment, signal):
        return
    destination = read_destination(environment, signal)
    if signal is Signal.TRACES:
        encode: Callable[[Sequence[Any]], bytes] = SpanEncoder().encode
        batching = read_batching(environment)
    elif signal is Signal.LOGS:
        from simulator.telemetry.log_encoding import LogEncoder  # noqa: PLC0415 - only if needed

        encode, batching = LogEncoder().encode, read_batching(environment, LOGS_PREFIX)
    else:
        from simulator.telemetry.metric_encoding import encode_data_points  # noqa: PLC0415 - only if needed
        from simulator.telemetry.metric_export import METRIC_BATCHING  # noqa: PLC0415 - only if needed

        encode, batching = encode_data_points, METRIC_BATCHING
        longest = read_metric_settings(environment).timeout_seconds
        destination = replace(destination, timeout_seconds=min(destination.timeout_seconds, longest))
    yield collector_route(signal, destination, encode, batching, monotonic, in_thread)


def collector_route(
    signal: Signal,
    destination: Destination,
    encode: Callable[[Sequence[Any]], bytes],
    batching: Batching,
    monotonic: Callable[[], float],
    in_thread: InThread,
) -> ExportRoute:
    """Return the way of a signal to a collector; `encode(items)` returns a request in protobuf."""
    sender = OtlpSender(destination, encode, exporter_transport(destination, in_thread), signal, monotonic)
    return ExportRoute(signal, destination.endpoint, ExportQueue(PatientExporter(sender, monotonic), batching))

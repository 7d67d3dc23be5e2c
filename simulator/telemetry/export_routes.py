"""The destinations of a process's telemetry, each with a queue of its own, so that none waits for another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simulator.telemetry.batching import LOGS_PREFIX, Batching, read_batching
from simulator.telemetry.encoding import SpanEncoder
from simulator.telemetry.exporting import ExportQueue, PatientExporter, Sender
from simulator.telemetry.metric_settings import read_metric_settings
from simulator.telemetry.otlp import exporters, makes_spans
from simulator.telemetry.otlp_destination import Destination, read_destination
from simulator.telemetry.otlp_sending import OtlpSender
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.otlp_transport import InThread, exporter_transport

Routes = Mapping[Signal, Sequence["ExportRoute"]]
Encode = Callable[[Sequence[Any]], bytes]


@dataclass(frozen=True)
class ExportRoute:
    """The way of one signal to one destination, which the stages of a process share."""

    signal: Signal
    endpoint: str
    queue: ExportQueue[Any]


@dataclass(frozen=True, kw_only=True)
class Means:
    """What exports need of their process.

    `in_thread` is as `transport_to` has it, `pause()` lets others run while a batch is encoded. `line_writer()` returns
    what writes a line to standard output. Files go in `folder`, None if there are to be none, and may have
    `folder_limit_bytes` together.
    """

    monotonic: Callable[[], float]
    in_thread: InThread
    pause: Callable[[], None]
    line_writer: Callable[[], Callable[[bytes], None]]
    folder: Path | None
    folder_limit_bytes: int


def export_routes(environment: Mapping[str, str], means: Means) -> Routes:
    """Return where each signal goes. What only some destinations need is imported only if a signal goes there."""
    return {
        signal: [
            ExportRoute(signal, endpoint, ExportQueue(PatientExporter(sender, means.monotonic, means.pause), batching))
            for endpoint, sender in _destinations(environment, signal, means)
            for batching in [_batching(environment, signal)]
        ]
        for signal in Signal
    }


def _destinations(environment: Mapping[str, str], signal: Signal, means: Means) -> Iterator[tuple[str, Sender[Any]]]:
    """Yield each destination of a signal as it is shown, and the way there."""
    named = exporters(environment, signal)
    if "otlp" in named:
        destination = _collector(environment, signal)
        transport = exporter_transport(destination, means.in_thread)
        yield destination.endpoint, OtlpSender(destination, _encoder(signal), transport, signal, means.monotonic)
    if "console" in named and signal is not Signal.LOGS:  # the log is there anyway
        from simulator.telemetry.json_sending import LineSender  # noqa: PLC0415 - only if needed

        yield "standard output", LineSender(signal, means.line_writer())
    if means.folder is not None and makes_spans(environment):
        from simulator.telemetry.json_sending import FileSender  # noqa: PLC0415 - only if needed
        from simulator.telemetry.telemetry_files import TelemetryFile  # noqa: PLC0415 - only if needed

        file = TelemetryFile(means.folder, signal, means.folder_limit_bytes // len(Signal))
        yield str(file.path), FileSender(signal, file, means.in_thread)


def _collector(environment: Mapping[str, str], signal: Signal) -> Destination:
    destination = read_destination(environment, signal)
    if signal is not Signal.METRICS:
        return destination
    longest = read_metric_settings(environment).timeout_seconds
    return replace(destination, timeout_seconds=min(destination.timeout_seconds, longest))


def _encoder(signal: Signal) -> Encode:
    """Return the function that writes items in protobuf."""
    if signal is Signal.TRACES:
        return SpanEncoder().encode
    if signal is Signal.LOGS:
        from simulator.telemetry.log_encoding import LogEncoder  # noqa: PLC0415 - only if needed

        return LogEncoder().encode
    from simulator.telemetry.metric_encoding import encode_data_points  # noqa: PLC0415 - only if needed

    return encode_data_points


def _batching(environment: Mapping[str, str], signal: Signal) -> Batching:
    if signal is Signal.TRACES:
        return read_batching(environment)
    if signal is Signal.LOGS:
        return read_batching(environment, LOGS_PREFIX)
    from simulator.telemetry.metric_export import METRIC_BATCHING  # noqa: PLC0415 - only if needed

    return METRIC_BATCHING

"""Exports as lines of OTLP's JSON, to a file or to standard output, in place of a collector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from simulator.telemetry.otlp_batch import CollectorAnswer
from simulator.telemetry.otlp_json import data_points_in_json, log_records_in_json, spans_in_json
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.otlp_transport import InThread
from simulator.telemetry.telemetry_files import TelemetryFile

_ENCODERS: dict[Signal, Callable[[Sequence[Any]], bytes]] = {
    Signal.TRACES: spans_in_json,
    Signal.LOGS: log_records_in_json,
    Signal.METRICS: data_points_in_json,
}


class FileSender:
    """Append batches to a file; `in_thread` calls a function in a real thread, so that a slow disk delays nothing."""

    def __init__(self, signal: Signal, file: TelemetryFile, in_thread: InThread) -> None:
        self._encode = _ENCODERS[signal]
        self._file = file
        self._in_thread = in_thread

    def send(self, items: Sequence[Any], timeout_seconds: float | None = None) -> CollectorAnswer:
        """Append a batch as a line."""
        line = self._encode(items)
        return self._in_thread(lambda: self._append(line))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, line: bytes) -> CollectorAnswer:
        try:
            self._file.append(line)
        except OSError as error:
            return CollectorAnswer(False, problem=f"the file can't be written: {error.strerror}")
        return CollectorAnswer(True)


class LineSender:
    """Write batches as lines where the lines of the log are written."""

    def __init__(self, signal: Signal, write: Callable[[bytes], None]) -> None:
        self._encode = _ENCODERS[signal]
        self._write = write

    def send(self, items: Sequence[Any], timeout_seconds: float | None = None) -> CollectorAnswer:
        """Write a batch as a line."""
        self._write(self._encode(items))
        return CollectorAnswer(True)

    def close(self) -> None:
        """Do nothing: the log is closed by its owner."""

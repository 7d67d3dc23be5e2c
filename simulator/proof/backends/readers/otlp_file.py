"""Reading files of OTLP in JSON Lines: those of a collector's file exporter, or of `run --telemetry`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.proof.backends.held import Held, HeldLine, HeldSpan
from simulator.proof.backends.readers.lines import files_at, json_lines
from simulator.proof.backends.readers.otlp_parts import (
    attributes_of,
    items,
    plain,
    read_held_spans,
    span_id_of,
    trace_id_of,
)
from simulator.proof.backends.readers.points import PointCounts
from simulator.telemetry.otlp_signal import Signal

_SIGNALS = {"resourceSpans": Signal.TRACES, "resourceLogs": Signal.LOGS, "resourceMetrics": Signal.METRICS}


def read_otlp_files(path: Path) -> Held:
    """Return what a file holds, or a folder's files `*.jsonl*`: any of the three signals. Raise BackendError."""
    unreadable: Counter[str] = Counter()
    signals: set[Signal] = set()
    spans: list[HeldSpan] = []
    lines: list[HeldLine] = []
    points = PointCounts()
    for file in files_at(path, "*.jsonl*"):
        for request in json_lines(file, unreadable):
            signals |= {signal for key, signal in _SIGNALS.items() if key in request}
            if not _SIGNALS.keys() & request.keys():
                unreadable["lines"] += 1
            spans += read_held_spans(request, unreadable)
            lines += _lines(request, unreadable)
            for resource, metric in items(request, "resourceMetrics", "scopeMetrics", "metrics", unreadable):
                points.add(resource, metric, unreadable)
    return Held(
        name=str(path),
        # A file without a line is what a pipeline that drops everything leaves.
        signals=frozenset(signals or _named(path)),
        spans=spans,
        lines=lines,
        counts=points.counts(),
        unreadable=unreadable,
    )


def _named(path: Path) -> set[Signal]:
    """Return the signal that a file is named for, traces if none."""
    return {signal for signal in Signal if signal in path.stem} or {Signal.TRACES}


def _lines(request: Mapping[str, Any], unreadable: Counter[str]) -> list[HeldLine]:
    found: list[HeldLine] = []
    for resource, record in items(request, "resourceLogs", "scopeLogs", "logRecords", unreadable):
        try:
            trace_id, span_id = trace_id_of(record), span_id_of(record)
            traced = {"trace_id": trace_id, "span_id": span_id} if trace_id else {}
            keys = attributes_of(record) | traced
            found.append(
                HeldLine(
                    stage=str(keys.get("stage") or resource.get("service.name") or ""),
                    event=str(record.get("eventName") or keys.get("event.name") or plain(record.get("body")) or ""),
                    message_id=str(keys.get("message_id") or ""),
                    trace_id=trace_id,
                    span_id=span_id,
                    keys=keys,
                )
            )
        except (ValueError, TypeError):
            unreadable["log records"] += 1
    return found

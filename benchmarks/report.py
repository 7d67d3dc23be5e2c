"""The results: a table for people and a file for programs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import FIGURES, INJECTOR_FIGURES, TRUTH_FIGURES, Figure, Values, goals_table, ratios
from benchmarks.landing import Landing, comparison, landing_of
from benchmarks.measure import PIPELINE_SPANS, STAGE_SPANS
from benchmarks.rounds import EXPORTING, INJECTOR, TRUTH
from benchmarks.stages import PACKED

_PACKAGES = (
    "flask",
    "requests",
    "structlog",
    "prometheus-client",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-flask",
    "gevent",
    "gunicorn",
)
_LEGEND = "Medians [min - max] of the rounds. Ratio: how many times better the first is, round by round."


def table(measured: Mapping[str, Values]) -> str:
    """Return the tables: ours beside the plain program, packed, with every signal, with the truth; injector; goals."""
    ours, plain, packed = measured["ours"], measured["plain"], measured[PACKED]
    first = _columns([("figure", "ours", "plain", "ratio"), *(_row(figure, ours, plain) for figure in FIGURES)])
    second = _beside("packed", "apart", packed, ours)
    third = _beside("logs, metrics", "spans only", measured[EXPORTING], ours)
    truth = measured[TRUTH]
    fourth = _beside("with truth", "without", truth, ours)
    alone = [
        *((figure, truth) for figure in TRUTH_FIGURES),
        *((figure, measured[INJECTOR]) for figure in INJECTOR_FIGURES),
    ]
    fifth = _columns([("figure", "ours"), *(_alone(figure, values) for figure, values in alone)])
    judged = {**ours, **{figure.key: values[figure.key] for figure, values in alone}}
    goals = _columns(goals_table(judged, plain))
    notes = [*_lost_spans("ours", ours), *_lost_spans("plain", plain), *_lost_spans("packed", packed)]
    return "\n".join([*first, "", *second, "", *third, "", *fourth, "", *fifth, "", *goals, "", _LEGEND, *notes])


def _beside(title: str, other_title: str, values: Values, others: Values) -> list[str]:
    """Return the table of the figures that were measured of a variant, beside those of another."""
    shared = [figure for figure in FIGURES if figure.key in values]
    return _columns([("figure", title, other_title, "ratio"), *(_row(figure, values, others) for figure in shared)])


def landing_table(now: Landing, last: Landing) -> str:
    """Return the table of the figures at the last landing and now."""
    return "\n".join(_columns(comparison(now, last)))


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the rows as lines, the first one underlined."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def measured_landing(ours: Values, plain: Values) -> Landing:
    """Return what was measured, as a landing of the commit that is checked out."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return landing_of(ours, plain, commit=_commit(Path(__file__).parent), date=now, processor=processor())


def write_results(path: Path, measured: Mapping[str, Values], neighbours: Mapping[str, Values]) -> None:
    """Write all values with the machine and packages. Durations are in seconds, memory in bytes."""
    results: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(path.parent),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "processor": processor()},
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        **measured,
        "neighbours": neighbours,
        "ratio": {figure.key: ratios(figure, measured["ours"], measured["plain"]) for figure in FIGURES},
    }
    path.write_text(json.dumps(results, indent=2) + "\n")


def _row(figure: Figure, ours: Values, plain: Values) -> tuple[str, str, str, str]:
    return (
        f"{figure.title} ({figure.unit})",
        spread([value * figure.scale for value in ours[figure.key]], figure.digits),
        spread([value * figure.scale for value in plain[figure.key]], figure.digits),
        spread(ratios(figure, ours, plain), 2),
    )


def _alone(figure: Figure, values: Values) -> tuple[str, str]:
    scaled = [value * figure.scale for value in values[figure.key]]
    return f"{figure.title} ({figure.unit})", spread(scaled, figure.digits)


def spread(values: Sequence[float], digits: int) -> str:
    """Return a median with the smallest and the largest value."""
    return f"{median(values):.{digits}f} [{min(values):.{digits}f} - {max(values):.{digits}f}]"


def _lost_spans(name: str, values: Values) -> list[str]:
    """Return a note for each load whose spans did not all reach the collector, so that their cost is missing."""
    lines = []
    for what, wanted in (("stage", STAGE_SPANS), ("pipeline", PIPELINE_SPANS)):
        if f"{what}_spans_per_message" not in values:
            continue
        arrived = median(values[f"{what}_spans_per_message"])
        if arrived < wanted * 0.99:
            lines.append(f"Note: of {wanted} spans a message ({what}), {arrived:.2f} of {name} reached the collector.")
    return lines


def _commit(folder: Path) -> str | None:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def processor() -> str:
    """Return the name of this machine's processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

"""What the stages of a run themselves lost of their telemetry, which no backend can have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from simulator.proof.backends.findings import of_each
from simulator.telemetry.otlp_signal import Signal


def own_losses(report: Path) -> Mapping[Signal, str]:
    """Return a remark for each signal of which stages lost something, by the report of their run, if it has one.

    They drop what no collector takes in time, or takes at all.
    """
    try:
        content = orjson.loads(report.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    if not isinstance(content, dict):
        return {}
    found = {signal: _lost(content.get(f"{signal.items}_dropped")) for signal in Signal}
    return {signal: _remark(signal, lost) for signal, lost in found.items() if lost}


def _remark(signal: Signal, lost: Mapping[str, int]) -> str:
    stages = of_each(list(lost.items()))
    return f"{sum(lost.values()):,} {signal.words} did not leave the stages themselves: {stages}"


def _lost(counts: Any) -> dict[str, int]:
    if not isinstance(counts, dict):
        return {}
    return {str(stage): count for stage, count in counts.items() if isinstance(count, int) and count > 0}

"""Rounds: ours and the plain program alternately, so that other load on the machine affects both."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import FIGURES
from benchmarks.measure import Bench, Effort
from benchmarks.servers import Server
from benchmarks.stages import PROGRAMS

Measured = dict[str, dict[str, list[float]]]  # {program: {figure: a value per round}}


def run_rounds(effort: Effort, progress: Callable[[str], None]) -> Measured:
    """Measure both programs `effort.rounds` times, alternately. Everything that was started is stopped in any case."""
    measured: Measured = {name: {} for name in PROGRAMS}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        sink = stack.enter_context(contextlib.closing(Server("sink")))
        collector = stack.enter_context(contextlib.closing(Server("collector")))
        bench = Bench(sink, collector, folder, effort)
        for number in range(1, effort.rounds + 1):
            for measure in (bench.measure_stage, bench.measure_pipeline):
                for name, program in PROGRAMS.items():
                    values = measure(program)
                    progress(f"round {number} of {effort.rounds}  {name:5}  {_progress_line(values)}")
                    for key, value in values.items():
                        measured[name].setdefault(key, []).append(value)
    return measured


def _progress_line(values: dict[str, float]) -> str:
    return ", ".join(
        f"{figure.key} {values[figure.key] * figure.scale:.{figure.digits}f} {figure.unit}"
        for figure in FIGURES
        if figure.key in values
    )

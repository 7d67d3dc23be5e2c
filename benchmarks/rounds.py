"""Rounds: ours, the plain program and ours packed alternately, so that other load on the machine affects all."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.figures import FIGURES, INJECTOR_FIGURES, TRUTH_FIGURES
from benchmarks.injector_rate import measure_injector
from benchmarks.measure import Bench, Effort
from benchmarks.servers import Server
from benchmarks.stages import PACKED, PROGRAMS

EXPORTING, TRUTH, INJECTOR = "exporting", "truth", "injector"
Measured = dict[str, dict[str, list[float]]]  # {program: {figure: a value per round}}


def run_rounds(effort: Effort, progress: Callable[[str], None]) -> Measured:
    """Measure both programs, and ours packed, with every signal and with the truth, `effort.rounds` times, alternately.

    One of our injectors alone, too. Whatever was started is stopped.
    """
    measured: Measured = {name: {} for name in (*PROGRAMS, PACKED, EXPORTING, TRUTH, INJECTOR)}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        sink = stack.enter_context(contextlib.closing(Server("sink")))
        collector = stack.enter_context(contextlib.closing(Server("collector")))
        bench = Bench(sink, collector, folder, effort)
        injector = partial(measure_injector, f"{sink.url}/messages", collector.url, folder, effort.rate_seconds / 3)
        for number in range(1, effort.rounds + 1):
            for measure in (bench.measure_stage, bench.measure_pipeline):
                for name, program in PROGRAMS.items():
                    values = measure(program)
                    progress(f"round {number} of {effort.rounds}  {name:5}  {_progress_line(values)}")
                    _add(measured[name], values)
            rates = bench.measure_rates()
            shown = ", ".join(f"{name} {rate:.0f}/s" for name, rate in rates.items())
            progress(f"round {number} of {effort.rounds}  highest rates, in turns  {shown}")
            for name, rate in rates.items():
                _add(measured[name], {"pipeline_rate": rate})
            for name, measure_ours in (
                (EXPORTING, bench.measure_exporting),
                (TRUTH, bench.measure_with_truth),
                (PACKED, bench.measure_packed),
                (INJECTOR, injector),
            ):
                values = measure_ours()
                progress(f"round {number} of {effort.rounds}  {name}  {_progress_line(values)}")
                _add(measured[name], values)
    return measured


def _add(measured: dict[str, list[float]], values: dict[str, float]) -> None:
    for key, value in values.items():
        measured.setdefault(key, []).append(value)


def _progress_line(values: dict[str, float]) -> str:
    return ", ".join(
        f"{figure.key} {values[figure.key] * figure.scale:.{figure.digits}f} {figure.unit}"
        for figure in (*FIGURES, *TRUTH_FIGURES, *INJECTOR_FIGURES)
        if figure.key in values
    )

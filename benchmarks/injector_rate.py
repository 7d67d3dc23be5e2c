"""The rate that one injector reaches: by which of several rates, each for a while, it still keeps its schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.errors import BenchmarkFailed
from benchmarks.measure import quantile
from benchmarks.stages import BenchmarkStage, Launch, ours
from benchmarks.truth_rows import visits_in, wait_for_visits

RATES = (100, 200, 400, 1000, 2000)
LAG_SECONDS = 0.01
COMMON_RATE = 200


def measure_injector(sink: str, collector: str, folder: Path, seconds: float) -> dict[str, float]:
    """Return what an injector that logs, counts and traces reaches, each rate for so many seconds, constant arrivals.

    `injector_rate` is the highest rate that it keeps with a p99 of the lag below 10 ms (0: none), the lags are those at
    200/s, `injector_most` is the most messages that it started in a second, and `injector_cpu` the CPU seconds of a
    message, of all rates together: 0.0005 or less is 2,000 messages a second on one core.
    """
    launch, rows = ours("injector", sink), folder / "injector-truth"
    profile = f"steps({', '.join(f'{rate}/s' for rate in RATES)}, each={seconds:g}s)"
    load = ["--role", "injector", "--profile", profile, "--arrivals", "constant", "--truth", str(rows)]
    stage = BenchmarkStage(
        Launch([*launch.command, *load], launch.variables, launch.address), "injector", collector, folder
    )
    try:
        cpu_before = stage.cpu_seconds()
        wait_for_visits(rows / "injector.jsonl", round(sum(RATES) * seconds))
        cpu_seconds = stage.cpu_seconds() - cpu_before
    finally:
        stage.stop()
    found = [(row["due_at"], row["lag_seconds"]) for row in visits_in(rows / "injector.jsonl")]
    (rows / "injector.jsonl").unlink()
    return {**reached(found, seconds), "injector_cpu": cpu_seconds / len(found)}


def reached(visits: Iterable[tuple[float, float]], seconds: float, rates: Sequence[int] = RATES) -> dict[str, float]:
    """Return the figures of messages, each by when it was due, monotonic, and how late it started."""
    found = sorted(visits)
    if not found:
        raise BenchmarkFailed("the injector sent nothing")
    start = found[0][0] - 1 / rates[0]
    lags: dict[int, list[float]] = {rate: [] for rate in rates}
    for due_at, lag in found:
        lags[rates[min(len(rates) - 1, int((due_at - start - 1e-6) / seconds))]].append(lag)
    kept = 0
    for rate in rates:
        if not lags[rate] or quantile(lags[rate], 0.99) >= LAG_SECONDS:
            break
        kept = rate
    started = Counter(int(due_at + lag - start) for due_at, lag in found)
    return {
        "injector_rate": float(kept),
        "injector_lag_p50": quantile(lags[COMMON_RATE], 0.5),
        "injector_lag_p99": quantile(lags[COMMON_RATE], 0.99),
        "injector_most": float(max(started.values())),
    }

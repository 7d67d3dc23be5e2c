"""`python -m benchmarks.injectors`: the injector beside load generators, one after the other on the same stage."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.measure import quantile
from benchmarks.program import run_as_program
from benchmarks.stages import ROOT, BenchmarkStage, Launch, ours
from benchmarks.truth_rows import visits_in, wait_for_visits

_RATES = (200, 1000, 2000)
_SECONDS = 10
_SCRIPT = """
import http from "k6/http";
const load = {executor: "constant-arrival-rate", rate: %d, timeUnit: "1s", duration: "%ds", preAllocatedVUs: 200};
export const options = {scenarios: {load}};
export default () => http.post("%s", '{"n": 1}', {headers: {"Content-Type": "application/json"}});
"""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """How a rate was kept, by when messages arrived at the stage, and the generator's CPU time per message.

    A lag is counted from the schedule that begins with the message that was most punctual.
    """

    messages: int
    rate_per_second: float
    lag_p50_seconds: float
    lag_p99_seconds: float
    cpu_seconds: float


# Send messages to a URL at a rate for some seconds, and return the CPU time that it took; a folder is for files.
Generator = Callable[[str, int, int, Path], float]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.IntRange(1), default=_SECONDS, show_default=True, help="Time for each rate.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="How often to measure each.")
def main(seconds: int, rounds: int) -> int:
    """Measure how the injector keeps a rate beside k6 and vegeta, if these are installed.

    Each sends the same messages to the same stage, constant arrivals, alternately. What is measured is when they arrive
    there, as its truth has it. The injector logs, counts and traces each message; the others do not.

    \b
      rate    messages per second that arrived
      lag     how much later than due, p50 and p99, of the messages that arrived
      CPU     of the generator, per message
    """
    generators = dict(_installed())
    click.echo(f"{'at':>7}  {'':10}{'messages':>10}{'rate':>10}{'lag p50':>10}{'lag p99':>10}{'CPU':>10}")
    for rate in _RATES:
        measured: dict[str, list[Kept]] = {name: [] for name in generators}
        for _ in range(rounds):
            for name, generate in generators.items():
                measured[name].append(measure(generate, rate, seconds))
        for name, values in measured.items():
            click.echo(_line(rate, name, _middle(values)))
    return 0


def measure(generate: Generator, rate_per_second: int, seconds: int) -> Kept:
    """Return how a generator keeps a rate on a stage of its own."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        launch = ours("target", None)
        command = [*launch.command, "--truth", str(folder / "truth")]
        stage = BenchmarkStage(Launch(command, {"OTEL_TRACES_EXPORTER": "none"}, launch.address), "target", "", folder)
        try:
            cpu_seconds = generate(stage.url, rate_per_second, seconds, folder)
        finally:
            stage.stop()
        arrivals = sorted(row["received_at"] for row in visits_in(folder / "truth" / "target.jsonl"))
    return kept(arrivals, rate_per_second, cpu_seconds)


def kept(arrivals: Sequence[float], rate_per_second: float, cpu_seconds: float) -> Kept:
    """Return how a rate was kept by messages that arrived at these times, in order."""
    offsets = [at - number / rate_per_second for number, at in enumerate(arrivals)]
    start = min(offsets, default=math.nan)
    lags = [offset - start for offset in offsets] or [math.nan]
    span = arrivals[-1] - arrivals[0] if len(arrivals) > 1 else math.nan
    return Kept(
        messages=len(arrivals),
        rate_per_second=(len(arrivals) - 1) / span,
        lag_p50_seconds=quantile(lags, 0.5),
        lag_p99_seconds=quantile(lags, 0.99),
        cpu_seconds=cpu_seconds / max(1, len(arrivals)),
    )


def inject(url: str, rate_per_second: int, seconds: int, folder: Path) -> float:
    """Send with a stage that is an injector, and return the CPU time of all but its start."""
    count = rate_per_second * seconds
    launch = ours("injector", url)
    load = ["--role", "injector", "--rate", f"{rate_per_second}/s", "--arrivals", "constant", "--messages", str(count)]
    variables: Mapping[str, str] = {"OTEL_TRACES_EXPORTER": "none"}
    stage = BenchmarkStage(Launch([*launch.command, *load], variables, launch.address), "injector", "", folder)
    try:
        begun = stage.cpu_seconds()
        wait_for_visits(folder / "truth" / "target.jsonl", count)
        return stage.cpu_seconds() - begun
    finally:
        stage.stop()


def k6(url: str, rate_per_second: int, seconds: int, folder: Path) -> float:
    """Send with k6."""
    script = folder / "load.js"
    script.write_text(_SCRIPT % (rate_per_second, seconds, url))
    return _cpu_of(["k6", "run", "--quiet", "--no-usage-report", "--no-summary", str(script)])


def vegeta(url: str, rate_per_second: int, seconds: int, folder: Path) -> float:
    """Send with vegeta."""
    targets = folder / "targets.jsonl"
    headers = {"Content-Type": ["application/json"]}
    targets.write_text(json.dumps({"method": "POST", "url": url, "body": "eyJuIjogMX0=", "header": headers}) + "\n")
    command = ["vegeta", "attack", "-format=json", f"-targets={targets}", f"-rate={rate_per_second}/s"]
    return _cpu_of([*command, f"-duration={seconds}s", f"-output={folder / 'results'}"])


def _installed() -> Iterator[tuple[str, Generator]]:
    yield "injector", inject
    for generator in (k6, vegeta):
        if shutil.which(generator.__name__):
            yield generator.__name__, generator
        else:
            click.echo(f"{generator.__name__} is not installed", err=True)


def _cpu_of(command: Sequence[str]) -> float:
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime


def _middle(values: Sequence[Kept]) -> Kept:
    """Return the one with the median lag."""
    return sorted(values, key=lambda one: one.lag_p99_seconds)[len(values) // 2]


def _line(rate: int, name: str, one: Kept) -> str:
    lags = f"{1e3 * one.lag_p50_seconds:8.2f}ms{1e3 * one.lag_p99_seconds:8.2f}ms"
    return f"{rate:5}/s  {name:10}{one.messages:10}{one.rate_per_second:8.1f}/s{lags}{1e6 * one.cpu_seconds:8.0f}us"


if __name__ == "__main__":
    run_as_program(main, "Stopped.")

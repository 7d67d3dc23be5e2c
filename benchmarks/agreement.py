"""`python -m benchmarks.agreement`: the latency of each ready-made topology, live and in virtual time."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

import click
import yaml

from benchmarks.errors import BenchmarkFailed
from benchmarks.program import run_as_program
from benchmarks.stages import ROOT

_PROGRAM = ROOT / "run_web_service.py"
_RATE = "4/s"
# One message makes 85 calls there.
_RATES = {"retry-storm": "1/s"}
# The first messages open connections, which takes longer and is not modelled.
_FIRST_MESSAGES = 20
_MAX_DIFFERENCE = 0.1


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--messages", type=click.IntRange(100), default=300, show_default=True, help="Messages for each of them.")
@click.option(
    "--overhead", default="1.3ms", show_default=True, help="What each request adds in virtual time, as run takes it."
)
@click.argument("names", nargs=-1, metavar="[TOPOLOGY]...")
def main(messages: int, overhead: str, names: Sequence[str]) -> int:
    """Run topologies at a low rate, live and in virtual time, with the same draws, and compare p50 and p99.

    The latency is that of a whole message, as its injector has it. The exit code is 1 if one differs by more than 10 %.
    By default all topologies of the folder are compared, which takes 13 minutes and needs a quiet machine;
    --overhead should be what a request costs on it.
    """
    known = sorted(path.stem for path in (ROOT / "topologies").glob("*.yaml"))
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    off = []
    click.echo(f"{'':20}{'rate':>8}{'p50 live':>12}{'virtual':>12}{'':>8}{'p99 live':>12}{'virtual':>12}{'':>8}")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        for name in names or known:
            live = _latencies(Path(folder, f"{name}-live"), name, messages, "--no-console")
            virtual = _latencies(Path(folder, f"{name}-virtual"), name, messages, "--virtual", "--overhead", overhead)
            cells = f"{name:20}{_RATES.get(name, _RATE):>8}"
            for percent in (50, 99):
                one, other = (quantiles(latencies, n=100)[percent - 1] for latencies in (live, virtual))
                off.append(abs(other / one - 1))
                cells += f"{1e3 * one:10.1f}ms{1e3 * other:10.1f}ms{other / one - 1:+8.1%}"
            click.echo(cells)
    return int(max(off) > _MAX_DIFFERENCE)


def _latencies(report: Path, name: str, messages: int, *options: str) -> list[float]:
    """Run a topology and return how long its messages took, as its injector logged it."""
    path = ROOT / "topologies" / f"{name}.yaml"
    stages = yaml.safe_load(path.read_text())["stages"]
    (injector,) = [stage for stage, keys in stages.items() if keys.get("role") == "injector"]
    # Who comes first decides who gets the sick replica: at equal distances that is the same in both.
    load = ["--rate", _RATES.get(name, _RATE), "--set", f"{injector}.load.arrivals=constant"]
    command = ["run", str(path), "--seed", "7", "--messages", str(messages), *load, *options, "--report", str(report)]
    finished = subprocess.run(
        [sys.executable, str(_PROGRAM), *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    log = report / "logs" / f"{injector}.jsonl"
    if not log.exists():
        raise BenchmarkFailed(f"{name}: {finished.stderr.strip()}")
    lines = [entry for entry in map(json.loads, log.read_text().splitlines()) if entry["event"] == "message.handled"]
    return [float(line["duration_seconds"]) for line in lines[_FIRST_MESSAGES:]]


if __name__ == "__main__":
    run_as_program(main, "Stopped.")

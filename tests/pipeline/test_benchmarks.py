"""The benchmarks still run; what they measure is for `make bench` on a quiet machine."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from benchmarks.go_programs import built
from tests.support.processes import ROOT, clean_environment


def bench(module, *arguments, timeout_seconds=120, **variables):
    """Run a benchmark, and return its output and what it said of its progress."""
    finished = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**clean_environment(), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_seconds,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr.decode()
    return finished.stdout.decode(), finished.stderr.decode()


def test_a_quick_round_measures_every_figure(tmp_path):
    """A quick round measures both programs and writes every value down; no span of ours is lost on the way.

    From a latency the floor of the machine is taken off, so on a busy one nothing may be left of it.
    """
    results = tmp_path / "results.json"
    output, _ = bench("benchmarks", "--quick", "--no-compare", "--no-neighbours", "--output", str(results))
    measured = json.loads(results.read_text())
    for program in ("ours", "plain"):
        for figure in ("stage_cpu", "pipeline_rate", "latency_p50", "latency_p99", "idle_memory", "start_up"):
            least = -math.inf if "latency" in figure else 0
            assert all(least < value < math.inf for value in measured[program][figure]), (program, figure)
            assert f"{figure}" in measured["ratio"]
    assert all(0 < value < math.inf for value in measured["truth"]["truth_share"])
    for variant in ("exporting", "truth"):
        assert all(0 < value < math.inf for value in measured[variant]["stage_cpu"])
    assert all(0 < value < math.inf for value in measured["injector"]["injector_most"])
    assert "CPU per message, a middle stage" in output


def test_neighbours_that_are_not_built_are_named(tmp_path):
    """Without them the stage and the plain program are measured, and the exit code is 0."""
    output, said = bench("benchmarks.neighbours", "--quick", XDG_CACHE_HOME=str(tmp_path))
    rows = {line.split()[0]: line for line in output.splitlines()[1:3]}
    assert rows.keys() == {"ours", "plain"} and all("µs" in row for row in rows.values())
    for name in ("fake-service", "isotope", "podinfo"):
        assert f"Skipped: {name} is not built" in said


@pytest.mark.skipif(not built(), reason="no Go service is built; .ci/neighbours builds them")
def test_neighbours_that_are_built_are_measured():
    """Each of them sends on what it gets, and has figures."""
    output, _ = bench("benchmarks.neighbours", "--quick")
    names = [line.split()[0] for line in output.partition("\n\n")[0].splitlines()[1:]]
    assert names == ["ours", "plain", *(program.name for program in built())]

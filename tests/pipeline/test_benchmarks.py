"""The benchmarks still run; what they measure is for `make bench` on a quiet machine."""

from __future__ import annotations

import json
import math
import subprocess
import sys

from tests.support.processes import ROOT, clean_environment


def test_a_quick_round_measures_every_figure(tmp_path):
    """A quick round measures both programs and writes every value down; no span of ours is lost on the way.

    From a latency the floor of the machine is taken off, so on a busy one nothing may be left of it.
    """
    results = tmp_path / "results.json"
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--no-compare", "--output", str(results)],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr.decode()
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
    assert "CPU per message, a middle stage" in finished.stdout.decode()

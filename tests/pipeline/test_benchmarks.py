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


def test_growth_has_a_table_for_each_subject():
    """Each with the figures of its sizes and an exponent; quick, it judges nothing."""
    output, _ = bench("benchmarks.growth", "--quick", timeout_seconds=300)
    tables = [table.splitlines() for table in output.strip().split("\n\n")]
    assert [table[0].split("  ")[0] for table in tables] == [
        "body",
        "calls, in order",
        "calls in a row",
        "operations of a stage",
        "packed stages",
        "cores",
    ]
    for table in tables[:-1]:
        assert [line.split()[0] for line in table[1:3]] in (["1", "2"], ["1", "10"], ["1,000", "10,000"])
        assert all("exponent" in line and "linear" in line for line in table[3:])
    assert "of what the machine allows" in output or "skipped" in output


def test_messages_in_flight_are_kept_and_counted():
    """All are inside at the same time, and each is answered."""
    output, _ = bench("benchmarks.in_flight", "200:2s", "--seconds", "4")
    titles, row = output.splitlines()
    assert titles.split()[:2] == ["in", "flight"]
    cells = row.split()
    assert cells[:2] == ["200", "2s"] and 150 <= int(cells[2]) <= 200 and cells[3] == "100/s"


def test_stages_at_rest_are_measured():
    output, _ = bench("benchmarks.at_rest", "--stages", "3", "--seconds", "2")
    assert output.startswith("3 stages in one process, at rest\n")
    assert "% of a core, the goal is below 5%:" in output


def test_a_soak_loses_nothing():
    """In a few seconds growth can't be judged; what was sent and what arrived can."""
    output, _ = bench("benchmarks.soak", "--duration", "4s", "--rate", "20")
    assert "messages answered in 4 s, 0 spans lost" in output


def test_a_short_delay_is_judged():
    """At even distances, which is what its goal is about; without virtual time on request."""
    output, _ = bench("benchmarks.time", "constant(300us)", "--messages", "200", "--minutes", "0")
    constant, *others = (line for line in output.splitlines() if line.startswith("constant(300us)"))
    assert "p50 within 0.3 ms: " in constant and "p50 within" not in "".join(others)
    assert [line.split()[1] for line in others] == ["poisson", "one"]
    assert "virtual" not in output

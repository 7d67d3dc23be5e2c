"""The goals: a table of what is reached, and never a failure."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from benchmarks import __main__ as program
from benchmarks import report
from benchmarks.figures import FIGURES, GOALS, INJECTOR_FIGURES, TRUTH_FIGURES, goals_table
from benchmarks.landing import landing_of
from benchmarks.report import processor
from benchmarks.rounds import EXPORTING, INJECTOR, TRUTH
from benchmarks.stages import PACKED

ROUNDS = 5


def measured(value):
    """Return a measurement in which each of our figures has this value, and each of the plain program's is 1."""
    keys = [figure.key for figure in (*FIGURES, *TRUTH_FIGURES, *INJECTOR_FIGURES)]
    ours, plain = ({key: [at] * ROUNDS for key in keys} for at in (value, 1.0))
    return {"ours": ours, "plain": plain} | {name: dict(ours) for name in (PACKED, EXPORTING, TRUTH, INJECTOR)}


def test_a_goal_is_reached_or_not_yet():
    """At the bound `at_least` is reached, and `below` is not."""
    ours = {figure.key: [1.0] for figure in (*FIGURES, *TRUTH_FIGURES, *INJECTOR_FIGURES)}
    plain = {figure.key: [4.0] for figure in FIGURES}
    ours |= {"injector_rate": [2000.0], "start_up": [1.5], "idle_memory": [59.9e6]}
    words = {row[0]: row[3] for row in goals_table(ours, plain)[1:]}
    assert len(words) == len(GOALS)
    assert words["CPU per message, a middle stage"] == "reached"
    assert words["rate that one injector keeps, p99 of its lag below 10 ms"] == "reached"
    assert words["resident memory, idle stage"] == "reached"
    assert words["start-up, until /readyz says 200"] == "not yet"


@pytest.mark.parametrize("value", [1e9, 1e-9])
def test_a_goal_that_is_not_reached_is_no_failure(tmp_path, monkeypatch, value):
    """Whatever is reached, without a regression the exit code is 0; with one it is 1."""
    now = measured(value)
    last = landing_of(now["ours"], now["plain"], commit="abc", date="2026-01-01", processor=processor())
    monkeypatch.setattr(program, "run_rounds", lambda effort, progress: now)
    monkeypatch.setattr(program, "built", tuple)
    monkeypatch.setattr(report, "_commit", lambda folder: "abc")
    monkeypatch.setattr(report.platform, "platform", lambda: "Linux")
    monkeypatch.setattr(program, "read_landing", lambda: last)
    command = ["--output", str(tmp_path / "results.json")]
    finished = CliRunner().invoke(program.main, command, standalone_mode=False)
    assert finished.return_value == 0 and "not yet" in finished.output
    for key in ("stage_cpu", "idle_memory"):
        now["ours"][key] = [value * 1.06] * ROUNDS
    assert CliRunner().invoke(program.main, command, standalone_mode=False).return_value == 1

"""Flags that only a run in real time has a use for are refused in virtual time, each by its name."""

from __future__ import annotations

import pytest

from tests.support.processes import ROOT, run

PIPELINE = str(ROOT / "topologies" / "pipeline.yaml")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--stack"], "--stack: virtual time does not have metrics and spans for backends"),
        (["--console"], "--console: virtual time does not have a console"),
        (["--console-port", "9000"], "--console-port: virtual time does not have a console"),
        (["--processes", "2"], "--processes: virtual time does not have processes of its own"),
        (["--start-timeout", "3s"], "--start-timeout: virtual time does not have processes of its own"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_flag_of_real_time(tmp_path, flags, said):
    """It has exit code 2, and nothing is run."""
    finished = run("run", PIPELINE, "--virtual", "--duration", "1s", *flags, cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.strip().endswith(f"Error: {said}")
    assert list(tmp_path.iterdir()) == []


def test_a_variable_may_be_for_other_runs(tmp_path):
    """What the environment says of processes and consoles has no effect, and is no mistake."""
    environment = {"SIMULATOR_PROCESSES": "2", "SIMULATOR_CONSOLE": "1"}
    finished = run("run", PIPELINE, "--virtual", "--duration", "1s", cwd=tmp_path, environment=environment)
    assert finished.returncode == 0, finished.stderr

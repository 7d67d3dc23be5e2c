"""Live and virtual time tell the same story: every visit of every message has the same delay, faults and outcome."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.support.processes import ROOT, run
from tests.support.stories import story

TOPOLOGIES = sorted(path.stem for path in (ROOT / "topologies").glob("*.yaml"))
MESSAGES = 60
TIMED_OUT = 504
OPTIONS = ("--seed", "7", "--messages", str(MESSAGES), "--rate", "10/s", "--json")


def injectors(name):
    stages = yaml.safe_load((ROOT / "topologies" / f"{name}.yaml").read_text())["stages"]
    return [stage for stage, keys in stages.items() if keys.get("role") == "injector"]


@pytest.mark.calm
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_ready_made_topology(tmp_path, name):
    """One message at a time, so that nothing hangs on which of two comes first: all is the same.

    At equal distances because of round robin: who comes first decides who gets the sick replica.
    """
    topology = str(ROOT / "topologies" / f"{name}.yaml")
    constant = [flag for stage in injectors(name) for flag in ("--set", f"{stage}.load.arrivals=constant")]
    live = run("run", topology, *OPTIONS, *constant, "--report", "live", cwd=tmp_path)
    virtual = run("run", topology, *OPTIONS, *constant, "--report", "virtual", "--virtual", cwd=tmp_path)
    told, lived = story(tmp_path / "virtual"), story(tmp_path / "live")
    late = [
        key for key, visits in lived.items() if TIMED_OUT in {met[-1] for met in visits} and visits != told.get(key)
    ]
    # A call that ran into its timeout in one of the two only is what a machine that stands still does.
    assert len(late) < 1, late
    assert told == lived
    # The calls of a stage that hedges hang on which of two answers is first.
    stages = [json.loads(finished.stdout)["ledger"]["stages"] for finished in (virtual, live)]
    assert stages[0] == stages[1]
    assert virtual.returncode == live.returncode

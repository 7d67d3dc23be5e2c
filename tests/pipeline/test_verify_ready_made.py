"""Every ready-made topology keeps every promise, in virtual time with any seed, and live."""

from __future__ import annotations

import pytest

from simulator.commands.ready_made import files_by_name
from tests.support.processes import ROOT, run

NAMES = [name for name in files_by_name(ROOT) if name != "pipeline"]
# Of each message they make a hundred visits or more.
MANY_VISITS = ("retry-storm", "systems/alibaba", "systems/train-ticket")


def verified(tmp_path, name, *flags):
    """Verify a ready-made topology, and expect that every promise is kept."""
    finished = run("verify", name, "--quiet", *flags, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert ", 0 broken" in finished.stdout


@pytest.mark.parametrize("name", ["checkout", "canary", "systems/hotrod"])
def test_some_keep_every_promise_in_virtual_time(tmp_path, name):
    """With steps in parallel, decisions, databases, several instances, and retries."""
    verified(tmp_path, name, "--virtual", "--messages", "100", "--seed", "5")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_all_keep_every_promise_in_virtual_time_with_five_seeds(tmp_path, name):
    """A false alarm has a probability of one in a thousand for each."""
    for seed in range(5):
        verified(tmp_path, name, "--virtual", "--messages", "40" if name in MANY_VISITS else "300", "--seed", str(seed))


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("name", NAMES)
def test_all_keep_every_promise_live(tmp_path, name):
    """At a rate that this machine can serve beside all that it has to tell."""
    verified(tmp_path, name, "--messages", "60", "--rate", "2/s", "--duration", "30s")

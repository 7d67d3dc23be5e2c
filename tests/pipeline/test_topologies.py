"""The ready-made topologies: each runs, balances, teaches something, and takes the changes its comment proposes."""

from __future__ import annotations

import shlex

import pytest

from tests.support.processes import ROOT, read_log, run, running_topology, wait_for

FILES = sorted((ROOT / "topologies").glob("*.yaml"))
# What may take two seconds in the topology takes longer now and then on a machine that does three things at once.
PATIENCE = {
    "deep-chain": ("--set", "clients.calls.gateway.deadline=60s"),
    "checkout": ("--set", "checkout.calls.payment.timeout=60s"),
}
NAMES = {"pipeline", "checkout", "canary", "retry-storm", "slow-dependency", "sick-replica", "deep-chain", "shop"}


def comment(path):
    return [line for line in path.read_text().splitlines() if line.startswith("#")]


def proposed_changes(path):
    """Return the arguments of every `set` command that stands on a line of its own in the comment."""
    return [shlex.split(line[1:]) for line in comment(path) if line.startswith("#   set ")]


def stages_at_work(running):
    """Return the names of the stages that have handled a message."""
    lines = [line for path in (running.report_folder / "logs").glob("*.jsonl") for line in read_log(path)]
    return {line["stage"] for line in lines if line["event"] == "message.handled"}


def test_all_are_there():
    assert {path.stem for path in FILES} == NAMES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_ready_made_topology_runs(tmp_path, path):
    """It says what it teaches, takes the changes that it proposes, has work for every stage, and balances."""
    assert any("What it teaches" in line for line in comment(path))
    with running_topology(tmp_path, path, "--seed", "1", *PATIENCE.get(path.stem, ())) as running:
        for arguments in proposed_changes(path):
            changed = run(*arguments, "--run", "report", cwd=tmp_path)
            assert changed.returncode == 0, (arguments, changed.stderr)
        names = set(running.topology()["stages"])
        wait_for(lambda: stages_at_work(running) == names, "a message at every stage")
        code = running.interrupt()
        ledger = running.report()["ledger"]
    assert ledger["balanced"]
    assert all(line["received"] > 0 for line in ledger["stages"]), ledger
    # What fails here fails by injected faults, except for the slow dependency, whose queue is there to overflow.
    failed = sum(line["failed"] for line in ledger["stages"])
    assert failed == 0 or path.stem == "slow-dependency"
    assert code == (1 if failed else 0), running.errors.read_text()
    checked = run("check", str(path), cwd=tmp_path)
    assert checked.returncode == 0 and "good to run" in checked.stdout

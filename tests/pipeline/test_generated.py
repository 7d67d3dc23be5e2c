"""A generated topology, run live: it carries its own load, and the ledger accounts for every message."""

from __future__ import annotations

import json

from tests.support.processes import run


def test_a_generated_topology_carries_its_load(tmp_path):
    """Fifteen stages take all that their injector sends: nothing is rejected, nothing fails."""
    assert run("generate", "--stages", "15", "--seed", "7", "--output", "g.yaml", cwd=tmp_path).returncode == 0
    finished = run("run", "g.yaml", "--messages", "60", "--json", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    ledger = json.loads(finished.stdout)["ledger"]
    assert ledger["balanced"] and not ledger["problems"]
    received = {line["stage"]: line["received"] for line in ledger["stages"]}
    assert received["injector"] == 60 and len(received) == 15
    assert all(line["rejected"] == line["failed"] == line["missed"] == 0 for line in ledger["stages"])


def test_a_generated_topology_with_faults_balances(tmp_path):
    """With every fault and option there are messages that fail, and each of them is accounted for."""
    options = ("--seed", "8", "--faults", "60%", "--options", "100%")
    assert run("generate", "--stages", "12", *options, "--output", "g.yaml", cwd=tmp_path).returncode == 0
    finished = run("run", "g.yaml", "--messages", "60", "--json", cwd=tmp_path)
    assert json.loads(finished.stdout)["ledger"]["balanced"], finished.stderr

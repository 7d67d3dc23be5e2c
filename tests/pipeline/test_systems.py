"""The public systems in topologies/systems: each is read without a doubt, and runs live and in virtual time."""

from __future__ import annotations

import json

import pytest

from tests.support.processes import ROOT, run

FILES = sorted((ROOT / "topologies" / "systems").glob("*.yaml"))
NAMES = {
    *("alibaba", "hotel-reservation", "hotrod", "hydragen", "isotope", "mubench", "online-boutique", "otel-demo"),
    *("social-network", "synthetic-shop", "train-ticket"),
}
SYSTEMS = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
# In these every message makes some forty visits.
MANY_VISITS = {"hydragen", "train-ticket"}


def assert_accounted(report, messages):
    """Every message is accounted for, by operation and call, and what failed failed by an injected fault."""
    ledger = report["ledger"]
    assert ledger["balanced"]
    assert ledger["problems"] == []
    assert sum(line["received"] for line in ledger["stages"] if line["missed"] is not None) >= messages
    for line in ledger["stages"]:
        operations = [one for one in ledger["operations"] if one["stage"] == line["stage"]]
        if operations:
            assert sum(one["received"] for one in operations) == line["received"]
    assert all(line["failed"] == line["invalid"] == 0 for line in ledger["stages"])


def run_system(folder, path, *arguments, timeout):
    finished = run("run", str(path), "--report", "report", *arguments, cwd=folder, timeout_seconds=timeout)
    assert finished.returncode == 0, finished.stderr[-2000:]
    return json.loads((folder / "report" / "report.json").read_text())


def test_all_are_there():
    assert {path.stem for path in FILES} == NAMES


@SYSTEMS
def test_a_system_is_read_without_a_doubt(tmp_path, path):
    """Its comment says what it teaches, where its figures are from and what is assumed; `check` warns of nothing."""
    comment = " ".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    assert "Teaches" in comment and "ssumed" in comment and "from" in comment
    checked = run("check", str(path), cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")


@SYSTEMS
def test_a_system_in_virtual_time(tmp_path, path):
    """Three hundred messages are accounted for to the last call."""
    assert_accounted(run_system(tmp_path, path, "--virtual", "--messages", "300", timeout=120), 300)


@pytest.mark.slow
@SYSTEMS
def test_a_system_live(tmp_path, path):
    """Ten seconds of real requests through packed stages."""
    assert_accounted(run_system(tmp_path, path, "--duration", "10s", "--no-console", timeout=180), 1)


@pytest.mark.slow
@SYSTEMS
def test_a_system_for_long(tmp_path, path):
    """A hundred thousand messages in virtual time; ten thousand where each makes forty visits."""
    messages = 10_000 if path.stem in MANY_VISITS else 100_000
    arguments = ("--virtual", "--messages", str(messages))
    assert_accounted(run_system(tmp_path, path, *arguments, timeout=1800), messages)

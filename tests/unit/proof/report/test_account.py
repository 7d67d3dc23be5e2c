"""The account of a run is read from its folder, also if the run was killed."""

from __future__ import annotations

import json

import pytest

from simulator.errors import StartError
from simulator.local.command import RunRequest
from simulator.local.counted import counts_of
from simulator.local.folder import open_run_folder
from simulator.local.plan import Overrides
from simulator.local.virtual_run import VirtualTime, run_virtually
from simulator.proof.report.account import read_account
from simulator.telemetry import tally
from simulator.telemetry.record import OUTSIDE, Outcome
from simulator.telemetry.tally import Tally
from simulator.topology.reader import parse_topology, write_topology
from simulator.topology.samples import samples_beside

SHOP = "name: shop\nseed: 7\nstages: {entry: {calls: [end]}, end: {role: terminator}}\n"


def killed(path, *, with_counts=("entry", "end")):
    """Make the folder of a run as it is when its runner is killed; entry has one of three messages in flight."""
    topology = parse_topology(SHOP, "shop.yaml", samples_beside(path), "shop")
    folder = open_run_folder(path, "shop")
    folder.topology.write_text(write_topology(topology))
    for name, callers, called in (("entry", [], [("end", "")]), ("end", ["entry"], [])):
        if name in with_counts:
            file = folder.tally(name)
            Tally.create(file, counts_of(name, topology.stages[name], callers, called))
    if "entry" in with_counts:
        counts = Tally(folder.tally("entry"))
        counts.add(tally.received_slot(OUTSIDE), 3)
        counts.add(tally.outcome_slot(Outcome.FORWARDED), 2)
    return folder


def test_a_killed_run_has_the_counts_that_its_stages_left(tmp_path):
    folder = killed(tmp_path / "run")
    folder.release()
    account = read_account(tmp_path / "run")
    entry, end = account.report["ledger"]["stages"]
    assert (entry["received"], entry["forwarded"], entry["in_flight"], end["received"]) == (3, 2, 1, 0)
    assert account.report["seed"] == 7 and account.report["topology"] == "shop"
    assert account.missing[0].startswith("the run was killed before it could write its report")


def test_counts_that_are_gone_are_told(tmp_path):
    killed(tmp_path / "run", with_counts=["entry"]).release()
    assert read_account(tmp_path / "run").missing[1:] == ("end left no counts",)


def test_a_run_that_has_not_ended_is_told_from_one_that_was_killed(tmp_path):
    folder = killed(tmp_path / "run")
    assert read_account(tmp_path / "run").missing == ("the run has not ended: this is how it stands",)
    folder.release()


def test_a_run_that_ended_has_its_report(tmp_path):
    (tmp_path / "shop.yaml").write_text(
        "stages: {a: {role: injector, load: {messages: 3, rate: 10/s}, calls: [b]}, b: {}}"
    )
    request = RunRequest(
        topology=tmp_path / "shop.yaml",
        overrides=Overrides(seed=1),
        duration=None,
        report=tmp_path / "run",
        as_json=False,
    )
    run_virtually(request, VirtualTime(), {})
    account = read_account(tmp_path / "run")
    assert account.report == json.loads((tmp_path / "run" / "report.json").read_text()) and account.missing == ()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "is not the folder of a run: a run makes runs/NAME"),
        (lambda folder: open_run_folder(folder, "x").release(), "was killed before it had begun"),
        (lambda folder: killed(folder, with_counts=()).release(), "left neither a report nor counts"),
        (lambda folder: killed(folder).report.write_text("{"), r"report\.json can't be read"),
        (lambda folder: killed(folder).report.write_text("[]"), r"report\.json can't be read: it has no ledger"),
    ],
)
def test_a_folder_that_says_nothing_is_refused(tmp_path, make, said):
    (tmp_path / "run").mkdir()
    make(tmp_path / "run")
    with pytest.raises(StartError, match=said):
        read_account(tmp_path / "run")

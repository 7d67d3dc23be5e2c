"""Thresholds of a run in real time, and `find-capacity`, as a user types them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import xml.etree.ElementTree as ET

import pytest

from simulator.proof.truth.reading import open_truth
from simulator.telemetry.tally import DUE, TallyReader
from tests.support.processes import run, running_topology, wait_for

SHOP = """name: kept
thresholds: ["errors = 0", "missed = 0"]
stages:
  users: {role: injector, load: {rate: 50/s, arrivals: constant}, calls: [shop]}
  shop: {delay: constant(20ms), workers: 4}
"""
TIMES = ("--threshold", "p50 >= 20ms", "--threshold", "shop processing p50 >= 20ms", "--threshold", "shop p50 < 10ms")


def test_a_run_is_judged_by_the_rows_of_its_stages(tmp_path):
    """Every message is judged once, what was observed is what the tallies counted, and one broken is exit code 1."""
    (tmp_path / "kept.yaml").write_text(SHOP)
    flags = ("--set", "users.load.messages=100", "--json", "--junit", "results.xml")
    finished = run("run", "kept.yaml", *flags, *TIMES, cwd=tmp_path)
    report = json.loads(finished.stdout)
    verdicts = {one["threshold"]: one for one in report["thresholds"]}
    assert [one["kept"] for one in verdicts.values()] == [True, True, True, True, False]
    assert {one["messages"] for one in verdicts.values()} == {100}
    whole = verdicts["p50 >= 20ms"]["value"]
    assert whole == pytest.approx(report["latency_seconds"]["end to end"]["p50"], rel=0.011)
    assert verdicts["shop p50 < 10ms"]["value"] == pytest.approx(report["latency_seconds"]["shop"]["p50"], rel=0.011)
    assert finished.returncode == 1
    assert "wrong: threshold shop p50 < 10ms: shop p50 = 2" in finished.stderr
    cases = ET.parse(tmp_path / "results.xml").iter("testcase")
    assert [case.get("name") for case in cases if case.find("failure") is not None] == ["shop p50 < 10ms"]


def test_fail_fast_ends_a_run_that_would_go_on(tmp_path):
    """The first window is broken; the run stops soon after it, in order, and every message is accounted for."""
    (tmp_path / "kept.yaml").write_text(SHOP)
    flags = ("--threshold", "p50 < 10ms over 1s", "--fail-fast", "--duration", "10m", "--json")
    finished = run("run", "kept.yaml", *flags, cwd=tmp_path, timeout_seconds=120)
    report = json.loads(finished.stdout)
    assert finished.returncode == 1
    assert "Stopping: p50 < 10ms over 1s can't hold any more." in finished.stderr
    assert report["ledger"]["balanced"] and report["thresholds"][2]["first_broken_seconds"] == 0.0


def test_a_stage_that_stands_still_is_seen_from_the_due_times(tmp_path):
    """Of 120 messages at 50/s, 50 are due while it is stopped: at least 45 of them wait for more than 100 ms.

    By the time that the stage itself needs for each nothing is to be seen of it.
    """
    texts = ("p70 < 100ms", "max < 900ms", "shop processing p70 < 100ms")
    flags = [part for text in texts for part in ("--threshold", text)]
    with running_topology(tmp_path, SHOP, "--set", "users.load.messages=120", *flags) as running:
        pid = running.pid("shop")
        with contextlib.closing(TallyReader(running.report_folder / "tallies" / "users")) as tally:
            wait_for(lambda: tally.counts()[DUE] > 5, "some messages")
            os.kill(pid, signal.SIGSTOP)
            try:
                due = tally.counts()[DUE]
                wait_for(lambda: tally.counts()[DUE] >= due + 50, "fifty more")
            finally:
                os.kill(pid, signal.SIGCONT)
        assert running.process.wait(60) == 1
        kept = {one["threshold"]: one["kept"] for one in running.report()["thresholds"]}
    assert [kept[text] for text in texts] == [False, False, True]


@pytest.mark.alone
def test_the_capacity_of_four_workers_is_found_in_real_time(tmp_path):
    """4 workers with 20 ms each are 200/s, within 5 %, and the stage is named; a machine that is too slow says so.

    The last probe leaves its truth, as a run does.
    """
    (tmp_path / "four.yaml").write_text(SHOP.replace("kept", "four"))
    flags = ("--from", "150/s", "--to", "300/s", "--probe", "4s", "--precision", "2%", "--json")
    finished = run("find-capacity", "four.yaml", *flags, cwd=tmp_path, timeout_seconds=200)
    found = json.loads(finished.stdout)
    with open_truth(tmp_path / "runs" / "four") as truth:
        assert truth.manifest.ended_unix_seconds is not None
        assert truth.value("SELECT count(*) FROM visits WHERE stage = 'shop'") > 0
    if found["bottleneck"]["limit"] == "machine":
        pytest.skip(f"this machine is too slow, or busy: {found['bottleneck']['why']}")
    overhead_seconds = found["probes"][-1]["stages"]["shop"]["overhead_seconds"]
    if overhead_seconds > 0.0008:
        pytest.skip(f"this machine adds {overhead_seconds * 1e3:.1f} ms to the 20 ms of each message")
    assert finished.returncode == 0
    assert abs(found["capacity_per_second"] - 200) <= 0.05 * 200
    assert (found["bottleneck"]["limit"], found["bottleneck"]["stage"]) == ("workers", "shop")


def test_find_capacity_in_virtual_time_as_it_is_typed(tmp_path):
    """A line for each probe on standard error, the result on standard output; the same seed gives the same result."""
    (tmp_path / "four.yaml").write_text(SHOP.replace("kept", "four"))
    command = ("find-capacity", "four.yaml", "--virtual", "--seed", "7", "--threshold", "p99 < 1s")
    finished = run(*command, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[1:] == [
        "The capacity of four is 199/s: it kept that, and not 202/s.",
        "The bottleneck is shop: its 4 workers are 100% busy, 20.0ms with each message",
    ]
    assert "keeps errors = 0%, missed = 0, p99 < 1s ..." in finished.stderr
    assert run(*command, cwd=tmp_path).stdout == finished.stdout
    assert not (tmp_path / "runs").exists()

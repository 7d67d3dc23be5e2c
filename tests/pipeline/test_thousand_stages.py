"""A thousand stages on one machine: up soon, small, and every message accounted for and traced whole."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.collector import collector
from tests.support.processes import PROGRAM, clean_environment, running_topology, with_collector

STAGES, MESSAGES = 1000, 400


def children_of(pid):
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(inner for child in found for inner in children_of(child))]


def memory_bytes(pids):
    """Return what processes take together, each shared page divided by the number of those who share it."""
    texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return sum(int(line.split()[1]) * 1024 for text in texts for line in text.splitlines() if line.startswith("Pss:"))


@pytest.mark.alone
def test_a_thousand_stages(tmp_path):
    """They are up in seconds, take less than 700 MB, and carry 50 messages a second, each of them one whole trace."""
    path = tmp_path / "large.yaml"
    command = [sys.executable, str(PROGRAM), "generate", "--stages", str(STAGES), "--seed", "7", "--output", str(path)]
    subprocess.run(command, check=True, env=clean_environment(), capture_output=True)
    begin = time.monotonic()
    with collector() as received:
        environment = with_collector(received.address)
        flags = ("--messages", str(MESSAGES), "--rate", "50/s")
        with running_topology(tmp_path, path, *flags, environment=environment) as running:
            up_seconds = time.monotonic() - begin
            pids = [running.process.pid, *children_of(running.process.pid)]
            taken = memory_bytes(pids)
            assert running.process.wait(300) == 0, running.errors.read_text()
        traces = received.traces()
    report = running.report()
    assert report["ledger"]["balanced"]
    assert sum(line["missed"] for line in report["ledger"]["stages"]) == 0
    assert len(report["ledger"]["stages"]) == STAGES
    assert sum(report["spans_dropped"].values()) == 0
    assert len(pids) == 2 + min(STAGES, len(os.sched_getaffinity(0)))
    assert len(traces) == MESSAGES
    for spans in traces.values():
        ids = {span.span_id for span in spans}
        assert [span.name for span in spans if span.parent_id not in ids] == ["inject"]
    visits = sum(line["received"] for line in report["ledger"]["stages"])
    assert sum(span.name.startswith("POST /") for spans in traces.values() for span in spans) == visits - MESSAGES
    assert taken < 700e6
    assert report["seconds"] < 60  # 8 s of messages, and what the last of them take
    assert up_seconds < 90  # 30 s on two cores of its own, and some machines have a third of that

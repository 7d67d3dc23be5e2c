"""The start of many stages: forked from one process, fast, told while it goes on, and ended with the run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.processes import is_alive, running_topology, wait_for

CHAIN = """
name: chain
stages:
  first: {role: injector, load: {rate: 20/s}, calls: [middle]}
  middle: {calls: [last]}
  last: {role: terminator}
"""
STAGES = 55


def wide(count):
    """Return a topology of an injector and stages that it calls one after the other, ten of them for each message."""
    names = [f"s{number}" for number in range(1, count)]
    groups = [names[first : first + 6] for first in range(0, len(names), 6)]
    chosen = ", ".join(_choice(group) for group in groups)
    stages = "\n".join(f"  {name}: {{calls: []}}" for name in names)
    return f"name: wide\nstages:\n  first: {{role: injector, load: {{rate: 5/s}}, calls: [{chosen}]}}\n{stages}\n"


def _choice(names):
    """Return a step that calls one of some stages, each as often as any other in whole percents."""
    shares = [100 // len(names) + (number < 100 % len(names)) for number in range(len(names))]
    weights = ", ".join(f"{name}: {share}%" for name, share in zip(names, shares, strict=True))
    return f"{{choose: {{{weights}}}}}"


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.alone
def test_many_stages_start_fast(tmp_path):
    """55 stages, a process each, are up in a tenth of the time that as many programs would take."""
    begin = time.monotonic()
    with running_topology(tmp_path, wide(STAGES), "--processes", str(STAGES)) as running:
        up_seconds = time.monotonic() - begin
        pids = {running.pid(name) for name in ("first", *(f"s{number}" for number in range(1, STAGES)))}
        assert len(pids) == STAGES
        assert {parent_of(pid) for pid in pids} == {parent_of(running.pid("s1"))}
        assert running.interrupt() == 0
    assert up_seconds < 36  # 12 s on two cores of its own, and some machines have a third of that


def test_ps_shows_which_stage_a_process_is(tmp_path):
    """A process that was forked has the command line of a stage, its name, and a session of its own."""
    with running_topology(tmp_path, CHAIN) as running:
        pid = running.pid("middle")
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        assert words[-5:-2] == [b"stage", b"--topology", str(running.report_folder / "topology.yaml").encode()]
        assert words[-2:] == [b"--stage", b"middle"]
        assert Path(f"/proc/{pid}/comm").read_text() == "middle\n"
        assert os.getsid(pid) == pid
        assert running.interrupt() == 0


def test_a_killed_fork_server_is_told_and_the_run_goes_on(tmp_path):
    """Stages outlive the process that forked them, messages are carried, and the end of the run says what happened."""
    with running_topology(tmp_path, CHAIN) as running:
        pids = [running.pid(name) for name in ("first", "middle", "last")]
        os.kill(parent_of(pids[0]), signal.SIGKILL)
        seen = len(running.log("last"))
        wait_for(lambda: len(running.log("last")) > seen + 20, "messages")
        assert running.interrupt() == 1
        wait_for(lambda: not any(map(is_alive, pids)), "the end of every stage")
    problems = running.report()["ledger"]["problems"]
    assert problems == ["the process that forks the stages was killed (SIGKILL): how its stages ended is not known"]


def test_stages_end_with_a_run_that_is_killed_with_its_fork_server(tmp_path):
    """Nothing is left of a run where both of its processes are killed."""
    with running_topology(tmp_path, CHAIN) as running:
        pids = [running.pid(name) for name in ("first", "middle", "last")]
        os.kill(parent_of(pids[0]), signal.SIGKILL)
        running.process.kill()
        wait_for(lambda: not any(map(is_alive, pids)), "the end of every stage")

"""Bodies of no bytes, and injectors at a rate of 0: live and in virtual time."""

from __future__ import annotations

import json

import pytest

from tests.support.processes import read_log, run, running_topology, wait_for

EMPTY = """
name: empty
seed: 1
stages:
  source: {role: injector, load: {rate: 200/s, messages: 20}, calls: [{to: front, request_bytes: 0}]}
  front: {calls: [middle, {to: end, request_bytes: "uniform(0B, 2B)"}]}
  middle: {response_bytes: 0, calls: [end]}
  end: {role: terminator}
"""
PAUSED = """
name: paused
seed: 1
stages:
  source: {role: injector, load: {rate: 0, messages: 400}, calls: [sink]}
  sink: {role: terminator}
"""


@pytest.mark.parametrize("flags", [("--no-console",), ("--virtual",)], ids=["live", "virtual"])
def test_a_body_may_be_empty(tmp_path, flags):
    """Nothing arrives as nothing at every stage behind it, is written as nothing, and is accounted for."""
    (tmp_path / "t.yaml").write_text(EMPTY)
    ended = run("run", "t.yaml", "--json", "--report", "report", "--output", "out.jsonl", *flags, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["ledger"]["balanced"]
    sizes = {name: sizes_at(tmp_path / "report" / "logs" / f"{name}.jsonl") for name in ("front", "middle", "end")}
    assert sizes["front"] == sizes["middle"] == [0] * 20
    assert len(sizes["end"]) == 40
    assert set(sizes["end"]) <= {0, 1, 2}
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(lines) == 40
    assert lines.count("") >= 20


def sizes_at(path):
    """Return the size of the body of every message in a log."""
    return [line["body_bytes"] for line in read_log(path) if line["event"] == "message.handled"]


def handled(running):
    """Return how many messages the sink has handled."""
    return sum(line["event"] == "message.handled" for line in running.log("sink"))


def test_a_paused_injector_waits_for_its_rate(tmp_path):
    """At a rate of 0 nothing is sent until `set` gives a rate, then as many messages as there are to be."""
    with running_topology(tmp_path, PAUSED) as running:
        wait_for(lambda: "source is paused: its load.rate is 0" in running.errors.read_text(), "the warning")
        shown = json.loads(run("set", "source", "--run", "report", cwd=tmp_path).stdout)
        assert (shown["load"]["rate"], handled(running)) == ("0/s", 0)
        started = run("set", "source", "load.rate=50/s", "--run", "report", cwd=tmp_path)
        assert "load.rate: 0/s -> 50/s\n" in started.stdout, started.stderr
        wait_for(lambda: handled(running) > 0, "messages")
        paused = run("set", "source", "load.rate=0", "--run", "report", cwd=tmp_path)
        assert "load.rate: 50/s -> 0/s\n" in paused.stdout, paused.stderr
        assert handled(running) < 400
        assert run("set", "source", "load.rate=1000/s", "--run", "report", cwd=tmp_path).returncode == 0
        assert running.process.wait(60) == 0, running.errors.read_text()
        assert handled(running) == 400


def test_a_paused_injector_in_virtual_time(tmp_path):
    """Nothing can give it a rate there, so a run needs a duration, and has no message at its end."""
    (tmp_path / "t.yaml").write_text(PAUSED)
    endless = run("run", "t.yaml", "--virtual", cwd=tmp_path)
    assert endless.returncode == 2
    assert "source is paused: its load.rate is 0, and nothing starts it in virtual time: give --d" in endless.stderr
    ended = run("run", "t.yaml", "--virtual", "--duration", "1h", "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["ledger"]["balanced"]


def test_check_says_that_a_load_is_paused(tmp_path):
    """A run that never ends by itself is no surprise then."""
    (tmp_path / "t.yaml").write_text(PAUSED)
    checked = run("check", "t.yaml", cwd=tmp_path)
    assert checked.returncode == 0
    assert checked.stderr.strip() == (
        "warning: source is paused: its load.rate is 0, and `set source load.rate=20/s` starts it; "
        "until then the run does not end by itself"
    )
    assert "entries: source (paused)" in checked.stdout

"""Names as other systems have them: capitals, dots, underscores, and digits first, in everything that a run shows."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import requests

from tests.support.collector import CLIENT, SERVER, collector
from tests.support.processes import read_samples, run, running_topology, wait_for, with_collector

MESSAGES = 60
NAMES = {
    "Load.gen": 1,
    "Frontend": 1,
    "product_catalog": 1,
    "a": 1,
    "a.b": 2,
    "2nd": 1,
    "1e3": 1,
    "99f2e7b5" * 7 + "99f2e7b": 1,
}
*_, LONG = NAMES
TEXT = f"""
name: My.Shop_2
seed: 7
stages:
  Load.gen: {{role: injector, load: {{rate: 10/s}}, calls: [Frontend]}}
  Frontend:
    calls:
      - product_catalog
      - parallel: [a, {{to: a.b, retries: 1}}, "1e3"]
      - {{to: {LONG}, optional: true}}
  product_catalog: {{delay: constant(1ms), calls: [a.b]}}
  a: {{faults: ["error(503, 20%)"], calls: []}}
  a.b: {{instances: 2, calls: [2nd]}}
  2nd: {{calls: []}}
  1e3: {{calls: []}}
  {LONG}: {{role: terminator}}
"""
CALLS = {
    ("Load.gen", "Frontend"),
    ("Frontend", "product_catalog"),
    ("Frontend", "a"),
    ("Frontend", "a.b"),
    ("Frontend", "1e3"),
    ("Frontend", LONG),
    ("product_catalog", "a.b"),
    ("a.b", "2nd"),
}
LABELS = {label for name, count in NAMES.items() for label in ([name] if count == 1 else [f"{name}.1", f"{name}.2"])}


@pytest.mark.parametrize("processes", [[], ["--processes", "2"]], ids=["apart", "packed"])
def test_every_name_is_in_everything_as_it_is_written(processes, tmp_path):
    """Ledger, report, logs, metrics and spans name the stages of the file, each its own, and every sum balances."""
    with collector() as received:
        environment = with_collector(received.address)
        with running_topology(tmp_path, TEXT, *processes, environment=environment) as running:
            series = wait_for(lambda: series_of(running), "a message at every stage")
            assert running.interrupt(120) == 0, running.errors.read_text()
        spans = received.spans()
    report = running.report()
    assert report["ledger"]["balanced"]
    assert {line["stage"] for line in report["ledger"]["stages"]} == set(NAMES)
    calls = {(line["caller"], line["called"]): line for line in report["ledger"]["calls"]}
    assert set(calls) == CALLS
    assert {path.name.removesuffix(".jsonl") for path in (running.report_folder / "logs").glob("*.jsonl")} == LABELS
    for label in LABELS:
        assert {line["stage"] for line in running.log(label)} == {label.removesuffix(".1").removesuffix(".2")}
    assert series == CALLS
    servers = Counter(span.service for span in spans if span.kind == SERVER)
    assert {name: servers[name] for name in NAMES if name != "Load.gen"} == {
        name: sum(line["received"] for (_, called), line in calls.items() if called == name)
        for name in NAMES
        if name != "Load.gen"
    }
    peers = {(span.service, span.attributes["peer.service"]) for span in spans if span.kind == CLIENT}
    assert peers == CALLS


def series_of(running):
    """Return the calls that the metrics of the stages have, (stage, downstream), once all are there."""
    found = set()
    for stage in running.topology()["stages"].values():
        for number in range(stage.get("instances", 1)):
            text = requests.get(f"http://127.0.0.1:{stage['port'] + number}/metrics", timeout=10).text
            for sample, labels in read_samples(text):
                kept = dict(labels)
                if "downstream" in kept and sample.startswith("simulator_downstream_call_duration_seconds_count"):
                    found.add((kept["stage"], kept["downstream"]))
    return found if len(found) == len(CALLS) else None


def test_a_stage_with_dots_is_changed_by_its_name(tmp_path):
    """`--set`, `set` with and without the folder, and a call to such a stage: the name is the whole of it."""
    flags = ["--set", "a.b.delay=constant(2ms)", "--set", "a.workers=3", "--set", "Frontend.calls.a.b.timeout=50s"]
    with running_topology(tmp_path, TEXT, *flags) as running:
        assert [running.control(name).json()["workers"] for name in ("a", "a.b")] == [3, 1000]
        assert running.control("a.b").json()["delay"] == "constant(2ms)"
        where = ["--run", str(running.report_folder)]
        done = run("set", "a.b", "delay=constant(3ms)", *where, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert running.control("a.b").json()["delay"] == "constant(3ms)"
        done = run(
            "set", "Frontend", "calls.a.b.timeout=40s", "calls.product_catalog.timeout=20s", *where, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        calls = running.control("Frontend").json()["calls"]
        assert '{"to": "a.b", "timeout": "40s"' in json.dumps(calls)
        assert '{"to": "product_catalog", "timeout": "20s"' in json.dumps(calls)
        done = run("set", "a.c", "delay=constant(3ms)", *where, cwd=tmp_path)
        assert done.returncode == 2 and "a has no operation 'c'" in done.stderr
        assert running.interrupt() == 0, running.errors.read_text()


def test_virtual_time_has_the_same_names(tmp_path):
    """Files of logs, ledger and calls as in a run with processes."""
    (tmp_path / "names.yaml").write_text(TEXT)
    flags = ["--virtual", "--messages", str(MESSAGES), "--report", str(tmp_path / "report"), "--json"]
    done = run("run", "names.yaml", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["ledger"]["balanced"]
    assert {(line["caller"], line["called"]) for line in report["ledger"]["calls"]} == CALLS
    assert {path.name.removesuffix(".jsonl") for path in (tmp_path / "report" / "logs").glob("*.jsonl")} == LABELS


def test_the_default_folder_of_a_run_has_the_name_of_the_topology(tmp_path):
    """As it is written, dots and capitals too."""
    (tmp_path / "t.yaml").write_text(TEXT)
    done = run("run", "t.yaml", "--virtual", "--messages", "1", cwd=tmp_path)
    assert "runs/My.Shop_2" in done.stderr + done.stdout
    assert (tmp_path / "runs" / "My.Shop_2" / "report.json").exists()


def test_a_single_stage_and_its_downstream_have_such_names(tmp_path):
    """`--name` and `--downstream name=URL` take them, and the log has them."""
    done = run("stage", "--name", "my shop", "--downstream", "a/b=http://127.0.0.1:1/messages", cwd=tmp_path)
    assert done.returncode == 2
    assert "flag --name: NAME: 'my shop' has a space in it" in done.stderr

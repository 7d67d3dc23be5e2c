"""The command `verify` with files of a run, from the command line to the exit code."""

from __future__ import annotations

import json
import shutil

import orjson
import pytest

from simulator.cli import main
from simulator.commands.program import Program
from simulator.local.command import RunRequest
from simulator.local.plan import Overrides
from simulator.local.virtual_run import VirtualTime, run_virtually
from simulator.proof.after_run import after_run
from simulator.proof.backends.judgement import settled

TOPOLOGY = """
name: shop
seed: 7
stages:
  start: {role: injector, load: {rate: 50/s, messages: 200}, calls: [page]}
  page: {delay: exponential(5ms), calls: [{to: store, retries: "retries(2, backoff=5ms)"}]}
  store: {delay: 1ms, faults: ["error(503, 20%)"], calls: []}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run in virtual time: it has a truth, and logs."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "shop.yaml").write_text(TOPOLOGY)
    request = RunRequest(
        topology=folder / "shop.yaml", overrides=Overrides(), duration=None, report=folder / "myrun", as_json=False
    )
    assert run_virtually(request, VirtualTime(start=None, overhead=None), {}, after_run) == 0
    return folder / "myrun"


@pytest.fixture
def copied(finished, tmp_path):
    """The logs, to be damaged."""
    return shutil.copytree(finished / "logs", tmp_path / "logs")


def verify(tmp_path, *arguments):
    program = Program(name="simulator", command=(), root=tmp_path, is_installed=False)
    return main(["verify", *map(str, arguments)], program)


def findings(text):
    return [
        finding["name"]
        for one in json.loads(text)["backends"]
        for check in one["checks"]
        for finding in check["findings"]
    ]


def test_the_logs_of_a_run_are_good(finished, tmp_path, capsys):
    """Every line is there, with its keys: 200 messages, whatever was retried."""
    assert verify(tmp_path, "--run", finished, "--logs", finished / "logs") == 0
    shown = capsys.readouterr().out
    assert "FAIL" not in shown and shown.count("  ok    ") == 3
    assert verify(tmp_path, "--run", finished, "--logs", finished / "logs", "--quiet") == 0
    assert "  ok    " not in capsys.readouterr().out


def test_a_damaged_log_is_exit_code_1_with_findings_by_name(finished, copied, tmp_path, capsys):
    """A line that was cut off, one that is there twice and one of another run, as text and as JSON."""
    file = copied / "page.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    handled = next(line for line in lines if b"message.handled" in line)
    other = orjson.dumps({**orjson.loads(handled), "message_id": "another"})
    file.write_bytes(b"".join([*lines[:-4], handled, other, b"\n", lines[-1][:40]]))
    assert verify(tmp_path, "--run", finished, "--logs", copied, "--json") == 1
    shown = capsys.readouterr().out
    assert {"unreadable", "lines doubled"} <= set(findings(shown))
    assert json.loads(shown)["backends"][0]["remarks"] == ["1 lines of other runs are left out"]
    assert verify(tmp_path, "--run", finished, "--logs", copied) == 1
    assert "FAIL  copies         lines doubled: 1 are there" in capsys.readouterr().out


def test_what_a_truth_lacks_that_is_incomplete_is_no_finding(finished, tmp_path, capsys):
    """The lines of visits whose rows were lost are there, and nothing can say that they should not be."""
    killed = shutil.copytree(finished, tmp_path / "killed")
    manifest = json.loads((killed / "truth" / "manifest.json").read_text())
    (killed / "truth" / "manifest.json").write_text(json.dumps(manifest | {"rows_lost": {"page": 1}}))
    doubled = killed / "logs" / "page.jsonl"
    lines = doubled.read_bytes().splitlines(keepends=True)
    doubled.write_bytes(b"".join([*lines, lines[5]]))
    assert verify(tmp_path, "--run", killed, "--logs", killed / "logs") == 0
    assert "the truth of the run is incomplete" in capsys.readouterr().out


def test_half_a_log_is_a_gap_that_does_not_end(finished, copied, tmp_path, capsys):
    """As of a shipper that stopped."""
    for file in copied.iterdir():
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(lines[: len(lines) // 2]))
    assert verify(tmp_path, "--run", finished, "--logs", copied, "--json") == 1
    assert "gap in time" in findings(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--backend"], "name a backend"),
        (["--expect", "sampling: 10%"], "name a backend"),
        (["--run", "nowhere", "--logs", "."], "there is no truth in nowhere"),
        (["--run", "RUN", "--logs", "nowhere"], "nowhere does not exist"),
        (["--run", "RUN", "--jaeger", "http://127.0.0.1:1"], "nothing is listening there"),
        (["--run", "RUN", "--prometheus", "localhost:9090"], "is not the URL of a backend"),
        (["--run", "RUN", "--logs", ".", "--expect", "all"], "--expect 'all'"),
        (["--run", "RUN", "--logs", ".", "--settle", "long"], "--settle"),
        (["--run", "RUN", "--otlp-file", "RUN/report.json"], "no sampled trace, so there is nothing to compare"),
        (["shop", "--run", "RUN", "--logs", "."], "leave out the topology"),
    ],
)
def test_what_can_not_be_judged_is_exit_code_2_and_a_line(finished, tmp_path, capsys, monkeypatch, arguments, text):
    """No flag, no run, no backend, or a wrong one of any."""
    monkeypatch.chdir(tmp_path)
    assert verify(tmp_path, *(one.replace("RUN", str(finished)) for one in arguments)) == 2
    assert text in capsys.readouterr().err


class Verdict:
    def __init__(self, is_good):
        self.is_good = is_good


def test_a_pipeline_gets_time_to_deliver():
    """It is asked again each second until all is good, or until the time is up."""
    answers = [False, False, True]
    clock = [0.0]
    asked = []

    def judge():
        asked.append(clock[0])
        return [Verdict(answers[min(len(asked), 3) - 1])]

    def sleep(seconds):
        clock[0] += seconds

    assert settled(judge, 10.0, lambda: clock[0], sleep)[0].is_good
    assert asked == [0.0, 1.0, 2.0]
    answers[:] = [False] * 3
    asked.clear()
    assert not settled(judge, 4.5, lambda: clock[0], sleep)[0].is_good
    assert asked == [2.0, 3.0, 4.0, 4.5]

"""`run --virtual` as a user types it: files, pipes and terminals, Ctrl-C, and a disk that is full."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys

import pytest

from tests.support.processes import PROGRAM, ROOT, clean_environment, read_log, run, wait_for

PIPELINE = str(ROOT / "topologies" / "pipeline.yaml")
STORM = str(ROOT / "topologies" / "retry-storm.yaml")
CARTS = """stages:
  clients: {role: injector, load: {rate: 20/s, messages: 100}, calls: [cart.read, {to: cart.write, probability: 20%}]}
  cart:
    operations:
      read: {method: GET, delay: 5ms, calls: []}
      write: {delay: 50ms, calls: []}
"""
LINES = [b'{"order": 1}', b'{"order":  2, "name": "Zo\\u00eb"}', '{"order": 3, "name": "Zoë"}'.encode(), b"[1,2 , 3]"]


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_lines_come_out_as_they_went_in(tmp_path):
    """Each line of --input is in --output, byte for byte and in its order, as there is one message after the other."""
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(LINES) + b"\n")
    flags = ("--virtual", "--input", "in.jsonl", "--output", "out.jsonl", "--json")
    concurrency = ("--set", "injector.load.concurrency=1")
    finished = run("run", PIPELINE, *flags, *concurrency, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "out.jsonl").read_bytes() == b"\n".join(LINES) + b"\n"
    report = json.loads(finished.stdout)
    assert (report["ledger"]["lines_read"], report["ledger"]["balanced"]) == (4, True)
    assert finished.stdout == (tmp_path / "runs" / "pipeline" / "report.json").read_text()


def test_the_report_has_percentiles_of_each_operation(tmp_path):
    """Beside those of the stage as a whole, under the name that a call has, those of each of its operations."""
    (tmp_path / "carts.yaml").write_text(CARTS)
    finished = run("run", "carts.yaml", "--virtual", "--json", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    latencies = json.loads(finished.stdout)["latency_seconds"]
    assert list(latencies) == ["clients", "cart", "cart.read", "cart.write", "end to end"]
    assert latencies["cart.read"]["max"] == pytest.approx(0.005, rel=0.1)
    assert latencies["cart.write"]["p50"] == pytest.approx(0.05, rel=0.1)
    assert latencies["cart"]["p50"] == latencies["cart.read"]["p50"]
    assert latencies["cart"]["max"] == latencies["cart.write"]["max"]


def test_standard_input_is_read_and_a_bad_line_is_named(tmp_path):
    """Of lines from a pipe one that is no JSON is skipped, counted and told."""
    flags = ("--virtual", "--input", "-", "--on-bad-line", "skip", "--output", "out.jsonl")
    finished = run("run", PIPELINE, *flags, cwd=tmp_path, stdin=b'{"order": 1}\nno json\n{"order": 3}\n')
    assert finished.returncode == 0
    assert "line 2 of the input was not sent" in finished.stderr
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 2


def test_the_same_seed_gives_the_same_files_to_the_last_byte(tmp_path):
    """Report, topology and every log of two runs are equal; with another seed they are not."""
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        flags = ("--virtual", "--messages", "15", "--seed", seed, "--report", name)
        assert run("run", STORM, *flags, cwd=tmp_path).returncode == 0
    first, again, other = (tree(tmp_path / name) for name in "abc")
    assert first == again
    assert set(first) >= {"report.json", "topology.yaml", "logs/database.jsonl"}
    assert first["logs/database.jsonl"] != other["logs/database.jsonl"]


def test_a_message_that_finds_no_room_is_missed_and_not_lost(tmp_path):
    """A full injector refuses what is due: the ledger counts it as missed, and balances."""
    topology = """
name: missing
seed: 1
stages:
  source: {role: injector, workers: 2, queue: 0, load: {rate: 100/s, arrivals: constant, messages: 60}, calls: [slow]}
  slow: {role: terminator, delay: constant(405ms)}
"""
    (tmp_path / "missing.yaml").write_text(topology)
    finished = run("run", "missing.yaml", "--virtual", "--json", cwd=tmp_path)
    source, slow = json.loads(finished.stdout)["ledger"]["stages"]
    assert (source["received"], source["missed"], source["rejected"], source["forwarded"]) == (60, 56, 56, 4)
    assert slow["delivered"] == 4
    assert finished.returncode == 0


def start(folder, *flags, **streams):
    command = [sys.executable, str(PROGRAM), "run", PIPELINE, "--virtual", "--report", "report", *flags]
    return subprocess.Popen(command, cwd=folder, env=clean_environment(), stdin=subprocess.DEVNULL, **streams)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_its_account(tmp_path, number):
    """Whatever virtual time it is: what is in flight ends, the ledger balances, the exit code is 0."""
    process = start(tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "report" / "logs" / "archive.jsonl"
    wait_for(lambda: log.exists() and log.stat().st_size > 0, "a message in the log")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "The ledger balances" in err and "balanced" in out
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    handled = sum(line["event"] == "message.handled" for line in read_log(log))
    assert handled == report["ledger"]["stages"][-1]["delivered"] > 0


def test_a_pipe_gets_plain_text(tmp_path):
    """Neither standard output nor standard error has control characters where they lead to no terminal."""
    finished = run("run", PIPELINE, "--virtual", "--duration", "10s", "--seed", "7", cwd=tmp_path)
    assert finished.returncode == 0
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", finished.stdout + finished.stderr)
    assert "virtual time" in finished.stderr


@pytest.mark.parametrize("extra", [{}, {"NO_COLOR": "1"}])
def test_a_terminal_gets_colours_unless_it_wants_none(tmp_path, extra):
    """With NO_COLOR there is not one colour on a terminal."""
    leader, follower = pty.openpty()
    environment = {**clean_environment(extra), "TERM": "xterm-256color"}
    command = [sys.executable, str(PROGRAM), "run", PIPELINE, "--virtual", "--duration", "10s", "--seed", "7"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower
    )
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 65536):
            shown += part
    except OSError:
        pass  # the end of a terminal
    os.close(leader)
    assert process.wait(60) == 0
    assert b"The ledger balances" in shown
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-9]", shown)) is not bool(extra)


def test_a_full_disk_and_a_full_output_lose_lines_and_no_message(tmp_path):
    """What of the logs has no room is counted and told; every message is delivered, and the exit code is 0."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 - it is no file of ours
        command = [
            sys.executable,
            str(PROGRAM),
            "run",
            PIPELINE,
            "--virtual",
            "--messages",
            "500",
            "--report",
            "report",
        ]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=clean_environment(),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "standard output could not be written: No space left on device" in done.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["ledger"]["stages"][-1]["delivered"] == 500
    dropped = report["log_lines_dropped"]["archive"]
    assert f"archive: {dropped} log lines could not be written and were dropped" in done.stderr
    kept = read_log(tmp_path / "report" / "logs" / "archive.jsonl")
    assert len(kept) + dropped == 2 * 500


@pytest.mark.parametrize("flag", [("--start", "2026-01-01"), ("--overhead", "1ms")])
def test_what_only_virtual_time_has(tmp_path, flag):
    """Without --virtual these flags are a mistake."""
    finished = run("run", PIPELINE, *flag, cwd=tmp_path)
    assert finished.returncode == 2
    assert "--start and --overhead need --virtual" in finished.stderr


@pytest.mark.parametrize("flag", ["--stack", "--console", "--console-port=8090", "--processes=2", "--start-timeout=5s"])
def test_what_virtual_time_does_not_have(tmp_path, flag):
    """A flag that only real time has a use for is named, and nothing is written; to want no console is no mistake."""
    finished = run("run", PIPELINE, "--virtual", flag, cwd=tmp_path)
    assert finished.returncode == 2
    assert f"{flag.partition('=')[0]}: virtual time does not have " in finished.stderr
    assert not (tmp_path / "runs").exists()


def test_what_is_said_of_real_time_elsewhere_is_no_mistake(tmp_path):
    """Variables of the environment may be meant for other runs, and --no-console is what virtual time has."""
    environment = {"SIMULATOR_PROCESSES": "2", "SIMULATOR_CONSOLE": "true"}
    flags = ("--virtual", "--no-console", "--messages", "1")
    finished = run("run", PIPELINE, *flags, cwd=tmp_path, environment=environment)
    assert finished.returncode == 0, finished.stderr


def test_a_second_ctrl_c_ends_it_without_an_account(tmp_path):
    """Whoever is impatient is not kept waiting for the end of a message, or for anything else."""
    process = start(tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "report" / "logs" / "archive.jsonl"
    wait_for(lambda: log.exists() and log.stat().st_size > 0, "a message in the log")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    # The first one alone may have been enough.
    assert process.returncode == (0 if "The ledger balances" in err else 130)
    assert "Traceback" not in err

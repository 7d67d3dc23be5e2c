"""`stage --processes N`: the stages of one container in several processes, as the engine that runs it sees them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.support.containers import running_container
from tests.support.processes import PROGRAM, clean_environment, is_alive, wait_for

THREE = """
name: three
stages:
  first: {host: 127.0.0.1, port: PORT1, delay: DELAY, calls: [second]}
  second: {host: 127.0.0.1, port: PORT2, calls: [third]}
  third: {host: 127.0.0.1, port: PORT3, role: terminator}
"""
NAMES = ("first", "second", "third")


@pytest.fixture
def start(tmp_path):
    """Return a function that starts the container, with `first` and `third` in one process and `second` in another."""
    with contextlib.ExitStack() as started:

        def begin(delay="constant(0s)", out=None):
            text = THREE.replace("DELAY", delay)
            return started.enter_context(running_container(tmp_path, text, NAMES, "--processes", "2", out=out))

        yield begin


def test_a_stop_finishes_what_is_on_its_way_between_processes(start):
    """SIGTERM ends the callers first, whichever processes the stages are in, so that a message still gets through."""
    container = start(delay="constant(1500ms)")
    wait_for(lambda: len(container.pids()) == 3, "their log lines")
    pids = container.pids()
    assert pids["first"] == pids["third"] != pids["second"] and container.process.pid not in pids.values()
    answers = []
    sender = threading.Thread(target=lambda: answers.append(container.post()))
    sender.start()
    wait_for(lambda: container.lines("message.received"), "the message at its first stage")
    container.process.send_signal(signal.SIGTERM)
    assert container.process.wait(60) == 0
    sender.join(60)
    assert [(answer.status_code, answer.json()["outcome"]) for answer in answers] == [(200, "forwarded")]
    stopped = sorted(container.lines("stage.stopped"), key=lambda line: line["timestamp"])
    assert [(line["stage"], line["unfinished"]) for line in stopped] == [(name, 0) for name in NAMES]
    assert container.err.read_text() == ""


def test_ctrl_c_is_passed_on_once(start):
    """An interrupt of the terminal's whole process group drains; a second one would break off."""
    container = start()
    container.process.send_signal(signal.SIGINT)
    assert container.process.wait(60) == 0
    assert {line["stage"] for line in container.lines("stage.stopped")} == set(NAMES)


def test_a_killed_process_ends_the_container(start):
    """The others drain, and the exit code is that of the one that failed, so that an engine restarts the container."""
    container = start()
    wait_for(lambda: len(container.pids()) == 3, "their log lines")
    os.kill(container.pids()["first"], signal.SIGKILL)
    assert container.process.wait(60) == 128 + signal.SIGKILL
    assert [line["stage"] for line in container.lines("stage.stopped")] == ["second"]
    assert "the process of first, third has ended with -9: the others stop" in container.err.read_text()


def test_nothing_is_left_of_a_killed_container(start):
    """The processes end by themselves when their parent is gone."""
    container = start()
    wait_for(lambda: len(container.pids()) == 3, "their log lines")
    container.process.kill()
    container.process.wait()
    pids = set(container.pids().values())
    wait_for(lambda: not any(map(is_alive, pids)), "the end of the processes", 60)
    assert {line["stage"] for line in container.lines("stage.stopped")} == set(NAMES)


def test_one_process_can_be_asked_to_stop(start):
    """It does not wait for callers elsewhere, which go on; its end ends the container."""
    container = start()
    wait_for(lambda: len(container.pids()) == 3, "their log lines")
    os.kill(container.pids()["second"], signal.SIGTERM)
    assert container.process.wait(60) == 0
    assert {line["stage"] for line in container.lines("stage.stopped")} == set(NAMES)


def test_a_taken_port_is_a_failed_start(tmp_path):
    """The exit code and the message are those of a container of one process."""
    path = tmp_path / "three.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = re.sub(r"port: PORT[13]", "port: 0", THREE).replace("DELAY", "constant(0s)")
        path.write_text(text.replace("PORT2", str(port)))
        command = [sys.executable, str(PROGRAM), "stage", "--topology", str(path), "--processes", "2"]
        command += [word for name in NAMES for word in ("--stage", name)]
        environment = clean_environment({"SIMULATOR_SHUTDOWN_DELAY": "0s"})
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert str(port) in done.stderr and "the process of second has ended with 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_lines_of_several_processes_stay_whole(start):
    """A slow reader of the container's standard output gets every line in one piece, of each stage the same number."""
    read, write = os.pipe()
    container = start(out=write)
    os.close(write)
    for _ in range(120):
        assert container.post().status_code == 200
    container.process.send_signal(signal.SIGTERM)
    with os.fdopen(read, "rb") as reader:
        lines = [json.loads(line) for line in reader]
    assert container.process.wait(60) == 0
    handled = [line["stage"] for line in lines if line["event"] == "message.handled"]
    assert {name: handled.count(name) for name in NAMES} == dict.fromkeys(NAMES, 120)


@pytest.mark.parametrize("arguments", [["--processes", "0"], ["--processes", "2", "--port", "0"]])
def test_processes_that_can_not_be_are_bad_usage(arguments):
    """None, and several for a stage without a topology."""
    command = [sys.executable, str(PROGRAM), "stage", *arguments]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "--processes" in done.stderr

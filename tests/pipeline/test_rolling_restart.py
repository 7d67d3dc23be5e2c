"""Rolling restarts: each stage's process is replaced again and again under load, and nothing is lost or fails."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys

import pytest

from tests.support.processes import PROGRAM, clean_environment, read_log, wait_for
from tests.support.steady import steady_load

NAMES = ("front", "middle", "last")
TOPOLOGY = """
name: rolling
stages:
  front: {host: 127.0.0.1, port: %d, delay: "uniform(1ms, 20ms)", calls: [middle]}
  middle: {host: 127.0.0.1, port: %d, delay: "uniform(1ms, 60ms)", calls: [last]}
  last: {host: 127.0.0.1, port: %d, role: terminator, delay: "uniform(1ms, 20ms)"}
"""


class Rolling:
    """Stages whose listening sockets are handed from one process to the next, as a surge of pods keeps an address."""

    def __init__(self, folder):
        self.folder = folder
        self.listeners = {name: socket.create_server(("127.0.0.1", 0), backlog=128) for name in NAMES}
        self.ports = {name: listener.getsockname()[1] for name, listener in self.listeners.items()}
        (folder / "rolling.yaml").write_text(TOPOLOGY % tuple(self.ports.values()))
        self.running, self.logs, self.errors = {}, {name: [] for name in NAMES}, []

    def start(self, name):
        """Start a process of a stage beside the one there is; return once it takes messages."""
        number = len(self.logs[name])
        log, errors = self.folder / f"{name}.{number}.jsonl", self.folder / f"{name}.{number}.stderr"
        descriptor = self.listeners[name].fileno()
        command = [sys.executable, str(PROGRAM), "stage", "--topology", str(self.folder / "rolling.yaml")]
        command += ["--stage", name, "--listen-fd", str(descriptor)]
        # Within this time each client, which sends five times a second, must be told that its connection ends.
        environment = clean_environment({"SIMULATOR_SHUTDOWN_DELAY": "1s"})
        with log.open("wb") as out, errors.open("wb") as err:
            process = subprocess.Popen(command, stdout=out, stderr=err, pass_fds=(descriptor,), env=environment)
        self.logs[name].append(log)
        self.errors.append(errors)
        self.running.setdefault(name, []).append(process)
        wait_for(lambda: any(line["event"] == "stage.started" for line in read_log(log)), f"the start of {name}", 120)

    def replace(self, name):
        """Start another process of a stage and end the one before it, as a rolling restart does."""
        self.start(name)
        old = self.running[name].pop(0)
        old.send_signal(signal.SIGTERM)
        assert old.wait(60) == 0

    def handled(self, name):
        """Return what all processes of a stage said of the messages they handled."""
        lines = [line for log in self.logs[name] for line in read_log(log)]
        return [line for line in lines if line["event"] == "message.handled"]

    def close(self):
        for process in (process for processes in self.running.values() for process in processes):
            process.kill()
            process.wait()
        for listener in self.listeners.values():
            listener.close()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rounds", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_rolling_restarts_lose_nothing(tmp_path, rounds):
    """SIGTERM on each stage in turn, several times, under 20/s: all is answered with 200 and delivered exactly once."""
    rolling = Rolling(tmp_path)
    with contextlib.closing(rolling):
        for name in reversed(NAMES):
            rolling.start(name)
        with steady_load("127.0.0.1", rolling.ports["front"]) as clients:
            for name in rounds * NAMES:
                rolling.replace(name)
        sent = [ident for client in clients for ident in client.sent]
        assert [wrong for client in clients for wrong in client.wrong] == []
        for name in NAMES:
            for process in rolling.running[name]:
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0
        good = {"front": "forwarded", "middle": "forwarded", "last": "delivered"}
        for name in NAMES:
            lines = rolling.handled(name)
            assert sorted(line["message_id"] for line in lines if line["outcome"] == good[name]) == sorted(sent)
            # A stage that has read a message as it ends says so, once in a restart at most: it is sent to the next one.
            refused = [line for line in lines if line["outcome"] == "rejected"]
            assert {(line["code"], line["error"]) for line in refused} <= {(503, "the stage is shutting down")}
            assert len(refused) <= rounds
            assert {line["outcome"] for line in lines if line not in refused} == {good[name]}
        stopped = [line for name in NAMES for log in rolling.logs[name] for line in read_log(log)]
        assert {line["unfinished"] for line in stopped if line["event"] == "stage.stopped"} == {0}
        assert [path.read_text() for path in rolling.errors if path.stat().st_size] == []

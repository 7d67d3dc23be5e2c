"""The processes of a run, with small programs of the tests' own in the place of a stage."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

from simulator.errors import StartError
from simulator.local.children import Child, parent_pipe, stage_environment
from simulator.local.folder import open_run_folder
from simulator.local.starting import Pace, Probes, start_at_pace
from simulator.net.listening import listen

LONG_SECONDS = 20.0

# A stage's place is taken by programs that say what they were given, and answer their probe on the socket.
GOOD = """
import http.server, json, os, socket, sys, threading
arguments = dict(zip(sys.argv[2::2], sys.argv[3::2]))
print(json.dumps({"command": sys.argv[1], "arguments": arguments, "environment": dict(os.environ),
                  "session": os.getsid(0), "pid": os.getpid(), "stdin": sys.stdin.read()}), flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        self.send_response(200 if self.path == "/readyz" and Handler.asked > NOT_READY_AT_FIRST else 503)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("", 0), Handler, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=int(arguments["--listen-fd"]))
def end_with_parent():
    os.read(int(arguments["--parent-fd"]), 1)
    os._exit(7)
threading.Thread(target=end_with_parent, daemon=True).start()
server.serve_forever()
"""
DYING = "import sys; print('the reason ' + 'x' * 5000 + ' of it all', file=sys.stderr); sys.exit(2)"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + GOOD


class Rig:
    """A child of a program, its folder and the runner's pipe."""

    def __init__(self, folder, program, source, not_ready_at_first=0, instance=1, label="parse"):
        self.folder = folder
        self.program = program
        program.write_text(source.replace("NOT_READY_AT_FIRST", str(not_ready_at_first)))
        self.read, self.write = parent_pipe()
        self.listener = listen("127.0.0.1", 0, "parse")
        self.port = self.listener.getsockname()[1]
        self.child = Child("parse", instance, label, self.listener, folder)

    def start(self, environment=None, stdin=subprocess.DEVNULL):
        self.child.start(self.program, self.read, environment or {"PATH": os.environ["PATH"]}, stdin, 1000)

    def wait(self):
        """Wait until the child is ready."""
        with Probes() as probes:
            pace = Pace(concurrency=1, timeout_seconds=LONG_SECONDS)
            start_at_pace([[self.child]], lambda _: None, probes.ready_among, pace, time.monotonic, lambda _: None)

    def said(self):
        return json.loads(self.folder.log(self.child.label).read_text().splitlines()[0])

    def close_pipe(self):
        os.close(self.write)
        self.write = None


@pytest.fixture
def make_child(tmp_path):
    """Give a function that makes a child; it is killed at the end."""
    with contextlib.ExitStack() as stack:

        def make(source=GOOD, **options):
            folder = open_run_folder(tmp_path / "run", "pipeline")
            stack.callback(folder.release)
            rig = Rig(folder, tmp_path / "program.py", source, **options)
            stack.callback(lambda: rig.write is None or os.close(rig.write))
            stack.callback(os.close, rig.read)
            stack.callback(rig.child.kill)
            return rig

        yield make


def test_a_stage_is_started_with_all_it_needs(make_child):
    """The program is run as a stage with its topology, name, tally, listening socket and the runner's pipe."""
    rig = make_child()
    assert (rig.child.pid, rig.child.returncode) == (None, None)
    rig.start()
    rig.wait()
    said = rig.said()
    assert said["command"] == "stage"
    names = {"--topology", "--stage", "--instance", "--listen-fd", "--parent-fd", "--tally"} | {
        "--log-file",
        "--log-limit-bytes",
        "--shutdown-delay",
    }
    assert set(said["arguments"]) == names
    assert said["arguments"]["--topology"] == str(rig.folder.topology)
    assert (said["arguments"]["--stage"], said["arguments"]["--instance"]) == ("parse", "1")
    assert said["arguments"]["--tally"] == str(rig.folder.tally("parse"))
    assert said["arguments"]["--log-file"] == str(rig.folder.log("parse"))
    assert said["arguments"]["--log-limit-bytes"] == "1000"
    assert said["arguments"]["--parent-fd"] == str(rig.read)
    assert (said["stdin"], said["pid"]) == ("", rig.child.pid)
    assert rig.child.returncode is None


def test_an_instance_has_files_of_its_own(make_child):
    """One of several processes of a stage is started as that instance, and its files bear its label."""
    rig = make_child(instance=2, label="parse.2")
    rig.start()
    rig.wait()
    arguments = rig.said()["arguments"]
    assert (arguments["--stage"], arguments["--instance"]) == ("parse", "2")
    assert arguments["--tally"] == str(rig.folder.tally("parse.2"))
    assert {path.name for path in rig.folder.logs.iterdir()} == {"parse.2.jsonl", "parse.2.stderr"}


def test_an_instance_that_dies_is_told_by_its_label(make_child):
    """Of an instance that does not come up the message says which one it is."""
    rig = make_child(DYING, instance=3, label="parse.3")
    rig.start()
    with pytest.raises(StartError, match=r"^stage parse\.3 did not start: it ended \(exit code 2\)\n"):
        rig.wait()


def test_nobody_else_can_take_its_port(make_child):
    """The port is the stage's from before its start: what connects in between is answered once it is up."""
    rig = make_child()
    with socket.create_connection(("127.0.0.1", rig.port), timeout=LONG_SECONDS) as early:
        early.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        with pytest.raises(StartError):
            listen("127.0.0.1", rig.port, "enrich")
        rig.start()
        assert early.recv(12) == b"HTTP/1.0 200"


def test_ctrl_c_reaches_the_runner_alone(make_child):
    """A stage is in a session of its own, so that a terminal's signals do not reach it."""
    rig = make_child()
    rig.start()
    rig.wait()
    assert rig.said()["session"] == rig.child.pid != os.getsid(0)


def test_ready_means_that_it_said_so(make_child):
    """A stage counts as up only when its probe says so, however often it has to be asked."""
    rig = make_child(not_ready_at_first=5)
    rig.start()
    rig.wait()
    with urllib.request.urlopen(rig.child.address("/readyz"), timeout=LONG_SECONDS) as answer:
        assert answer.status == 200
    assert rig.child.address("/orders") == f"http://127.0.0.1:{rig.port}/orders"


def test_a_stage_that_dies_is_told_with_its_last_words(make_child):
    """A stage that does not come up is told by name with the end of what it wrote to standard error."""
    rig = make_child(DYING)
    rig.start()
    with pytest.raises(StartError) as raised:
        rig.wait()
    text = str(raised.value)
    assert text.startswith("stage parse did not start: it ended (exit code 2)\n")
    assert text.endswith("x of it all")
    assert len(text) < 2100
    assert rig.child.returncode == 2


def test_a_stage_is_asked_to_stop(make_child):
    """`terminate` asks, with SIGTERM, and `wait` says whether the process has ended within its time."""
    rig = make_child()
    rig.start()
    rig.wait()
    assert rig.child.wait(0.0) is False
    rig.child.terminate()
    assert rig.child.wait(LONG_SECONDS) is True
    assert rig.child.returncode == -signal.SIGTERM


def test_a_stage_that_does_not_listen_is_killed(make_child):
    """What ignores SIGTERM does not survive `kill`."""
    rig = make_child(STUBBORN)
    rig.start()
    rig.wait()
    rig.child.terminate()
    assert rig.child.wait(0.05) is False
    rig.child.kill()
    assert rig.child.returncode == -signal.SIGKILL


def test_what_has_ended_can_be_stopped_again(make_child):
    """Stopping and killing what has ended already, or has never been started, does nothing and raises nothing."""
    rig = make_child(DYING)
    rig.child.terminate()
    assert rig.child.wait(0.0) is True
    rig.start()
    assert rig.child.wait(LONG_SECONDS) is True
    rig.child.terminate()
    rig.child.kill()
    rig.child.kill()
    assert rig.child.returncode == 2


def test_the_port_ends_with_the_process(make_child):
    """Once started the socket is the stage's alone: when its process is gone nobody is there to connect to."""
    rig = make_child(DYING)
    rig.start()
    assert rig.child.wait(LONG_SECONDS) is True
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", rig.port), timeout=LONG_SECONDS)


def test_a_child_that_was_never_started_lets_its_port_go(make_child):
    """The port of a stage that was never started is free after `kill`."""
    rig = make_child()
    rig.child.kill()
    listen("127.0.0.1", rig.port, "other").close()


def test_a_stage_notices_that_the_runner_is_gone(make_child):
    """When the runner's end of the pipe closes, however that came about, the stage sees it and can end."""
    rig = make_child()
    rig.start()
    rig.wait()
    rig.close_pipe()
    assert rig.child.wait(LONG_SECONDS) is True
    assert rig.child.returncode == 7


def test_only_the_reading_end_is_inherited():
    """Children get the end that tells them of the runner, and never the one that would keep each other alive."""
    read, write = parent_pipe()
    try:
        assert (os.get_inheritable(read), os.get_inheritable(write)) == (True, False)
    finally:
        os.close(read)
        os.close(write)


def test_standard_input_is_passed_on(make_child):
    """A stage that is to read the runner's standard input gets it."""
    rig = make_child()
    read, write = os.pipe()
    os.write(write, b"from outside")
    os.close(write)
    try:
        rig.start(stdin=read)
        rig.wait()
        assert rig.said()["stdin"] == "from outside"
    finally:
        os.close(read)


def test_the_environment_of_a_stage(make_child):
    """A stage gets the environment without what is meant for a stage by itself."""
    rig = make_child()
    rig.start({"PATH": "/bin", "SIMULATOR_PORT": "1", "SIMULATOR_LOG_LEVEL": "debug", "OTEL_TRACES_SAMPLER": "x"})
    rig.wait()
    environment = rig.said()["environment"]
    assert "SIMULATOR_PORT" not in environment
    assert environment["SIMULATOR_LOG_LEVEL"] == "debug"
    assert environment["OTEL_TRACES_SAMPLER"] == "x"


def test_what_is_passed_on():
    """Of our own variables only the log level and the control token are passed on; all others' are."""
    given = {
        "SIMULATOR_LOG_LEVEL": "debug",
        "SIMULATOR_CONTROL_TOKEN": "secret",
        "SIMULATOR_DELAY": "constant(1s)",
        "SIMULATOR_PORT": "8080",
        "SIMULATOR_SEED": "7",
        "SIMULATED": "kept",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318",
        "HOME": "/home/user",
    }
    dropped = {"SIMULATOR_DELAY", "SIMULATOR_PORT", "SIMULATOR_SEED"}
    assert stage_environment(given) == {name: value for name, value in given.items() if name not in dropped}

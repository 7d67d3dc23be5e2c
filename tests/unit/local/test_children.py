"""The stages of a run in their processes, with a small program in the place of the process that forks them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from simulator.errors import StartError
from simulator.local.children import Child, parent_pipe, stage_environment
from simulator.local.file_limits import FileLimits
from simulator.local.folder import open_run_folder
from simulator.local.stage_processes import StageProcesses
from simulator.net.listening import listen
from tests.support.fork_server import fork_server
from tests.support.processes import wait_for

pytestmark = pytest.mark.processes
LONG_SECONDS = 20.0


class Rig:
    """Children, their folder, and the processes that they start in."""

    def __init__(self, folder, program, environment, source):
        self.folder = folder
        program.write_text(source)
        self.processes = StageProcesses(folder, [sys.executable, str(program)], environment)
        self.processes.start()

    def child(self, label="parse", instance=1):
        return Child("parse", instance, label, listen("127.0.0.1", 0, "parse"))

    def begin(self, *children, stdin=subprocess.DEVNULL):
        process = self.processes.fork(children[0].label, ["parse"], stdin, self.folder.errors(children[0].label))
        for child in children:
            child.begin(process, FileLimits(1000, 2000))
        return process

    def begun(self, label="parse", **options):
        """Start a child, and give it when it is ready."""
        child = self.child(label)
        self.begin(child, **options)
        self.wait(lambda: child.is_ready)
        return child

    def wait(self, check):
        def look():
            self.processes.look(0.05)
            return check()

        wait_for(look, "what the processes do", LONG_SECONDS)

    def said(self, label="parse"):
        return json.loads(self.folder.log(label).read_text())


@pytest.fixture
def make_rig(tmp_path):
    """Return a function that makes a rig; its processes are ended at the end."""
    with contextlib.ExitStack() as stack:

        def make(environment=None, **behaviour):
            folder = open_run_folder(tmp_path / "run", "pipeline")
            stack.callback(folder.release)
            environment = {"PATH": os.environ["PATH"], **(environment or {})}
            rig = Rig(folder, tmp_path / "program.py", environment, fork_server(**behaviour))
            stack.enter_context(rig.processes)
            return rig

        yield make


def test_a_stage_is_begun_with_all_it_needs(make_rig):
    """The process is told which stage it is to be, and gets the listening socket; its other files follow from those."""
    rig = make_rig({"OTEL_TRACES_SAMPLER": "x"})
    child = rig.child()
    assert (child.pid, child.returncode, child.is_ready) == (None, None, False)
    rig.begin(child)
    rig.wait(lambda: child.is_ready)
    said = rig.said()
    assert (said["stage"], said["instance"], said["label"]) == ("parse", 1, "parse")
    assert (said["log_limit_bytes"], said["truth_limit_bytes"]) == (1000, 2000)
    assert (said["command"], said["port"]) == ("fork-server", child.port)
    assert said["environment"]["OTEL_TRACES_SAMPLER"] == "x"
    assert said["pid"] == child.pid
    assert child.returncode is None
    assert child.address("/orders") == f"http://127.0.0.1:{child.port}/orders"


def test_ctrl_c_reaches_the_runner_alone(make_rig):
    """A stage is in a session of its own, so that a terminal's signals do not reach it."""
    rig = make_rig()
    child = rig.begun()
    assert rig.said()["session"] == child.pid != os.getsid(0)


def test_nobody_else_can_take_its_port(make_rig):
    """The port is the stage's from before its start, and ends with it."""
    rig = make_rig()
    child = rig.child()
    socket.create_connection(("127.0.0.1", child.port), timeout=LONG_SECONDS).close()
    with pytest.raises(StartError):
        listen("127.0.0.1", child.port, "enrich")
    rig.begin(child)
    rig.wait(lambda: child.is_ready)
    child.kill()
    rig.wait(lambda: child.returncode is not None)
    listen("127.0.0.1", child.port, "other").close()


def test_a_stage_is_asked_to_end(make_rig):
    """`terminate` asks, and it has ended when it says so, and its process with it."""
    rig = make_rig()
    child = rig.begun()
    child.terminate()
    rig.wait(lambda: child.returncode is not None)
    assert child.returncode == 0
    child.terminate()
    child.kill()
    assert child.returncode == 0


def test_a_stage_that_does_not_listen_is_hurried_or_killed(make_rig):
    """What does not end when it is asked to ends when it is hurried; what is killed is reported with the signal."""
    rig = make_rig(stubborn="parse")
    child, other = rig.begun(), rig.begun("other")
    child.terminate()
    rig.processes.look(0.05)
    assert child.returncode is None
    child.break_off()
    rig.wait(lambda: child.returncode == 0)
    other.kill()
    rig.wait(lambda: other.returncode == -signal.SIGKILL)


def test_stages_in_one_process_end_one_by_one(make_rig):
    """Each of several stages in a process is ready and ends by itself; one that is killed takes the others along."""
    rig = make_rig()
    children = [rig.child(label) for label in ("a", "b", "c")]
    rig.begin(*children)
    rig.wait(lambda: all(child.is_ready for child in children))
    assert len({child.pid for child in children}) == 1
    children[1].terminate()
    rig.wait(lambda: children[1].returncode == 0)
    assert [child.returncode for child in children] == [None, 0, None]
    children[0].kill()
    rig.wait(lambda: children[2].returncode is not None)
    assert [child.returncode for child in children] == [-signal.SIGKILL, 0, -signal.SIGKILL]


def test_why_a_stage_can_t_begin(make_rig):
    """What a stage says of why it can't start is told, and otherwise the end of what its process wrote."""
    rig = make_rig(refuses="parse", dies="other")
    child, other = rig.child(), rig.child("other")
    for one in (child, other):
        rig.begin(one)
    rig.wait(lambda: child.returncode is not None and other.returncode is not None)
    assert (child.returncode, child.last_words()) == (2, "its output can't be written")
    assert other.returncode == 1
    assert other.last_words().endswith("xx no room") and len(other.last_words()) == 2000


def test_standard_input_is_passed_on(make_rig):
    """A stage that is to read the runner's standard input gets it."""
    rig = make_rig(reads="parse")
    read, write = os.pipe()
    os.write(write, b"from outside")
    os.close(write)
    try:
        rig.begun(stdin=read)
        assert rig.said()["stdin"] == "from outside"
    finally:
        os.close(read)


def test_a_stage_ends_with_the_runner(make_rig):
    """When the runner is gone, however that came about, its end of the channel is closed, and the process ends."""
    rig = make_rig()
    child = rig.child()
    process = rig.begin(child)
    rig.wait(lambda: child.is_ready)
    rig.processes._poll.unregister(process)
    process.close()
    rig.wait(lambda: process.returncode == 7)


def test_no_process_is_left_behind(make_rig):
    """At the end every process is gone, one that has not even been begun by then too."""
    rig = make_rig(stubborn="parse")
    child = rig.begun()
    rig.begin(rig.child("other"))
    with rig.processes:
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
    assert all(process.returncode is not None for process in rig.processes._processes)


def test_a_child_that_was_never_begun_lets_its_port_go(make_rig):
    """The port of a stage that was never begun is free after `kill`."""
    child = make_rig().child()
    child.kill()
    listen("127.0.0.1", child.port, "other").close()


def test_only_the_reading_end_is_inherited():
    """The console gets the end that tells it of the runner, and never the one that would keep the pipe open."""
    read, write = parent_pipe()
    try:
        assert (os.get_inheritable(read), os.get_inheritable(write)) == (True, False)
    finally:
        os.close(read)
        os.close(write)


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

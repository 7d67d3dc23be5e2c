"""A run from its start to its account, with a small program in the place of the process that forks the stages."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import urllib.parse

import pytest

from simulator.behaviour.delays import no_samples
from simulator.errors import StartError
from simulator.local.folder import open_run_folder
from simulator.local.starting import StartPace
from simulator.local.stop_request import Interrupted, StopRequest
from simulator.local.supervisor import Supervisor
from simulator.net.listening import listen, listen_in_a_row
from simulator.telemetry.tally import Tally
from simulator.topology.reader import parse_topology, read_topology
from tests.support.fork_server import fork_server
from tests.support.processes import wait_for

pytestmark = pytest.mark.processes
PACE = StartPace(concurrency=4)
TEXT = """
name: orders
stages:
  injector: {role: injector, load: {rate: 20/s, messages: 5}, calls: [work]}
  work: {instances: 3, path: /orders, calls: [archive]}
  archive: {role: terminator}
"""


class Seen:
    """A view that keeps the pictures that it is shown."""

    def __init__(self):
        self.pictures = []

    def show(self, snapshot):
        self.pictures.append(snapshot)


class Rig:
    """A supervisor with its folder and a program; `start` starts the processes."""

    def __init__(self, folder, program, text, source, environment):
        self.folder = folder
        program.write_text(source)
        self.stop = StopRequest()
        self.topology = parse_topology(text, "file.yaml", no_samples, "default")
        self.supervisor = Supervisor(self.topology, folder, [sys.executable, str(program)], environment, self.stop)

    def said(self, label):
        return json.loads(self.folder.log(label).read_text())

    def pid(self, label):
        """Return the process id of a child by its label."""
        (child,) = [child for child in self.supervisor._everyone() if child.label == label]
        return child.pid

    def kill(self, label):
        """Kill a process, and wait until it is gone."""
        (child,) = [child for child in self.supervisor._everyone() if child.label == label]
        os.kill(child.pid, signal.SIGKILL)

        def is_told():
            self.supervisor._processes.look(0.05)
            return child.returncode is not None

        wait_for(is_told, "the end of a process")

    def count(self, label, **counts):
        """Count in a process's place; `__` stands for the dot."""
        counter = Tally(self.folder.tally(label))
        for name, count in counts.items():
            counter.add(name.replace("__", "."), count)

    def look(self):
        """Watch the run for a moment; return the last snapshot."""
        seen = Seen()
        self.supervisor.run(seen, 0.0)
        return seen.pictures[-1]


@pytest.fixture
def make_rig(tmp_path):
    """Return a function that makes a rig; nothing of it is left at the end."""
    with contextlib.ExitStack() as stack:

        def make(text=TEXT, variables=None, **behaviour):
            folder = open_run_folder(tmp_path / "run", "orders")
            stack.callback(folder.release)
            environment = {"PATH": os.environ["PATH"], **(variables or {})}
            rig = Rig(folder, tmp_path / "program.py", text, fork_server(**behaviour), environment)
            stack.enter_context(rig.supervisor)
            return rig

        yield make


def ports(rig, name):
    return [urllib.parse.urlsplit(url).port for url in rig.supervisor.addresses(name)]


@pytest.mark.parametrize("given", ["", "of-the-user"])
def test_a_run_has_a_secret(make_rig, given):
    """It is the user's own or one that is made; an empty variable is none."""
    rig = make_rig(variables={"SIMULATOR_RUN_SECRET": given})
    rig.supervisor.start(PACE)
    said = {rig.said(label)["environment"]["SIMULATOR_RUN_SECRET"] for label in ("injector", "archive")}
    assert len(said) == 1
    assert said == {given} if given else len(said.pop()) > 20


def test_every_instance_has_an_address(make_rig):
    """The instances of a stage have ports in a row, and the folder of the run says where each process is."""
    rig = make_rig()
    first = ports(rig, "work")[0]
    assert rig.supervisor.addresses("work") == [f"http://127.0.0.1:{first + n}/orders" for n in range(3)]
    addresses = json.loads(rig.folder.addresses.read_text())
    assert addresses == {name: rig.supervisor.addresses(name) for name in ("injector", "work", "archive")}
    assert [len(urls) for urls in addresses.values()] == [1, 3, 1]


def test_the_topology_as_it_is_run_has_the_addresses(make_rig):
    """The stages read a topology with the first port of each, from which those of the other instances follow."""
    rig = make_rig()
    written = read_topology(rig.folder.topology)
    assert written == rig.supervisor.topology
    assert {name: stage.port for name, stage in written.stages.items()} == {
        name: ports(rig, name)[0] for name in written.stages
    }
    assert written.stages["work"].instances == 3


def test_a_port_of_its_own_is_the_first_of_the_row(make_rig):
    """A stage that names its port has its instances on that one and the next ones."""
    row = listen_in_a_row("127.0.0.1", 0, 3, "work")
    port = row[0].getsockname()[1]
    for listener in row:
        listener.close()
    rig = make_rig(TEXT.replace("instances: 3", f"instances: 3, port: {port}"))
    assert ports(rig, "work") == [port, port + 1, port + 2]


@pytest.mark.parametrize("taken", [1, 2])
def test_a_row_that_is_not_free_is_told(make_rig, taken):
    """Where one port of the row is taken the run does not start, and lets go of all ports that it had."""
    row = listen_in_a_row("127.0.0.1", 0, 3, "other")
    port = row[0].getsockname()[1]
    for listener in row:
        if listener is not row[taken]:
            listener.close()
    with row[taken], pytest.raises(StartError, match=f"stage work: port {port + taken} on 127.0.0.1 can't be used"):
        make_rig(TEXT.replace("instances: 3", f"instances: 3, port: {port}"))
    for number in range(3):
        listen("127.0.0.1", port + number, "other").close()


def test_every_instance_is_a_process_with_files_of_its_own(make_rig):
    """Each instance starts as the one that it is and has its own log and tally; a single one has no number."""
    rig = make_rig()
    rig.supervisor.start(PACE)
    labels = {"injector": 1, "work.1": 1, "work.2": 2, "work.3": 3, "archive": 1}
    for label, instance in labels.items():
        said = rig.said(label)
        assert (said["stage"], said["instance"]) == (label.partition(".")[0], instance)
        assert rig.folder.tally(label).exists()
    assert len({rig.pid(label) for label in labels}) == 5


def test_nothing_is_left_behind(make_rig):
    """Whatever happens in the body of the `with`, no process and no port outlives it."""
    rig = make_rig()
    with pytest.raises(ZeroDivisionError), rig.supervisor:
        rig.supervisor.start(PACE)
        pids = [rig.pid(label) for label in ("injector", "work.1", "work.2", "work.3", "archive")]
        raise ZeroDivisionError
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    for port in ports(rig, "work"):
        listen("127.0.0.1", port, "other").close()


def test_a_stage_that_does_not_come_up_ends_the_start(make_rig):
    """A stage that dies at its start is reported by name, with its last words."""
    rig = make_rig(dies="archive")
    with pytest.raises(
        StartError, match=r"stage archive did not start: it ended \(exit code 1\)\nx+ no room$"
    ) as raised:
        rig.supervisor.start(PACE)
    assert len(str(raised.value)) < 2100


def test_a_stage_that_cant_begin_ends_the_start(make_rig):
    """A stage that says why it can't start is reported by name, with what it said."""
    rig = make_rig(refuses="work.2")
    said = r"stage work\.2 did not start: it ended \(exit code 2\)\nits output can't be written"
    with pytest.raises(StartError, match=said):
        rig.supervisor.start(PACE)


def test_a_fork_server_that_does_not_come_up_is_told(make_rig):
    """Where the process that forks the stages ends before it has, the error has its name and its last words."""
    rig = make_rig(fails="no such module")
    said = r"^the process that forks the stages ended \(exit code 1\)\nno such module$"
    with pytest.raises(StartError, match=said):
        rig.supervisor.start(PACE)


def test_a_fork_server_that_is_killed_is_told_and_ends_no_run(make_rig):
    """The stages go on and end in order without it; the account says what can no longer be known."""
    rig = make_rig()
    rig.supervisor.start(PACE)
    os.kill(rig.supervisor._processes._server.pid, signal.SIGKILL)
    assert dict(rig.look().gone) == {}
    os.kill(rig.pid("archive"), signal.SIGKILL)
    wait_for(lambda: rig.look().gone, "the end of a stage")
    assert dict(rig.look().gone) == {"archive": "ended (its exit code is not known)"}
    problems = rig.supervisor.finish(print).ledger.problems
    assert problems == (
        "archive ended (its exit code is not known)",
        "the process that forks the stages was killed (SIGKILL): how its stages ended is not known",
    )


def test_a_process_that_never_becomes_ready(make_rig):
    """The start ends when no further stage has become ready in its time."""
    rig = make_rig(silent="archive")
    with pytest.raises(
        StartError, match="0 of 5 stages are ready, and no other became ready for 300ms; waiting for archive"
    ):
        rig.supervisor.start(StartPace(concurrency=1, timeout_seconds=0.3))


def test_a_start_can_be_stopped(make_rig):
    """Where the end is asked for before all stages are up, the start is broken off."""
    rig = make_rig()
    with rig.stop.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted):
            rig.supervisor.start(PACE)


def test_a_stage_that_lost_an_instance_is_hurt(make_rig):
    """A stage some of whose processes are gone is hurt, says which, and is not gone as long as one is left."""
    rig = make_rig()
    rig.supervisor.start(PACE)
    snapshot = rig.look()
    assert (dict(snapshot.gone), dict(snapshot.hurt)) == ({}, {})
    rig.kill("work.2")
    snapshot = rig.look()
    assert (dict(snapshot.gone), dict(snapshot.hurt)) == ({}, {"work": "instance 2 was killed (SIGKILL)"})
    rig.kill("work.3")
    hurt = "instance 2 was killed (SIGKILL), instance 3 was killed (SIGKILL)"
    assert dict(rig.look().hurt) == {"work": hurt}
    rig.kill("work.1")
    snapshot = rig.look()
    assert dict(snapshot.gone) == {"work": f"instance 1 was killed (SIGKILL), {hurt}"}
    assert dict(snapshot.hurt) == {}


def test_a_stage_of_one_process_is_gone(make_rig):
    """A stage whose only process ended is gone, and no instance is spoken of."""
    rig = make_rig()
    rig.supervisor.start(PACE)
    rig.kill("archive")
    snapshot = rig.look()
    assert (dict(snapshot.gone), dict(snapshot.hurt)) == ({"archive": "was killed (SIGKILL)"}, {})


def test_a_picture_adds_the_instances_up(make_rig):
    """What a snapshot shows of a stage is what all of its processes have counted, those that are gone too."""
    rig = make_rig()
    rig.supervisor.start(PACE)
    rig.count("work.1", received__injector=5, outcome__forwarded=4)
    rig.count("work.3", received__injector=3, outcome__forwarded=1, outcome__faulted=2)
    rig.kill("work.3")
    standing = rig.look().stages["work"]
    assert (standing.outcomes["forwarded"], standing.outcomes["faulted"], standing.in_flight) == (5, 2, 1)


def test_the_account_of_a_run_that_went_well(make_rig):
    """At the end every stage has stopped as it was asked to, and the account has what all processes counted."""
    rig = make_rig()
    rig.supervisor.start(PACE)
    rig.count("injector", received__outside=5, outcome__forwarded=5, sent__work=5, attempt__work__ok=5)
    for label, count in (("work.1", 2), ("work.2", 3)):
        rig.count(
            label,
            received__injector=count,
            outcome__forwarded=count,
            sent__archive=count,
            attempt__archive__ok=count,
        )
    rig.count("archive", received__work=5, outcome__delivered=5)
    ledger = rig.supervisor.finish(print).ledger
    assert ledger.problems == ()
    assert [(line.stage, line.received, line.ended) for line in ledger.stages] == [
        ("injector", 5, ""),
        ("work", 5, ""),
        ("archive", 5, ""),
    ]
    assert [(call.sent, call.answered, call.received) for call in ledger.calls] == [(5, 5, 5), (5, 5, 5)]


def test_the_account_of_a_run_that_lost_an_instance(make_rig):
    """What a killed instance had in flight is accounted for, and that it was killed is something wrong."""
    rig = make_rig()
    rig.supervisor.start(PACE)
    rig.count("work.1", received__injector=2, outcome__forwarded=2, sent__archive=2, attempt__archive__ok=2)
    rig.count("work.2", received__injector=3, outcome__forwarded=1, sent__archive=3, attempt__archive__ok=1)
    rig.count("archive", received__work=4, outcome__delivered=4)
    rig.count(
        "injector",
        received__outside=5,
        outcome__forwarded=5,
        sent__work=7,
        attempt__work__ok=3,
        attempt__work__broken=2,
        attempt__work__unreachable=2,
    )
    rig.kill("work.2")
    ledger = rig.supervisor.finish(print).ledger
    assert ledger.balanced
    assert ledger.problems == (
        "work instance 2 was killed (SIGKILL)",
        "work: 2 messages still in flight at the end",
    )


def test_a_stage_that_ends_badly_when_it_is_stopped(make_rig):
    """A process that ends with an exit code of its own when it is asked to stop is told, each instance by number."""
    rig = make_rig(exit_code=3)
    rig.supervisor.start(PACE)
    problems = rig.supervisor.finish(print).ledger.problems
    assert problems[0] == "injector ended (exit code 3)"
    assert problems[1] == "work " + ", ".join(f"instance {number} ended (exit code 3)" for number in (1, 2, 3))


def test_a_stage_that_is_not_done_in_time_is_hurried(make_rig):
    """It is told what the run waits for, and when the run's bound is reached the stage breaks off what is not done."""
    rig = make_rig("drain_timeout: 1200ms" + TEXT, stubborn="archive")
    rig.supervisor.start(PACE)
    rig.count("archive", received__work=3, outcome__delivered=1)
    told = []
    ledger = rig.supervisor.finish(told.append).ledger
    assert [line.ended for line in ledger.stages] == ["", "", ""]
    assert told == ["waiting for 2 messages in archive (up to 0 s; Ctrl-C again stops at once)"]


def test_a_run_ends_with_its_load(make_rig):
    """A run ends by itself when every injector that has an end has come to it, or is gone."""
    rig = make_rig()
    rig.supervisor.start(PACE)
    rig.count("injector", load_finished=1)
    seen = Seen()
    rig.supervisor.run(seen, None)
    assert len(seen.pictures) == 2


def test_a_run_ends_with_its_injector(make_rig):
    """An injector that was killed does not keep the run from ending."""
    rig = make_rig()
    rig.supervisor.start(PACE)
    rig.kill("injector")
    seen = Seen()
    rig.supervisor.run(seen, None)
    assert dict(seen.pictures[-1].gone) == {"injector": "was killed (SIGKILL)"}

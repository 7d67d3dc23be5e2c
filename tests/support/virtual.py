"""Whole systems in virtual time, and sinks of a test's own for them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from simulator.engine.output import Discarding
from simulator.telemetry.record import Arrival, Attempt
from simulator.topology.model import Stage, Topology
from simulator.topology.structure import structure
from simulator.topology.targets import operation_names, resolved
from simulator.virtual.kernel import Kernel
from simulator.virtual.system import InstanceSetup, NoListener, VirtualSystem, bare_setup

UNIX_START_NS = 1_700_000_000 * 10**9


class SilentSink:
    """A sink that does nothing: the base of those that want one thing."""

    def received(self, arrival):
        pass

    def injected(self, arrival, fault):
        pass

    def sending(self, downstream, operation=""):
        pass

    def attempted(self, arrival, downstream, attempt, retry_in_seconds, operation=""):
        pass

    def sent(self, arrival, call):
        pass

    def handled(self, record):
        pass


class Records(SilentSink):
    """The records of all stages, in the order in which they were made."""

    def __init__(self):
        self.all = []

    def handled(self, record):
        self.all.append(record)


def topology_of(stages, seed=7, name="test"):
    """Return a topology whose stages are written as in a file."""
    read, problems = {}, []
    for stage, written in stages.items():
        read[stage], found = structure(written, Stage)
        problems += [(stage, *problem) for problem in found]
    assert problems == [], problems
    known = operation_names(read)
    return Topology(name=name, seed=seed, stages={stage: resolved(made, known) for stage, made in read.items()})


@dataclass(frozen=True, kw_only=True)
class Tried:
    """An attempt that ended at `at`; `retry_in_seconds` is the pause before the next one, None where there is none."""

    arrival: Arrival
    attempt: Attempt
    retry_in_seconds: float | None
    at: float


class Seen:
    """What every stage has told, in the order in which it ended: its records and its attempts at calls.

    `by_instance` has the records of (stage, instance).
    """

    def __init__(self):
        self.records, self.attempts, self.by_instance = defaultdict(list), defaultdict(list), defaultdict(list)
        self.now = None

    def setup(self, name, instance):
        """Return what an instance is given."""
        sink = _StageSink(self, name, instance)
        return InstanceSetup(sinks=lambda capacity: [sink], listener=NoListener(), output=Discarding())

    def count(self, name):
        """Return how many messages a stage has handled."""
        return len(self.records[name])

    def outcomes(self, name):
        """Return the outcomes of a stage's messages, by their ids."""
        return {record.arrival.message_id: str(record.outcome) for record in self.records[name]}


class _StageSink(SilentSink):
    def __init__(self, seen, name, instance):
        self._seen, self._name, self._instance = seen, name, instance

    def attempted(self, arrival, downstream, attempt, retry_in_seconds, operation=""):
        tried = Tried(arrival=arrival, attempt=attempt, retry_in_seconds=retry_in_seconds, at=self._seen.now())
        self._seen.attempts[self._name].append(tried)

    def handled(self, record):
        self._seen.records[self._name].append(record)
        self._seen.by_instance[self._name, self._instance].append(record)


def observe(stages, seed=7, seconds=None, changes=()):
    """Run stages, written as in a file, and return what they have told.

    `changes` are (seconds, function of the system) pairs.
    """
    seen = Seen()
    run_virtual(topology_of(stages, seed), seconds=seconds, setup=seen.setup, seen=seen, changes=changes)
    return seen


def run_virtual(topology, *sinks, seconds=None, setup=None, overhead_seconds=0.0, seen=None, changes=()):
    """Run a topology in virtual time until its loads have ended and nothing is in flight; return its kernel.

    With `seconds` the loads are stopped after that time.
    """
    kernel = Kernel(UNIX_START_NS)
    if seen is not None:
        seen.now = kernel.now
    system = VirtualSystem(topology, kernel, setup or bare_setup(*sinks), overhead_seconds)
    system.start()
    for at, change in changes:
        kernel.spawn(lambda at=at, change=change: (kernel.sleep(at), change(system)))
    if seconds is not None:
        kernel.run(seconds)
        system.stop_loads()
    while system.in_flight or not system.has_ended:
        if not kernel.run(3600.0):
            break
    return kernel

"""Whole systems in virtual time, and what sinks of a test's own are told of them."""

from __future__ import annotations

from simulator.topology.model import Topology
from simulator.topology.structure import structure
from simulator.virtual.kernel import Kernel
from simulator.virtual.system import VirtualSystem, bare_setup

UNIX_START_NS = 1_700_000_000 * 10**9


class SilentSink:
    """A sink that does nothing: the base of those that want one thing."""

    def received(self, arrival):
        pass

    def injected(self, arrival, fault):
        pass

    def sending(self, downstream):
        pass

    def attempted(self, arrival, downstream, attempt, retry_in_seconds):
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
    """Return a topology written as in a file."""
    topology, problems = structure({"name": name, "seed": seed, "stages": stages}, Topology)
    assert problems == [], problems
    return topology


def run_virtual(topology, *sinks, seconds=None, setup=None, overhead_seconds=0.0):
    """Run a topology in virtual time until its loads have ended and nothing is under way; return its kernel.

    With `seconds` the loads are stopped after that time.
    """
    kernel = Kernel(UNIX_START_NS)
    system = VirtualSystem(topology, kernel, setup or bare_setup(*sinks), overhead_seconds)
    system.start()
    if seconds is not None:
        kernel.run(seconds)
        system.stop_loads()
    while system.in_flight or not system.has_ended:
        if not kernel.run(3600.0):
            break
    return kernel

"""Topologies run to their end in virtual time, with the account that `run` gives of them."""

from __future__ import annotations

from simulator.local.virtual_books import Books
from simulator.topology.draining import run_drain_seconds
from simulator.virtual.kernel import Kernel
from simulator.virtual.system import VirtualSystem


def run_to_its_end(topology):
    """Run a topology until nothing is in flight; return the account."""
    kernel = Kernel()
    books = Books(topology, kernel)
    system = VirtualSystem(topology, kernel, books.setup)
    system.start()
    # A DeadlockError is raised where nothing can happen any more while messages are in flight.
    while not system.has_ended:
        kernel.run(60.0)
    ended_at = kernel.now()
    while system.in_flight and kernel.now() < ended_at + run_drain_seconds(topology):
        kernel.run(1.0)
    assert system.break_off() == 0, "the time to drain is as long as any message can take"
    return books.result(ended_at)

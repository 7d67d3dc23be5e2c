"""Whether a machine can start a topology, a process for each instance, in reasonable time."""

from __future__ import annotations

import os
from dataclasses import dataclass

from simulator.topology.model import Topology

# What a stage's process takes to start, forked from one that has imported everything, and then holds by itself.
_START_CPU_SECONDS = 0.1
_PROCESS_BYTES = 30 * 10**6
_MAX_START_SECONDS = 30.0
_MAX_MEMORY_RATIO = 0.75


@dataclass(frozen=True)
class Machine:
    """How many processors there are, and how much memory."""

    cores: int
    memory_bytes: int


def this_machine() -> Machine:
    """Return the processors that this process may use, and the memory of the machine."""
    return Machine(len(os.sched_getaffinity(0)), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def size_warning(topology: Topology, machine: Machine) -> str | None:
    """Return what a topology needs, where that is more than a machine can reasonably start; None where it is not."""
    processes = sum(stage.instances for stage in topology.stages.values())
    memory_bytes, start_seconds = processes * _PROCESS_BYTES, processes * _START_CPU_SECONDS / machine.cores
    if start_seconds <= _MAX_START_SECONDS and memory_bytes <= _MAX_MEMORY_RATIO * machine.memory_bytes:
        return None
    return (
        f"a run starts {processes} processes, about {memory_bytes / 1e9:.1f}GB of memory and {start_seconds:.0f} s of "
        f"start-up on this machine ({machine.cores} cores, {machine.memory_bytes / 1e9:.1f}GB); "
        "`render` writes it for Docker Compose or Kubernetes"
    )

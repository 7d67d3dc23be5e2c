"""Whether a machine can start a topology in reasonable time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.errors import StartError
from simulator.local.packing import pack
from simulator.topology.model import Topology

# The cost of starting a process, forked from one that has imported everything, and its own memory; and what each stage
# in it adds.
_PROCESS_CPU_SECONDS, _STAGE_CPU_SECONDS = 0.1, 0.02
_PROCESS_BYTES, _STAGE_BYTES = 30 * 10**6, 500_000
# The runner has a socket and a tally of each stage until it starts; its process has those, its log and connections.
_FILES_BEFORE_BEGIN, _FILES_IN_PROCESS, _FILES_OF_PROCESS = 2, 6, 100
_MAX_START_SECONDS = 30.0
_MAX_MEMORY_RATIO = 0.75
# So few stages are started on any machine.
_CERTAINLY_FEW = 20


@dataclass(frozen=True)
class MachineSize:
    """The number of processors of a machine, and its memory."""

    cores: int
    memory_bytes: int


def this_machine() -> MachineSize:
    """Return the processors that this process may use, and the memory of the machine."""
    return MachineSize(len(os.sched_getaffinity(0)), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def check_open_files(processes: Sequence[Sequence[str]], max_files: int) -> None:
    """Raise StartError if the stages of these processes need more open files than a process may have."""
    stages = sum(map(len, processes))
    most = max(map(len, processes), default=0)
    needed = _FILES_OF_PROCESS + max(_FILES_BEFORE_BEGIN * stages, _FILES_IN_PROCESS * most)
    if stages > _CERTAINLY_FEW and needed > max_files:
        raise StartError(
            f"{stages} stages in {len(processes)} processes need {needed} open files and ports in one of them, and a "
            f"process may have {max_files}: raise the limit (ulimit -n), or use more --processes"
        )


def size_warning(topology: Topology, machine: MachineSize) -> str | None:
    """Return what a topology needs, if that is more than a machine can reasonably start; None if it is not."""
    stages = sum(stage.instances for stage in topology.started.values())
    processes = len(pack(topology, None, machine.cores))
    memory_bytes = processes * _PROCESS_BYTES + stages * _STAGE_BYTES
    start_seconds = (processes * _PROCESS_CPU_SECONDS + stages * _STAGE_CPU_SECONDS) / machine.cores
    if start_seconds <= _MAX_START_SECONDS and memory_bytes <= _MAX_MEMORY_RATIO * machine.memory_bytes:
        return None
    return (
        f"a run starts {stages} stages in {processes} processes, about {memory_bytes / 1e9:.1f}GB of memory and "
        f"{start_seconds:.0f} s of start-up on this machine ({machine.cores} cores, "
        f"{machine.memory_bytes / 1e9:.1f}GB); `render` writes it for Docker Compose or Kubernetes"
    )

"""Which stages of a run share a process."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from simulator.behaviour.faults.cpu import Cpu
from simulator.behaviour.faults.memory import Memory
from simulator.telemetry.run_files import labels
from simulator.topology.model import Processes, Topology
from simulator.topology.packing import spread

# Up to here each stage has a process of its own by default.
MAX_APART = 8


def pack(topology: Topology, processes: int | None, cores: int) -> list[list[str]]:
    """Return the labels of the stages in each process, those with `processes: apart` in one of their own.

    The others share `processes` of them; None means one for each if there are few, and as many as `cores` otherwise.
    """
    apart: list[list[str]] = []
    together: list[str] = []
    for name, stage in topology.started.items():
        own = labels(name, stage.instances)
        if stage.processes is Processes.APART:
            apart += [[label] for label in own]
        else:
            together += own
    if processes is None:
        processes = len(together) if len(together) + len(apart) <= MAX_APART else cores
    return [*spread(together, processes), *apart]


def is_packed(processes: Sequence[Sequence[str]]) -> bool:
    """Return whether any stages share a process."""
    return any(len(labelled) > 1 for labelled in processes)


def sharing_warnings(topology: Topology, processes: Sequence[Sequence[str]]) -> list[str]:
    """Return warnings about stages whose faults also affect the others of their process."""
    crowded = set(itertools.chain.from_iterable(labelled for labelled in processes if len(labelled) > 1))
    found = []
    for name, stage in topology.stages.items():
        all_faults = (fault for operation in stage.all_operations.values() for fault in operation.faults)
        faults = list(dict.fromkeys(str(fault) for fault in all_faults if isinstance(fault, Cpu | Memory)))
        if faults and not crowded.isdisjoint(labels(name, stage.instances)):
            found.append(
                f"{name}: {', '.join(faults)} affects every stage of its process; "
                "`processes: apart` gives the stage one of its own"
            )
    return found

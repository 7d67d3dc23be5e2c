"""Which stages share a container: they are one process in it, and each listens on a port of its own.

Callers find a stage by its host name, wherever it is, and its port is in the topology that all containers read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from simulator.errors import ConfigurationError, Problem
from simulator.topology.addresses import DEFAULT_PORT, with_address
from simulator.topology.draining import drain_seconds_by_stage
from simulator.topology.graph import callers_by_stage, callers_first
from simulator.topology.model import Processes, Role, Stage, Topology
from simulator.topology.names import host_name
from simulator.topology.packing import spread

# {host name of a container: its stages}. It is the name of a service in Compose, and of a workload in Kubernetes.
Packed = Mapping[str, Sequence[str]]
# For the shutdown delay, cutting off unfinished messages, flushing telemetry, and a busy machine.
_BEYOND_DRAIN_SECONDS = 20.0


def pack(topology: Topology, processes: int | None) -> tuple[Topology, Packed]:
    """Return the topology with the ports of stages that share a container, and the stages in each container.

    A `processes` of None means a container for each stage; otherwise those that can share one are in this many. Raise
    ConfigurationError for a stage that is called like a container of several.
    """
    if processes is None:
        return topology, {host_name(name): (name,) for name in topology.started}
    shares = spread([name for name, stage in topology.started.items() if _can_share(stage)], processes)
    packed = {_name(number, names): names for number, names in enumerate(shares, 1)}
    shared = {name for names in shares for name in names}
    packed |= {host_name(name): [name] for name in topology.started if name not in shared}
    if problems := [
        Problem(f"stages.{name}: the name is reserved for a container of several stages", topology.name)
        for name in topology.stages
        if len(packed.get(host_name(name), ())) > 1
    ]:
        raise ConfigurationError(problems)
    return _with_ports(topology, packed), packed


def _can_share(stage: Stage) -> bool:
    """Return whether a stage can do with a part of a container.

    The instances of one are told apart by their containers; an injector's container starts when all others are ready.
    """
    several = stage.instances > 1 or stage.max_instances is not None
    return not several and stage.processes is not Processes.APART and stage.role is not Role.INJECTOR


def _name(number: int, names: Sequence[str]) -> str:
    return f"stages-{number}" if len(names) > 1 else host_name(names[0])


def _with_ports(topology: Topology, packed: Packed) -> Topology:
    """Return the topology with ports from 8080 on in each container, whose health check asks the first."""
    addressed = {
        name: with_address(topology.stages[name], host_name(name), port)
        for names in packed.values()
        if len(names) > 1
        for port, name in enumerate(names, DEFAULT_PORT)
    }
    return replace(topology, stages={**topology.stages, **addressed})


def port_of(topology: Topology, name: str) -> int:
    """Return the port of a stage in its container."""
    return topology.stages[name].port or DEFAULT_PORT


def container_of(packed: Packed) -> dict[str, str]:
    """Return the container of each stage."""
    return {name: container for container, names in packed.items() for name in names}


def grace_seconds(topology: Topology, packed: Packed) -> dict[str, int]:
    """Return how long an engine must wait after SIGTERM before it kills each container: longer than a stop can take.

    A stage stops after those in its container that call it, so the bounds of a chain of calls add up.
    """
    drains, callers, home = drain_seconds_by_stage(topology), callers_by_stage(topology), container_of(packed)
    ended: dict[str, float] = {}
    for group in callers_first(topology):
        for name in (name for name in group if name in home):
            before = (ended[caller] for caller in callers[name] if home[caller] == home[name])
            ended[name] = max(before, default=0.0) + drains[name] + _BEYOND_DRAIN_SECONDS
    return {container: math.ceil(max(ended[name] for name in names)) for container, names in packed.items()}

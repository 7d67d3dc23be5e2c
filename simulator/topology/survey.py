"""What a stage must know of the other stages, computed once for a topology and not once for each of its stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from simulator.topology.decisions import Known, known_decisions
from simulator.topology.draining import drain_seconds_by_stage
from simulator.topology.graph import Node, callers_by_stage, callers_stopped_before, circles
from simulator.topology.model import Stage, Topology
from simulator.topology.places import Keys
from simulator.topology.sizes import Limit, limits, size_problems
from simulator.topology.targets import operation_names


class Survey:
    """Callers, limits, decisions and drain times of all stages of a topology, each computed when first asked for."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology

    @cached_property
    def names(self) -> frozenset[str]:
        """Return the names of all stages."""
        return frozenset(self.topology.stages)

    @cached_property
    def operations(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names of every stage's operations: "" alone for one that has only itself."""
        return operation_names(self.topology.stages)

    @cached_property
    def callers(self) -> Mapping[str, tuple[str, ...]]:
        """Return for each stage those that call it."""
        return callers_by_stage(self.topology)

    @cached_property
    def callers_stopped_before(self) -> Mapping[str, Sequence[str]]:
        """Return for each stage those of its callers that stop before it."""
        return callers_stopped_before(self.topology)

    @cached_property
    def circles(self) -> Mapping[str, tuple[str, ...]]:
        """Return the stages of each circle, by each of them."""
        return circles(self.topology)

    @cached_property
    def limits(self) -> Mapping[Node, Limit]:
        """Return the largest body that each operation can pass on."""
        return limits(self.topology.stages)

    @cached_property
    def decisions(self) -> Mapping[Node, Known]:
        """Return what is known of decisions at each operation; nothing if no stage draws any."""
        stages = self.topology.stages
        is_drawing = any(of.decide for stage in stages.values() for of in stage.all_operations.values())
        return known_decisions(stages) if is_drawing else {}

    @cached_property
    def size_problems(self) -> tuple[tuple[Keys, str], ...]:
        """Return which messages are larger than a stage on their way takes."""
        return tuple(size_problems(self.topology.stages))

    @cached_property
    def drain_seconds(self) -> Mapping[str, float]:
        """Return how long each stage may take to finish what it has admitted."""
        return drain_seconds_by_stage(self.topology)

    def with_stage(self, name: str, stage: Stage) -> Survey:
        """Return the survey of the topology with one stage replaced: this one if the stage is the same."""
        if stage == self.topology.stages.get(name):
            return self
        return Survey(replace(self.topology, stages={**self.topology.stages, name: stage}))

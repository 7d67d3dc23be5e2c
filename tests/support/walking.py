"""Messages walked through a topology by plain chance, for tests of what a topology says about them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from simulator.topology.graph import calls_of
from simulator.topology.model import Topology
from simulator.topology.steps import Call, Choose, InOrder, Parallel


@dataclass
class Walk:
    """One message: how often it came to each stage, how long it kept a worker there in all, how deep it went."""

    visits: Counter[str] = field(default_factory=Counter)
    busy_seconds: Counter[str] = field(default_factory=Counter)
    depth: int = 0


def walk(topology: Topology, entry: str, chance: random.Random) -> Walk:
    """Walk a message from a stage, with no waiting for workers and nothing that fails."""
    done = Walk()

    def visit(name: str, depth: int) -> float:
        stage = topology.stages[name]
        done.visits[name] += 1
        done.depth = max(done.depth, depth)
        seconds = stage.delay.quantile(chance.uniform(1e-9, 1 - 1e-9))
        seconds += sum(take(step, depth) for step in stage.calls)
        done.busy_seconds[name] += seconds
        return seconds

    def take(step, depth: int) -> float:
        match step:
            case Parallel(parallel=steps):
                return max(take(inner, depth) for inner in steps)
            case InOrder(steps=steps):
                return sum(take(inner, depth) for inner in steps)
            case Choose(choose=alternatives):
                [chosen] = chance.choices(alternatives, [alternative.weight for alternative in alternatives])
                return take(chosen.step, depth)
            case Call():
                made = step.times.fixed if chance.random() < step.probability_ratio else 0
                return sum(visit(step.to, depth + 1) for _ in range(made))
        raise AssertionError(step)

    visit(entry, 0)
    return done


def layers_of(topology: Topology) -> dict[str, int]:
    """Return the longest chain of calls that leads to each stage. A cycle never ends in the order of the stages."""
    depths = dict.fromkeys(topology.stages, 0)
    seen: set[str] = set()
    for name, stage in topology.stages.items():
        seen.add(name)
        for _, call in calls_of(stage):
            assert call.to not in seen, f"{name} calls {call.to}, which stands before it"
            depths[call.to] = max(depths[call.to], depths[name] + 1)
    return depths

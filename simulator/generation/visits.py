"""How many stages a message visits: the probabilities of the calls are chosen so that it is a few, and sometimes many.

A message in a topology of a thousand stages does not visit all of them: call graphs are small with a heavy tail, one in
ten has more than 40 services (Luo et al., SoCC 2021, section 3.1). So some calls are always made and others seldom, as
many of the former as keep the average within its bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from simulator.generation.calls import calls_made, with_calls_changed
from simulator.generation.chance import Chance
from simulator.topology.model import Stage
from simulator.topology.quantities import Ratio
from simulator.topology.steps import Call, Step

Steps = Mapping[str, Sequence[Step]]
_SELDOM = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
_MIN_PROBABILITY = 0.001
# Up to 1, the calls that are seldom made become more frequent; above 1, more and more of them are always made.
_MAX_LEVEL = 1.85
_BISECTIONS = 40


@dataclass(frozen=True)
class _Edge:
    to: str
    calls: float  # how many each visit makes on average if the call's own probability is 1
    always_from: float  # the level from which on the call is always made
    seldom_ratio: float  # its probability at level 1

    def probability_at(self, level: float) -> float:
        if level > self.always_from:
            return 1.0
        return max(_MIN_PROBABILITY, round(self.seldom_ratio * min(level, 1.0), 3))


def with_probabilities(steps: Steps, injectors: Sequence[str], max_visits: float, chance: Chance) -> Steps:
    """Return the steps with probabilities such that a message visits at most `max_visits` stages on average.

    `steps` has every stage after all of its callers.
    """
    edges = {
        name: [
            _edge(name, call, calls, always=is_chosen or name in injectors, chance=chance)
            for call, calls, is_chosen in calls_made(own)
        ]
        for name, own in steps.items()
    }

    def total_at(level: float) -> float:
        return sum(_visits(edges, injectors, level).values()) - 1.0

    low, high = 0.0, _MAX_LEVEL
    if total_at(high) <= max_visits:
        low = high
    for _ in range(_BISECTIONS if low < high else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if total_at(middle) <= max_visits else (low, middle)
    chosen = {(name, edge.to): edge.probability_at(low) for name, own in edges.items() for edge in own}

    def settled(name: str, own: Sequence[Step]) -> Sequence[Step]:
        if name in injectors:
            return own
        return with_calls_changed(own, lambda call: replace(call, probability_ratio=Ratio(chosen[name, call.to])))

    return {name: settled(name, own) for name, own in steps.items()}


def mean_visits(stages: Mapping[str, Stage]) -> float:
    """Return how many visits a message makes on average, without retries, over all injectors by their rates.

    `stages` has every stage after all of its callers.
    """
    visits = dict.fromkeys(stages, 0.0)
    created = 0.0
    for name, stage in stages.items():
        if stage.load is not None:
            visits[name] = stage.load.rate_per_second or 0.0
            created += visits[name]
        for call, calls, _ in calls_made(stage.calls):
            visits[call.to] += visits[name] * calls
    return sum(visits.values()) / created - 1.0


def _edge(caller: str, call: Call, calls: float, *, always: bool, chance: Chance) -> _Edge:
    about = f"{caller} {call.to}"
    if always:
        return _Edge(call.to, calls, -1.0, 1.0)
    seldom_ratio = chance.one_of(_SELDOM, about, "probability")
    return _Edge(call.to, calls, 1.0 + chance.u(about, "always"), seldom_ratio)


def _visits(edges: Mapping[str, Sequence[_Edge]], injectors: Sequence[str], level: float) -> dict[str, float]:
    visits = dict.fromkeys(edges, 0.0)
    for name in injectors:
        visits[name] = 1.0 / len(injectors)
    for name, own in edges.items():
        for edge in own:
            visits[edge.to] += visits[name] * edge.calls * edge.probability_at(level)
    return visits

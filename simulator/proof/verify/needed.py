"""How many messages the verdicts of a topology need, so that what is wrong would be found."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from simulator.behaviour.distributions import Constant
from simulator.proof.statistics.power import draws_for_delay, draws_for_share
from simulator.topology.graph import Node, label
from simulator.topology.model import Role, Topology
from simulator.topology.outlook import Outlook

# What is to be found: a delay that is 10 % too long, a share of 5 % that is 6 %.
STRETCH, SHARE_FACTOR = 1.1, 1.2
_MAX_MESSAGES = 10**7


@dataclass(frozen=True, kw_only=True)
class Need:
    """How many messages of each injector the verdict on `what` needs, of which each leads to `visits` in all."""

    messages: int
    what: str
    visits: float


def needed(topology: Topology, alpha: float) -> Need:
    """Return the largest need of all verdicts, each with a level of `alpha`."""
    means = _visits_per_message(topology)
    visits = max(1.0, sum(means.values()))
    draws = [(count / means[node], what) for node, count, what in _draws(topology, alpha) if means.get(node, 0.0) > 0]
    messages, what = max(draws, default=(1.0, "nothing that is drawn"))
    return Need(messages=min(_MAX_MESSAGES, math.ceil(messages)), what=what, visits=visits)


def _draws(topology: Topology, alpha: float) -> Iterator[tuple[Node, int, str]]:
    for name, stage in topology.stages.items():
        for operation, made in stage.all_operations.items():
            node = name, operation
            if not isinstance(made.delay, Constant):
                yield node, draws_for_delay(made.delay, STRETCH, alpha), f"{made.delay} of {label(node)}"
            for fault in made.faults:
                if 0 < fault.rate_ratio < 1:
                    wrong = min(1.0, SHARE_FACTOR * fault.rate_ratio)
                    yield node, draws_for_share(fault.rate_ratio, wrong, alpha), f"{fault} of {label(node)}"


def _visits_per_message(topology: Topology) -> dict[Node, float]:
    means = {
        (name, operation): 1.0
        for name, stage in topology.stages.items()
        if stage.role is Role.INJECTOR
        for operation in stage.all_operations
    }
    means |= {one.called: one.mean_calls or 0.0 for one in Outlook(topology).multiplied()}
    return means

"""What the System view shows: every stage and call with how it stands, and what is wrong in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from simulator.console.metrics.figures import CallFigures, StageFigures
from simulator.console.system.foreign import NOTHING_FOREIGN, Foreign, ForeignFigures
from simulator.topology.graph import edges
from simulator.topology.model import Topology

ERROR_RATIO_THAT_HURTS = 0.05
QUEUE_RATIO_THAT_HURTS = 0.8
FOREIGN_ROLE = "foreign"
_NOTHING_KNOWN = StageFigures()
_NO_CALLS = CallFigures()


class State(StrEnum):
    """How a stage is, at a glance."""

    OK = "ok"
    DEGRADED = "degraded"  # it works, and something is wrong
    DEAD = "dead"  # none of its instances answers
    IDLE = "idle"  # nothing came, or it is not up yet


@dataclass(frozen=True)
class Node:
    """One stage, or a service that is none; `reason` says in words why it is not OK, "" where it is."""

    name: str
    role: str
    is_foreign: bool
    state: State
    reason: str
    figures: StageFigures | ForeignFigures


@dataclass(frozen=True)
class Edge:
    """Who calls whom: calls per second, the share that went wrong (both NaN where unknown), and its thickness, 0 to 1.

    The thickness grows with the logarithm of the traffic; the busiest call has 1.
    """

    caller: str
    called: str
    rate_per_second: float
    error_ratio: float
    weight: float
    is_foreign: bool


@dataclass(frozen=True)
class Picture:
    """A moment of a system: stages in the order of the topology, then foreign services by name."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def picture(topology: Topology, figures: Mapping[str, StageFigures], foreign: Foreign = NOTHING_FOREIGN) -> Picture:
    """Draw up the picture; a stage without figures is one of which nothing is known yet."""
    nodes = [
        _stage_node(name, stage.role, figures.get(name, _NOTHING_KNOWN)) for name, stage in topology.stages.items()
    ]
    nodes += [_foreign_node(name, found) for name, found in sorted(foreign.services.items())]
    return Picture(tuple(nodes), tuple(_edges(topology, figures, foreign)))


def state_of(figures: StageFigures) -> tuple[State, str]:
    """Tell how a stage is and, where something is wrong, what, in words."""
    if figures.is_awaited:
        return State.IDLE, "not up yet"
    if figures.instances and not figures.up:
        return State.DEAD, _silence(figures)
    wrong = "; ".join(_troubles(figures))
    if wrong:
        return State.DEGRADED, wrong
    if not figures.rate_per_second > 0 and not figures.in_flight:
        return State.IDLE, "no messages"
    return State.OK, ""


def _silence(figures: StageFigures) -> str:
    words = "no instance answers" if figures.instances > 1 else "it does not answer"
    return f"{words} ({figures.why_down})" if figures.why_down else words


def _troubles(figures: StageFigures) -> Iterator[str]:
    gone = figures.instances - figures.up
    if gone:
        yield f"{gone} of {figures.instances} instances gone"
    if figures.error_ratio >= ERROR_RATIO_THAT_HURTS:
        yield _errors(figures.error_ratio)
    if figures.queue_capacity and figures.queue_depth >= figures.queue_capacity:
        yield "queue full"
    elif figures.queue_capacity and figures.queue_depth >= QUEUE_RATIO_THAT_HURTS * figures.queue_capacity:
        yield f"queue {100 * figures.queue_depth / figures.queue_capacity:.0f} % full"
    if figures.missed_per_second > 0:
        yield f"{figures.missed_per_second:.1f} messages/s missed"


def _errors(ratio: float) -> str:
    return f"{100 * ratio:.0f} % errors"


def _stage_node(name: str, role: str, figures: StageFigures) -> Node:
    state, reason = state_of(figures)
    return Node(name, role, False, state, reason, figures)


def _foreign_node(name: str, figures: ForeignFigures) -> Node:
    if not figures.rate_per_second > 0:
        state, reason = State.IDLE, "no messages"
    elif figures.error_ratio >= ERROR_RATIO_THAT_HURTS:
        state, reason = State.DEGRADED, _errors(figures.error_ratio)
    else:
        state, reason = State.OK, ""
    return Node(name, FOREIGN_ROLE, True, state, reason, figures)


def _edges(topology: Topology, figures: Mapping[str, StageFigures], foreign: Foreign) -> Iterator[Edge]:
    calls = {
        (caller, called): figures.get(caller, _NOTHING_KNOWN).calls.get(called, _NO_CALLS)
        for caller, called in edges(topology.stages)
    }
    known = len(calls)
    calls |= {call: found for call, found in sorted(foreign.calls.items()) if call not in calls}
    busiest = max((_traffic(call) for call in calls.values()), default=0.0)
    for number, ((caller, called), call) in enumerate(calls.items()):
        weight = math.log1p(_traffic(call)) / math.log1p(busiest) if busiest else 0.0
        yield Edge(caller, called, call.rate_per_second, call.error_ratio, weight, is_foreign=number >= known)


def _traffic(call: CallFigures) -> float:
    return call.rate_per_second if call.rate_per_second > 0 else 0.0

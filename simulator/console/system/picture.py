"""The contents of the System view: every stage and call with its figures, and what is wrong in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from simulator.console.metrics.figures import CallFigures, StageFigures
from simulator.console.reported.figures import OwnFigures
from simulator.console.system.external import (
    MAX_SERVICES,
    NO_EXTERNAL_SERVICES,
    ExternalFigures,
    ExternalServices,
)
from simulator.topology.graph import edges
from simulator.topology.kinds import Kind
from simulator.topology.model import Stage, Topology

ERROR_RATIO_DEGRADED = 0.05
QUEUE_RATIO_DEGRADED = 0.8
EXTERNAL_ROLE = "external"
_NOTHING_KNOWN = StageFigures()
_NO_CALLS = CallFigures()
_NO_FIGURES = ExternalFigures(math.nan, math.nan, math.nan, math.nan)
NOBODY_REPORTS: Mapping[str, OwnFigures | None] = {}


class NodeState(StrEnum):
    """The state of a stage or service."""

    OK = "ok"
    DEGRADED = "degraded"  # it works, but something is wrong
    DEAD = "dead"  # none of its instances answers
    IDLE = "idle"  # no messages yet, or not up yet


@dataclass(frozen=True)
class Node:
    """One stage or external service; `reason` says in words why it is not OK, "" if it is.

    `is_external` says that the run did not start it; `product` is what a database or cache is, "" if that is unknown.
    `own` are the figures that an external service reports about itself, None if it reports none. If there are no spans
    to count its requests, `figures` are its own.
    """

    name: str
    role: str
    is_external: bool
    state: NodeState
    reason: str
    figures: StageFigures | ExternalFigures
    kind: Kind = Kind.SERVICE
    product: str = ""
    own: OwnFigures | None = None
    has_spans: bool = True

    @property
    def noun(self) -> str:
        """Return the word for what it is: database, cache, external, or the role of a service."""
        return self.role if self.kind is Kind.SERVICE else self.kind.value


@dataclass(frozen=True)
class Edge:
    """One call: calls per second, the share that failed (both NaN if unknown), and the line's thickness, 0 to 1.

    The thickness grows with the logarithm of the traffic; the busiest call has 1.
    """

    caller: str
    called: str
    rate_per_second: float
    error_ratio: float
    weight: float
    is_external: bool


@dataclass(frozen=True)
class SystemPicture:
    """A system at one time: stages in the order of the topology, then external services by name."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def picture(
    topology: Topology,
    figures: Mapping[str, StageFigures],
    external: ExternalServices = NO_EXTERNAL_SERVICES,
    reporting: Mapping[str, OwnFigures | None] = NOBODY_REPORTS,
) -> SystemPicture:
    """Return the picture; of a stage without figures nothing is known yet.

    `reporting` are external services that send metrics or log records, with the figures of their requests.
    """
    nodes = [_stage_node(name, stage, figures.get(name, _NOTHING_KNOWN)) for name, stage in topology.started.items()]
    services = dict(external.services)
    for name in topology.stages.keys() - topology.started:
        services[name] = _called_figures(name, figures, services.get(name))
    others = [name for name in reporting if name not in services]
    services |= dict.fromkeys(others[: max(0, MAX_SERVICES - len(services))], _NO_FIGURES)
    nodes += [
        _external_node(name, found, reporting.get(name), name not in others) for name, found in sorted(services.items())
    ]
    return SystemPicture(tuple(nodes), tuple(_edges(topology, figures, external)))


def silent_node(name: str) -> Node:
    """Return an external service of which nothing was heard lately."""
    return _external_node(name, _NO_FIGURES, None, has_spans=True)


def state_of(figures: StageFigures) -> tuple[NodeState, str]:
    """Return the state of a stage and, in words, what is wrong with it."""
    if figures.is_awaited:
        return NodeState.IDLE, "not up yet"
    if figures.instances and not figures.up:
        return NodeState.DEAD, _silence(figures)
    wrong = "; ".join(_troubles(figures))
    if wrong:
        return NodeState.DEGRADED, wrong
    if not figures.rate_per_second > 0 and not figures.in_flight:
        return NodeState.IDLE, "no messages"
    return NodeState.OK, ""


def _silence(figures: StageFigures) -> str:
    words = "no instance answers" if figures.instances > 1 else "it does not answer"
    return f"{words} ({figures.why_down})" if figures.why_down else words


def _troubles(figures: StageFigures) -> Iterator[str]:
    gone = figures.instances - figures.up
    if gone:
        yield f"{gone} of {figures.instances} instances down"
    if figures.error_ratio >= ERROR_RATIO_DEGRADED:
        yield _errors(figures.error_ratio)
    if figures.queue_capacity and figures.queue_depth >= figures.queue_capacity:
        yield "queue full"
    elif figures.queue_capacity and figures.queue_depth >= QUEUE_RATIO_DEGRADED * figures.queue_capacity:
        yield f"queue {100 * figures.queue_depth / figures.queue_capacity:.0f} % full"
    if figures.missed_per_second > 0:
        yield f"{figures.missed_per_second:.1f} messages/s missed"


def _errors(ratio: float) -> str:
    return f"{100 * ratio:.0f} % errors"


def _stage_node(name: str, stage: Stage, figures: StageFigures) -> Node:
    state, reason = state_of(figures)
    return Node(name, stage.role, False, state, reason, figures, stage.kind, stage.system or "")


def _called_figures(name: str, figures: Mapping[str, StageFigures], traced: ExternalFigures | None) -> ExternalFigures:
    """Return the figures of a service at a URL: its callers count the calls, and only traces have their durations."""
    calls = [of.calls[name] for of in figures.values() if name in of.calls]
    rate = sum(map(_traffic, calls)) if calls else math.nan
    failed = sum(_traffic(call) * call.error_ratio for call in calls if _traffic(call))
    return ExternalFigures(
        rate_per_second=rate,
        p50_seconds=traced.p50_seconds if traced else math.nan,
        p99_seconds=traced.p99_seconds if traced else math.nan,
        error_ratio=failed / rate if rate > 0 else math.nan,
    )


def _external_node(name: str, figures: ExternalFigures, own: OwnFigures | None, has_spans: bool) -> Node:
    if own is not None and not has_spans:
        p50, p99 = (math.nan if one.is_bound else one.value for one in (own.p50, own.p99))
        figures = ExternalFigures(own.rate_per_second, p50, p99, own.error_ratio)
    if not figures.rate_per_second > 0:
        state, reason = NodeState.IDLE, "no messages" if has_spans or own is not None else "no spans"
    elif figures.error_ratio >= ERROR_RATIO_DEGRADED:
        state, reason = NodeState.DEGRADED, _errors(figures.error_ratio)
    else:
        state, reason = NodeState.OK, ""
    return Node(name, EXTERNAL_ROLE, True, state, reason, figures, Kind.EXTERNAL, own=own, has_spans=has_spans)


def _edges(topology: Topology, figures: Mapping[str, StageFigures], external: ExternalServices) -> Iterator[Edge]:
    started = topology.started
    calls = {
        (caller, called): figures.get(caller, _NOTHING_KNOWN).calls.get(called, _NO_CALLS)
        for caller, called in edges(topology.stages)
        if caller in started
    }
    calls |= {call: found for call, found in sorted(external.calls.items()) if call not in calls}
    busiest = max((_traffic(call) for call in calls.values()), default=0.0)
    for (caller, called), call in calls.items():
        weight = math.log1p(_traffic(call)) / math.log1p(busiest) if busiest else 0.0
        yield Edge(
            caller, called, call.rate_per_second, call.error_ratio, weight, not {caller, called} <= started.keys()
        )


def _traffic(call: CallFigures) -> float:
    return call.rate_per_second if call.rate_per_second > 0 else 0.0

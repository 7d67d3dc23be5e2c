"""Finding the capacity: probe after probe, until the highest rate that is kept is known, and what its bottleneck is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.behaviour.thresholds import Threshold, parse_threshold
from simulator.proof.capacity.bottleneck import Bottleneck, BottleneckKind, bottleneck, overhead_limit
from simulator.proof.capacity.probe import Probe, Prober, plan_probe
from simulator.proof.capacity.search import RateSearch
from simulator.topology.model import Topology
from simulator.units import format_rate

# That the system keeps up with the rate is asked for in any case.
DEFAULT_THRESHOLDS = tuple(map(parse_threshold, ("errors < 1%", "missed = 0")))


@dataclass(frozen=True, kw_only=True)
class CapacitySearch:
    """What is asked for. `max_messages` bounds a probe whose verdict does not need more."""

    topology: Topology
    thresholds: tuple[Threshold, ...]
    start_rate: float
    max_rate: float
    min_rate: float | None
    precision: float
    probe_seconds: float
    warm_up_seconds: float | None = None
    max_messages: float = math.inf


@dataclass(frozen=True, kw_only=True)
class CapacityFound:
    """The result: the highest rate that was kept, None if none was, and the lowest that was not, None if all were.

    `margin_ratio` is how far they may be from those of a longer search, as a share: twice the standard error of what
    messages took of the bottleneck's workers. The draws of a seed are the same in every probe, so that more probes do
    not make it smaller; longer ones do.
    """

    kept_rate: float | None
    broken_rate: float | None
    limit: Bottleneck
    margin_ratio: float
    probes: tuple[Probe, ...]

    @property
    def is_found(self) -> bool:
        """Return whether the rate is the system's own limit, or all that was asked for."""
        return self.kept_rate is not None and self.limit.limit not in (BottleneckKind.MACHINE, BottleneckKind.INJECTOR)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "capacity_per_second": self.kept_rate,
            "broken_at_per_second": self.broken_rate,
            "is_found": self.is_found,
            "margin": self.margin_ratio,
            "bottleneck": self.limit.as_dict(),
            "probes": [probe.as_dict() for probe in self.probes],
        }


def find_capacity(asked: CapacitySearch, prober: Prober, tell: Callable[[Probe], None]) -> CapacityFound:
    """Return the capacity; `tell` is called with each probe when it has ended."""
    search = RateSearch(asked.start_rate, asked.precision, asked.max_rate, asked.min_rate)
    probes: list[Probe] = []
    rate = search.next_rate()
    while rate is not None:
        probe = _probe(asked, prober, tell, probes, rate)
        if probe.is_spoilt:
            # By another program, as likely as not; if it happens again, it is the machine.
            probe = _probe(asked, prober, tell, probes, rate)
        search.record(rate, probe.kept)
        rate = search.next_rate(_predicted(probes))
    limit = _limit(asked.topology, probes, search.broken)
    return CapacityFound(
        kept_rate=search.kept,
        broken_rate=search.broken,
        limit=limit,
        margin_ratio=2 * probes[-1].figures.demand_error(limit.stage) if limit.limit is BottleneckKind.WORKERS else 0.0,
        probes=tuple(probes),
    )


def _probe(
    asked: CapacitySearch, prober: Prober, tell: Callable[[Probe], None], probes: list[Probe], rate: float
) -> Probe:
    plan = plan_probe(rate, asked.thresholds, asked.probe_seconds, asked.max_messages, asked.warm_up_seconds)
    probe = prober.probe(rate, plan)
    probes.append(probe)
    tell(probe)
    return probe


def _predicted(probes: Sequence[Probe]) -> list[float]:
    """Return where the limit may be: by the last probe, and by the last that was kept, where nothing was repeated."""
    usable = [probe for probe in probes if not probe.is_spoilt]
    kept = [probe for probe in probes if probe.kept]
    rates = [probe.figures.predicted_rate() for probe in (*usable[-1:], *kept[-1:])]
    return [rate for rate in rates if rate is not None]


def _limit(topology: Topology, probes: Sequence[Probe], broken_rate: float | None) -> Bottleneck:
    """Return what broke the lowest rate that was broken."""
    broken = [probe for probe in probes if probe.rate_per_second == broken_rate]
    if not broken:
        highest = format_rate(max(probe.rate_per_second for probe in probes))
        return Bottleneck(
            limit=BottleneckKind.UNKNOWN, stage="", why=f"none up to {highest}, the highest rate that was asked for"
        )
    probe = broken[-1]
    if probe.machine is not None:
        return probe.machine
    found = bottleneck(topology, probe.figures, probe.rate_per_second, _quiet_demands(probes))
    of_stage = overhead_limit(probe.figures, found.stage) if found.limit is BottleneckKind.WORKERS else None
    return of_stage or found


def _quiet_demands(probes: Sequence[Probe]) -> Mapping[str, float] | None:
    """Return what a message took of the workers at the lowest rate that was kept; None if none was."""
    kept = [probe for probe in probes if probe.kept]
    return min(kept, key=lambda probe: probe.rate_per_second).figures.demands() if kept else None

"""One probe: the system at one rate for a while, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from simulator.behaviour.thresholds import Threshold, Unit
from simulator.behaviour.verdicts import Verdict, all_kept, as_dicts
from simulator.proof.capacity.bottleneck import Bottleneck
from simulator.proof.capacity.figures import ProbeFigures

_EVIDENCE = 10  # messages beyond a percentile, or that fail by a share, on which a verdict can rest
_MIN_MESSAGES, _MAX_EVIDENCE = 200, 20_000
_WARM_UP = 0.1  # of a probe, beside it
_ROUNDING = 1e-6
_MIN_GROWTH = 0.02  # of the messages of half a probe, below which a longer queue is no overload


@dataclass(frozen=True, kw_only=True)
class ProbePlan:
    """How long a probe takes: what is judged, and the warm-up before it, which is not."""

    warm_up_seconds: float
    seconds: float

    @property
    def total_seconds(self) -> float:
        """Return how long messages are due."""
        return self.warm_up_seconds + self.seconds


def plan_probe(
    rate_per_second: float,
    thresholds: Sequence[Threshold],
    least_seconds: float,
    max_messages: float = math.inf,
    warm_up_seconds: float | None = None,
) -> ProbePlan:
    """Return how long a probe must be for its verdict: as long as asked for, and until it has the messages it needs.

    Of more than `max_messages` no more are sent than are needed.
    """
    needed = messages_needed(thresholds) / rate_per_second
    windows = max((2 * one.over_seconds for one in thresholds if one.over_seconds is not None), default=0.0)
    seconds = max(needed, windows, min(least_seconds, max_messages / rate_per_second))
    return ProbePlan(
        warm_up_seconds=_WARM_UP * seconds if warm_up_seconds is None else warm_up_seconds, seconds=seconds
    )


def messages_needed(thresholds: Sequence[Threshold]) -> int:
    """Return how many messages a verdict needs: so many that ten decide it, as of 1,000 for p99 or a share of 1%."""
    shares = [1 - (one.quantile or 0.0) for one in thresholds if one.quantile is not None]
    shares += [one.bound for one in thresholds if one.unit is Unit.SHARE]
    return max([_MIN_MESSAGES, *(min(_MAX_EVIDENCE, round(_EVIDENCE / share)) for share in shares if share > 0)])


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The result of one probe. `overload` says why the system does not keep up with the rate, "" if it does.

    `machine` is what the machine is to blame for, None if it had room, or if time was virtual.
    """

    rate_per_second: float
    plan: ProbePlan
    messages: int
    verdicts: tuple[Verdict, ...]
    overload: str
    figures: ProbeFigures
    machine: Bottleneck | None = None

    @property
    def kept(self) -> bool:
        """Return whether the thresholds were kept, and the system kept up."""
        return all_kept(self.verdicts) and not self.overload

    @property
    def is_spoilt(self) -> bool:
        """Return whether it was broken while the machine was too slow for it."""
        return not self.kept and self.machine is not None

    @property
    def why(self) -> str:
        """Return what was broken; "" if nothing was."""
        broken = [f"{one.threshold}: {one.observed_text}" for one in self.verdicts if not one.kept]
        return "; ".join([*broken, *filter(None, [self.overload])])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "rate_per_second": self.rate_per_second,
            "seconds": self.plan.seconds,
            "messages": self.messages,
            "kept": self.kept,
            "why": self.why,
            "thresholds": as_dicts(self.verdicts),
            "stages": self.figures.as_dict(self.rate_per_second),
            "machine": None if self.machine is None else self.machine.why,
        }


class Prober(Protocol):
    """A way to drive a system at a rate."""

    def probe(self, rate_per_second: float, plan: ProbePlan) -> Probe:
        """Drive it, and return what came of it. Raise StartError if it can't be started."""


def probe_of(
    rate_per_second: float,
    plan: ProbePlan,
    verdicts: tuple[Verdict, ...],
    figures: ProbeFigures,
    machine: Bottleneck | None = None,
) -> Probe:
    """Return the result of a probe from what was observed."""
    return Probe(
        rate_per_second=rate_per_second,
        plan=plan,
        messages=figures.messages,
        verdicts=verdicts,
        overload=_overload(rate_per_second, figures),
        figures=figures,
        machine=machine,
    )


def _overload(rate_per_second: float, figures: ProbeFigures) -> str:
    utilisations = figures.utilisations(rate_per_second)
    name = max(utilisations, key=lambda name: utilisations[name], default="")
    if name and utilisations[name] > 1 + _ROUNDING:
        return f"{name} has too few workers for it, and its queue grows: it would need {utilisations[name]:.1%} of them"
    return "more messages wait at the end than in the middle" if figures.backlog_grows(_MIN_GROWTH) else ""

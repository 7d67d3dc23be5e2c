"""Service level objectives: which share of a stage's requests must be fast, and which share may fail."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.quoting import quoted
from simulator.topology.keys import key
from simulator.topology.quantities import Ratio
from simulator.units import format_duration, format_ratio, parse_duration, parse_ratio


@dataclass(frozen=True)
class LatencyObjective:
    """A share `ratio` of all requests is answered within `seconds`: `300ms@99%`."""

    seconds: float
    ratio: float

    def __str__(self) -> str:
        """Return the objective in the notation that `parse_latency_objective` reads."""
        return f"{format_duration(self.seconds)}@{format_ratio(self.ratio)}"


@dataclass(frozen=True, kw_only=True)
class Slo:
    """A stage's objectives: a latency for a share of its requests, and the share of messages that may fail."""

    latency: LatencyObjective | None = field(
        default=None, metadata=key("The time within which a share of the requests is answered.", "300ms@99%")
    )
    errors_ratio: Ratio | None = field(default=None, metadata=key("The share of messages that may fail.", "0.1%"))


def parse_latency_objective(text: object) -> LatencyObjective:
    """Return the objective in a text. Raise ValueError if there is none, or if it allows no slow request at all."""
    seconds, at, ratio = text.partition("@") if isinstance(text, str) else ("", "", "")
    if not at:
        raise ValueError(f"{quoted(text)} is not a latency objective: write 300ms@99%")
    objective = LatencyObjective(parse_duration(seconds.strip()), parse_ratio(ratio.strip()))
    if not objective.seconds > 0 or not 0 < objective.ratio < 1:
        raise ValueError(f"{quoted(text)} can't be met: the time must be more than 0, the share between 0% and 100%")
    return objective

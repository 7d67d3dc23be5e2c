"""Open schedules: when the next message is due, whatever became of the last one.

A pace never sleeps and never looks at a clock; it only says how long after one message the next one is due, so a test
of it needs no time. The schedule does not wait for answers: a slow system gets its messages all the same, as it would
from the outside world.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

from simulator.behaviour.draws import FIRST_VISIT, draw


class Arrivals(StrEnum):
    """How messages follow each other: at equal distances, or at random and independently (Poisson)."""

    CONSTANT = "constant"
    POISSON = "poisson"


@dataclass(frozen=True)
class Pace(ABC):
    """A schedule at `rate_per_second`."""

    rate_per_second: float

    @abstractmethod
    def gap(self, number: int) -> float:
        """Give the seconds from message `number - 1` (or the start) to message `number`, counted from 1."""


@dataclass(frozen=True)
class ConstantPace(Pace):
    """One message every 1 / rate seconds."""

    def gap(self, number: int) -> float:
        """Give 1 / rate."""
        return 1 / self.rate_per_second


@dataclass(frozen=True)
class PoissonPace(Pace):
    """A Poisson process: gaps are exponential with mean 1 / rate, each drawn by its number."""

    seed: int
    stage: str

    def gap(self, number: int) -> float:
        """Give -ln(1 - u) / rate."""
        u = draw(self.seed, self.stage, str(number), FIRST_VISIT, "arrival")
        return -math.log1p(-u) / self.rate_per_second


def make_pace(arrivals: Arrivals, rate_per_second: float, seed: int, stage: str) -> Pace:
    """Make the pace that a configuration asks for."""
    if arrivals is Arrivals.CONSTANT:
        return ConstantPace(rate_per_second)
    return PoissonPace(rate_per_second, seed, stage)

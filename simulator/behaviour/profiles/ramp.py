"""The profile `ramp(10/s, 200/s, 5m)`: from one rate to another in a straight line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.notation import Arguments
from simulator.behaviour.profiles.base import Profile
from simulator.behaviour.profiles.recording import ReadRecording
from simulator.units import format_duration, format_rate


@dataclass(frozen=True)
class Ramp(Profile):
    """A rate that changes from `low` to `high` (or down) in a straight line: r(t) = a + (b - a) t / T."""

    name: ClassVar[str] = "ramp"
    from_per_second: float
    to_per_second: float
    over_seconds: float

    @classmethod
    def read(cls, arguments: Arguments, _: ReadRecording) -> Ramp:
        """Read both rates and the time between them."""
        return cls(arguments.rate_or_zero("from"), arguments.rate_or_zero("to"), arguments.duration("over"))

    def __post_init__(self) -> None:
        if not self.over_seconds:
            raise ValueError("it must last longer than 0s")
        if not self.from_per_second and not self.to_per_second:
            raise ValueError("one of its rates must be more than 0")

    @property
    def duration_seconds(self) -> float:
        """Return how long it takes."""
        return self.over_seconds

    @property
    def messages(self) -> float:
        """Return the area below the line: the mean rate times the duration."""
        return (self.from_per_second + self.to_per_second) / 2 * self.over_seconds

    @property
    def highest_rate_per_second(self) -> float:
        """Return the higher of the two."""
        return max(self.from_per_second, self.to_per_second)

    @property
    def _slope(self) -> float:
        return (self.to_per_second - self.from_per_second) / self.over_seconds

    def expected(self, seconds: float) -> float:
        """Return the integral of the rate, a t + (b - a) / T * t^2 / 2."""
        if seconds >= self.over_seconds:
            return self.messages
        return seconds * (self.from_per_second + self._slope / 2 * seconds)

    def time_of(self, expected: float) -> float:
        """Return the root of the integral, 2 n / (a + sqrt(a^2 + 2 n (b - a) / T)).

        In this form of the quadratic formula nothing cancels (Numerical Recipes, 3rd edition, section 5.6), so that
        it is as exact for equal rates and for the ten-millionth message as for the first.
        """
        begin = self.from_per_second
        root = math.sqrt(max(0.0, begin * begin + 2 * expected * self._slope))
        return min(self.over_seconds, 2 * expected / (begin + root)) if begin + root else 0.0

    def __str__(self) -> str:
        rates = f"{format_rate(self.from_per_second)}, {format_rate(self.to_per_second)}"
        return f"{self.name}({rates}, {format_duration(self.over_seconds)})"

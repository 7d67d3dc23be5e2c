"""The profile `sine(10/s, 200/s, 1d)`: day and night, as long as they are or compressed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.notation import Arguments
from simulator.behaviour.profiles.base import Profile
from simulator.behaviour.profiles.recording import ReadRecording
from simulator.units import format_duration, format_rate

_MAX_STEPS = 64


@dataclass(frozen=True)
class Sine(Profile):
    """A rate that goes up and down between `low` and `high`, beginning at its lowest.

    r(t) = m - h cos(2 pi t / P), with the mean m = (low + high) / 2 and half the swing h = (high - low) / 2.
    """

    name: ClassVar[str] = "sine"
    low_per_second: float
    high_per_second: float
    period_seconds: float
    lasting_seconds: float = math.inf

    @classmethod
    def read(cls, arguments: Arguments, _: ReadRecording) -> Sine:
        """Read the lowest and the highest rate, the period, and how long it lasts."""
        low, high = arguments.rate_or_zero("low"), arguments.rate_or_zero("high")
        return cls(low, high, arguments.duration("period"), arguments.duration("for", math.inf))

    def __post_init__(self) -> None:
        if not self.period_seconds or not self.lasting_seconds:
            raise ValueError("its period and what it lasts must be longer than 0s")
        if not self.high_per_second > self.low_per_second:
            raise ValueError("its highest rate must be above its lowest")

    @property
    def duration_seconds(self) -> float:
        """Return how long it lasts."""
        return self.lasting_seconds

    @property
    def messages(self) -> float:
        """Return the expected number by its end."""
        return math.inf if self.lasting_seconds == math.inf else self.expected(self.lasting_seconds)

    @property
    def highest_rate_per_second(self) -> float:
        """Return the highest rate that it reaches: if it ends before half a period, that at its end."""
        if self.lasting_seconds >= self.period_seconds / 2:
            return self.high_per_second
        return self._rate(self.lasting_seconds)

    @property
    def _mean(self) -> float:
        return (self.low_per_second + self.high_per_second) / 2

    @property
    def _half_swing(self) -> float:
        return (self.high_per_second - self.low_per_second) / 2

    def _rate(self, seconds: float) -> float:
        return self._mean - self._half_swing * math.cos(math.tau * seconds / self.period_seconds)

    def expected(self, seconds: float) -> float:
        """Return the integral of the rate, m t - h P / (2 pi) sin(2 pi t / P)."""
        periods, rest = divmod(min(seconds, self.lasting_seconds), self.period_seconds)
        return periods * self._mean * self.period_seconds + self._within(rest)

    def time_of(self, expected: float) -> float:
        """Return the inverse of the integral: whole periods by division, the rest by iteration to the last bit.

        The division comes first, so that it is as exact for the ten-millionth message as for the first.
        """
        periods, rest = divmod(expected, self._mean * self.period_seconds)
        return min(self.lasting_seconds, periods * self.period_seconds + self._time_within(rest))

    def _within(self, seconds: float) -> float:
        swing = self._half_swing * self.period_seconds / math.tau
        return self._mean * seconds - swing * math.sin(math.tau * seconds / self.period_seconds)

    def _time_within(self, expected: float) -> float:
        """Return the time within a period, by Newton's method within bounds that halve (Numerical Recipes, 9.4)."""
        low, high = 0.0, self.period_seconds
        found = expected / self._mean
        for _ in range(_MAX_STEPS):
            over = self._within(found) - expected
            if not over:
                break
            low, high = (low, found) if over > 0 else (found, high)
            rate = self._rate(found)
            following = found - over / rate if rate > 0 else low
            if not low < following < high:
                following = (low + high) / 2
            if following == found or not low < following < high:
                break
            found = following
        return found

    def __str__(self) -> str:
        rates = f"{format_rate(self.low_per_second)}, {format_rate(self.high_per_second)}"
        lasting = "" if self.lasting_seconds == math.inf else f", for={format_duration(self.lasting_seconds)}"
        return f"{self.name}({rates}, {format_duration(self.period_seconds)}{lasting})"

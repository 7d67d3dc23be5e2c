"""The profiles made of constant rates: `steps(10/s, 50/s, 100/s, each=30s)` and `spike(20/s, 200/s, 1m, 10s, 1m)`."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.notation import Arguments
from simulator.behaviour.profiles.base import Profile
from simulator.behaviour.profiles.constant import ConstantProfile
from simulator.behaviour.profiles.recording import ReadRecording
from simulator.behaviour.profiles.sequence import ProfileSequence
from simulator.units import format_duration, format_rate


@dataclass(frozen=True)
class Stepwise(Profile):
    """A profile of constant rates, one after the other."""

    @abstractmethod
    def _levels(self) -> tuple[ConstantProfile, ...]:
        """Return the constant parts in order."""

    @functools.cached_property
    def _sequence(self) -> ProfileSequence:
        return ProfileSequence(self._levels())

    @property
    def duration_seconds(self) -> float:
        """Return the sum of the parts'."""
        return self._sequence.duration_seconds

    @property
    def messages(self) -> float:
        """Return the sum of the parts'."""
        return self._sequence.messages

    @property
    def highest_rate_per_second(self) -> float:
        """Return the highest rate."""
        return self._sequence.highest_rate_per_second

    def expected(self, seconds: float) -> float:
        """Return the area below the steps."""
        return self._sequence.expected(seconds)

    def time_of(self, expected: float) -> float:
        """Return the time in the step in which so many are expected."""
        return self._sequence.time_of(expected)


@dataclass(frozen=True)
class Steps(Stepwise):
    """Several rates, each for the same time: `steps(10/s, 50/s, 100/s, each=30s)`."""

    name: ClassVar[str] = "steps"
    rates_per_second: tuple[float, ...]
    each_seconds: float

    @classmethod
    def read(cls, arguments: Arguments, _: ReadRecording) -> Steps:
        """Read how long each takes, and the rates."""
        each_seconds = arguments.keyed_duration("each")
        rates = tuple(arguments.rates_or_zero("rate"))
        if each_seconds is None:
            raise arguments.missing("each, as in each=30s")
        return cls(rates, each_seconds)

    def __post_init__(self) -> None:
        if not self.each_seconds:
            raise ValueError("each must be longer than 0s")
        if not any(self.rates_per_second):
            raise ValueError("one of its rates must be more than 0")

    def _levels(self) -> tuple[ConstantProfile, ...]:
        return tuple(ConstantProfile(rate, self.each_seconds) for rate in self.rates_per_second)

    def __str__(self) -> str:
        rates = ", ".join(map(format_rate, self.rates_per_second))
        return f"{self.name}({rates}, each={format_duration(self.each_seconds)})"


@dataclass(frozen=True)
class Spike(Stepwise):
    """A rate, another for a short time, and the first one again: `spike(20/s, 200/s, before=1m, for=10s, after=1m)`.

    Without `after` it has no end.
    """

    name: ClassVar[str] = "spike"
    base_per_second: float
    peak_per_second: float
    before_seconds: float
    peak_seconds: float
    after_seconds: float = math.inf

    @classmethod
    def read(cls, arguments: Arguments, _: ReadRecording) -> Spike:
        """Read both rates, and the times before, at and after the peak."""
        base, peak = arguments.rate_or_zero("base"), arguments.rate_or_zero("peak")
        before, lasting = arguments.duration("before"), arguments.duration("for")
        return cls(base, peak, before, lasting, arguments.duration("after", math.inf))

    def __post_init__(self) -> None:
        if not (self.before_seconds and self.peak_seconds and self.after_seconds):
            raise ValueError("before, for and after must be longer than 0s")
        if not self.peak_per_second > self.base_per_second:
            raise ValueError("its peak must be above its base")

    def _levels(self) -> tuple[ConstantProfile, ...]:
        return (
            ConstantProfile(self.base_per_second, self.before_seconds),
            ConstantProfile(self.peak_per_second, self.peak_seconds),
            ConstantProfile(self.base_per_second, self.after_seconds),
        )

    def __str__(self) -> str:
        rates = f"{format_rate(self.base_per_second)}, {format_rate(self.peak_per_second)}"
        times = f"before={format_duration(self.before_seconds)}, for={format_duration(self.peak_seconds)}"
        after = "" if self.after_seconds == math.inf else f", after={format_duration(self.after_seconds)}"
        return f"{self.name}({rates}, {times}{after})"

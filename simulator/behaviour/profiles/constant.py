"""The profile `constant(200/s)`, and with an end, `constant(200/s, 1m)`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.notation import Arguments
from simulator.behaviour.profiles.base import Profile
from simulator.behaviour.profiles.recording import ReadRecording
from simulator.units import format_duration, format_rate


@dataclass(frozen=True)
class ConstantProfile(Profile):
    """One rate. At 0 it is a pause: without an end the next message is due at infinity."""

    name: ClassVar[str] = "constant"
    rate_per_second: float
    lasting_seconds: float = math.inf

    @classmethod
    def read(cls, arguments: Arguments, _: ReadRecording) -> ConstantProfile:
        """Read the rate, and how long it lasts."""
        return cls(arguments.rate_or_zero("rate"), arguments.duration("for", math.inf))

    def __post_init__(self) -> None:
        if not self.lasting_seconds:
            raise ValueError("it must last longer than 0s")

    @property
    def duration_seconds(self) -> float:
        """Return how long it lasts."""
        return self.lasting_seconds

    @property
    def messages(self) -> float:
        """Return the rate times the duration."""
        return math.inf if self.lasting_seconds == math.inf else self.rate_per_second * self.lasting_seconds

    @property
    def highest_rate_per_second(self) -> float:
        """Return the rate."""
        return self.rate_per_second

    def expected(self, seconds: float) -> float:
        """Return rate * t."""
        return self.rate_per_second * min(seconds, self.lasting_seconds)

    def time_of(self, expected: float) -> float:
        """Return n / rate, not a sum: it is as exact for the ten-millionth message as for the first."""
        return expected / self.rate_per_second if self.rate_per_second else math.inf

    def __str__(self) -> str:
        lasting = "" if self.lasting_seconds == math.inf else f", {format_duration(self.lasting_seconds)}"
        return f"{self.name}({format_rate(self.rate_per_second)}{lasting})"

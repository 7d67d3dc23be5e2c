"""Several profiles, one after the other: a list in a file, separated by semicolons in one line."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.profiles.base import Profile


@dataclass(frozen=True)
class ProfileSequence(Profile):
    """The parts in order; only the last may have no end. A part begins with the number that those before it expect."""

    name: ClassVar[str] = "sequence"
    parts: tuple[Profile, ...]

    def __post_init__(self) -> None:
        for part in self.parts[:-1]:
            if part.duration_seconds == math.inf:
                raise ValueError(f"{part} has no end, so nothing can follow it: give it one, or put it last")

    @property
    def duration_seconds(self) -> float:
        """Return the sum of the parts'."""
        return self._starts_seconds[-1] + self.parts[-1].duration_seconds

    @property
    def messages(self) -> float:
        """Return the sum of the parts'."""
        return self._starts_messages[-1] + self.parts[-1].messages

    @property
    def highest_rate_per_second(self) -> float:
        """Return the highest of the parts'."""
        return max(part.highest_rate_per_second for part in self.parts)

    @property
    def is_recorded(self) -> bool:
        """Return whether all the parts are."""
        return all(part.is_recorded for part in self.parts)

    def expected(self, seconds: float) -> float:
        """Return what the parts before expect, and the part at this time by then."""
        index = max(0, bisect.bisect_right(self._starts_seconds, seconds) - 1)
        return self._starts_messages[index] + self.parts[index].expected(seconds - self._starts_seconds[index])

    def time_of(self, expected: float) -> float:
        """Return the time in the first part in which so many are expected."""
        # The first part that reaches the number: one that ends exactly with it is not left for a pause after it.
        index = max(0, bisect.bisect_left(self._starts_messages, expected) - 1)
        return self._starts_seconds[index] + self.parts[index].time_of(expected - self._starts_messages[index])

    def plain(self) -> list[str]:
        """Return the list."""
        return [str(part) for part in self.parts]

    def __str__(self) -> str:
        return "; ".join(self.plain())

    @functools.cached_property
    def _starts_seconds(self) -> Sequence[float]:
        return list(itertools.accumulate((part.duration_seconds for part in self.parts[:-1]), initial=0.0))

    @functools.cached_property
    def _starts_messages(self) -> Sequence[float]:
        return list(itertools.accumulate((part.messages for part in self.parts[:-1]), initial=0.0))

"""What a load profile is: the expected number of messages as a function of time, and the inverse of that.

The rate of a profile is the derivative of its expected number. Arrivals are made from the inverse: those of a process
with rate 1, each moved to the time at which as many messages are expected (Cinlar, Introduction to Stochastic
Processes, 1975, chapter 4.7). So every kind of arrivals works with every profile.

To make one of your own: a frozen dataclass in a module here with `name`, `read`, the properties and methods below,
and its `read` in `registry.PROFILES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Profile(ABC):
    """The expected number of messages as a function of time, both counted from the beginning of the profile."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def duration_seconds(self) -> float:
        """Return how long it lasts; infinity if it has no end."""

    @property
    @abstractmethod
    def messages(self) -> float:
        """Return the expected number of messages in all; infinity if it has no end."""

    @property
    @abstractmethod
    def highest_rate_per_second(self) -> float:
        """Return its highest rate."""

    @property
    def is_recorded(self) -> bool:
        """Return whether its messages are due at recorded times, so that nothing is drawn by default."""
        return False

    @abstractmethod
    def expected(self, seconds: float) -> float:
        """Return how many messages are expected within `seconds`, 0 or more; never decreases."""

    @abstractmethod
    def time_of(self, expected: float) -> float:
        """Return the seconds after which so many messages are expected, more than 0 and at most `messages`.

        Infinity means that so many never are.
        """

    def plain(self) -> str | list[str]:
        """Return the plain value from which `parse_profile` reads it."""
        return str(self)

    @abstractmethod
    def __str__(self) -> str:
        """Return the profile in the notation that `parse_profile` reads."""

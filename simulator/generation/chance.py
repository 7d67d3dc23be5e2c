"""The random choices of a generated topology: each is a draw of its own, named by what it decides.

So the same seed gives the same topology, and one more choice about a stage does not change any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from simulator.behaviour.draws import FIRST_VISIT, draw

Item = TypeVar("Item")


@dataclass(frozen=True)
class Chance:
    """Draws from one seed. `about` is the stage or call that a choice is about, `purpose` what is chosen."""

    seed: int

    def u(self, about: str, purpose: str) -> float:
        """Return a number that is uniform in (0, 1)."""
        return draw(self.seed, about, "topology", FIRST_VISIT, purpose)

    def happens(self, probability: float, about: str, purpose: str) -> bool:
        """Return whether something of this probability happens."""
        return self.u(about, purpose) < probability

    def one_of(self, items: Sequence[Item], about: str, purpose: str) -> Item:
        """Return one of the items, all of them equally likely."""
        return items[int(self.u(about, purpose) * len(items))]

    def between(self, low: int, high: int, about: str, purpose: str) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return low + int(self.u(about, purpose) * (high - low + 1))

    def shuffled(self, items: Sequence[Item], about: str, purpose: str) -> list[Item]:
        """Return the items in random order."""
        keys = [self.u(about, f"{purpose} {place}") for place in range(len(items))]
        return [items[place] for place in sorted(range(len(items)), key=keys.__getitem__)]

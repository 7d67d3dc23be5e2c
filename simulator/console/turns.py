"""Long work that yields to other greenlets now and then.

Only one greenlet runs at a time, until it waits for something. A client that sends half a million spans in one body
must not block the page for everybody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

# A step is about 20 microseconds of work, so a turn is a few milliseconds.
STEPS_A_TURN = 200


def _go_on() -> None:
    pass


class Turns:
    """Count the steps of long work, and call `give_way()` after each turn; by default it never gives way."""

    def __init__(self, give_way: Callable[[], None] = _go_on, steps_a_turn: int = STEPS_A_TURN) -> None:
        self._give_way = give_way
        self._steps_a_turn = steps_a_turn
        self._left = steps_a_turn

    def step(self, steps: int = 1) -> None:
        """Record that steps are done. When this returns, other greenlets may have changed anything."""
        self._left -= steps
        if self._left <= 0:
            self._left = self._steps_a_turn
            self._give_way()

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, recording a step after each."""
        for item in items:
            yield item
            self.step()

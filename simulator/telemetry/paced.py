"""Batches whose encoding lets others run.

Writing a batch takes as long as handling dozens of messages: without pauses all of them would wait for it, a few times
per second, and the slowest messages would show little else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, overload

# About half a millisecond of writing spans.
ITEMS_BETWEEN_PAUSES = 16
Item = TypeVar("Item")


class Paced(Sequence[Item]):
    """Items with a call of `pause()` after every 16 of them while they are iterated."""

    def __init__(self, items: Sequence[Item], pause: Callable[[], None]) -> None:
        self._items = items
        self._pause = pause

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        """Return an item, or some of them."""
        return self._items[index]

    def __iter__(self) -> Iterator[Item]:
        for number, item in enumerate(self._items, 1):
            yield item
            if number % ITEMS_BETWEEN_PAUSES == 0:
                self._pause()

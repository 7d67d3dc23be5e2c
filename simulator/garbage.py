"""When a process collects garbage: the less often, the more messages are in flight in it.

A message leaves no garbage in cycles, and what there is besides is little, such as that of a scrape. But a collection
of Python goes through all objects that are younger than the last one: with 10,000 messages in flight that took a stage
a seventh of its time, in pauses of up to 0.4 s, and a run in virtual time a third. Here one is due when there are as
many objects more as the messages in flight consisted of at the last one. So garbage takes no more memory than messages
did, and while these become more the collections are further and further apart.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from types import TracebackType

# With few messages, a collection is due when there are so many objects more than at the last one.
MIN_OBJECTS = 10_000
# A message that is in flight consists of about 60 with its connection, and of more if it makes calls.
OBJECTS_PER_MESSAGE = 100
# Of so many collections of the youngest objects one is of older ones, and of so many of these one of all.
_OLDER, _ALL = 20, 50


class RareCollection:
    """Collect garbage rarely from `begin` to `end`, or in the body of a `with`.

    `in_flight()` is the number of messages that the process has now; it is called at the end of each collection, in the
    middle of whatever runs.
    """

    __slots__ = ("_before", "_in_flight")

    def __init__(self, in_flight: Callable[[], int]) -> None:
        self._in_flight = in_flight
        self._before: tuple[int, int, int] | None = None

    def begin(self) -> None:
        """Begin; it has begun already if this was called before."""
        if self._before is None:
            self._before = gc.get_threshold()
            gc.callbacks.append(self._on_collection)
        self._set_threshold()

    def end(self) -> None:
        """Restore the thresholds of the process."""
        if self._before is not None:
            gc.callbacks.remove(self._on_collection)
            gc.set_threshold(*self._before)
            self._before = None

    def __enter__(self) -> None:
        self.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _on_collection(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "stop":
            self._set_threshold()

    def _set_threshold(self) -> None:
        gc.set_threshold(max(MIN_OBJECTS, OBJECTS_PER_MESSAGE * self._in_flight()), _OLDER, _ALL)

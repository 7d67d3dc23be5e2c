"""How many messages were handled in each second, including idle seconds."""

from __future__ import annotations

import math
from collections.abc import Callable


class Throughput:
    """Count messages and, for every whole second that has passed, report its count to `observe`.

    The seconds are those of `monotonic`, from the first call on. The current second is reported when it is over.
    """

    def __init__(self, observe: Callable[[float], None], monotonic: Callable[[], float]) -> None:
        self._observe = observe
        self._monotonic = monotonic
        self._second = math.floor(monotonic())
        self._count = 0

    def count(self) -> None:
        """Count a message in the current second."""
        self.roll()
        self._count += 1

    def roll(self) -> None:
        """Report the seconds that have passed since the last call."""
        now = math.floor(self._monotonic())
        while self._second < now:
            self._observe(self._count)
            self._count = 0
            self._second += 1

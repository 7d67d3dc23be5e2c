"""Real CPU time and real memory, for the faults that use them."""

from __future__ import annotations

import time
from collections.abc import Callable

# As often as the interpreter switches threads: other messages and the probes run in between.
_SLICE_SECONDS = 0.005


class RealMachine:
    """The processor and the memory of this process; `give_way()` lets everything else run for a turn."""

    def __init__(self, give_way: Callable[[], None], cpu_clock: Callable[[], float] = time.thread_time) -> None:
        self._give_way = give_way
        self._cpu_clock = cpu_clock

    def compute(self, cpu_seconds: float) -> None:
        """Compute until the thread has used so much CPU time for it, giving way now and then."""
        left = cpu_seconds
        while left > 0:
            begin = self._cpu_clock()
            end = begin + min(left, _SLICE_SECONDS)
            number = 1
            while (now := self._cpu_clock()) < end:
                for _ in range(200):
                    number = number * 6364136223846793005 + 1442695040888963407 & 0xFFFFFFFFFFFFFFFF
            left -= now - begin
            if left > 0:
                self._give_way()

    def hold(self, size_bytes: int) -> bytes:
        """Return memory that is really allocated: every byte is written to."""
        return b"\x01" * size_bytes

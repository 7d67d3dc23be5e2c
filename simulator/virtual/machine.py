"""The machine of virtual time, which has no processor and no memory of its own."""

from __future__ import annotations

from collections.abc import Callable


class ModelledMachine:
    """Model `cpu` as time, in which everything else goes on, and `memory` not at all."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def compute(self, cpu_seconds: float) -> None:
        """Let so much time pass."""
        self._sleep(cpu_seconds)

    def hold(self, size_bytes: int) -> object:
        """Return nothing."""
        return None

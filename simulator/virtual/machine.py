"""The machine in virtual time, which has no processor and no memory of its own."""

from __future__ import annotations

from collections.abc import Callable


class ModelledMachine:
    """Model `cpu` as time during which everything else continues, and `memory` not at all."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def compute(self, cpu_seconds: float) -> None:
        """Wait for as long."""
        self._sleep(cpu_seconds)

    def hold(self, size_bytes: int) -> object:
        """Hold no memory."""
        return None

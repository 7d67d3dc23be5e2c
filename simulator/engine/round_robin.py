"""Round robin with outlier ejection: each instance in turn, except for a while those that could not be reached."""

from __future__ import annotations

from collections.abc import Sequence

EJECTED_SECONDS = 5.0


class RoundRobin:
    """The instances of one stage, by their addresses. Every `now` is in seconds on a monotonic clock."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = tuple(addresses)
        self._next = 0
        self._back_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._addresses)

    def pick(self, now: float) -> str:
        """Return the next instance in turn; if all are ejected, the one that is back first."""
        for _ in self._addresses:
            address = self._addresses[self._next % len(self._addresses)]
            self._next += 1
            if self._back_at.get(address, now) <= now:
                return address
        return min(self._addresses, key=lambda address: self._back_at[address])

    def eject(self, address: str, now: float) -> bool:
        """Eject an instance for a while; return whether it was in until now. A single instance is never ejected."""
        if len(self._addresses) == 1:
            return False
        was_in = self._back_at.get(address, now) <= now
        self._back_at[address] = now + EJECTED_SECONDS
        return was_in

    def restore(self, address: str) -> bool:
        """Take back an instance that has answered; return whether it was ejected."""
        return self._back_at.pop(address, None) is not None

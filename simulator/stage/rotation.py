"""Which instance of a stage gets the next try: each in turn, but for a while none that could not be reached."""

from __future__ import annotations

from collections.abc import Sequence

EJECTED_SECONDS = 5.0


class Rotation:
    """The instances of one stage, by their URLs. Every `now` is monotonic, in seconds."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = tuple(urls)
        self._next = 0
        self._back_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._urls)

    def pick(self, now: float) -> str:
        """Give the next one in turn; where all are ejected, the one that comes back first."""
        for _ in self._urls:
            url = self._urls[self._next % len(self._urls)]
            self._next += 1
            if self._back_at.get(url, now) <= now:
                return url
        return min(self._urls, key=lambda url: self._back_at[url])

    def eject(self, url: str, now: float) -> bool:
        """Pass over an instance for a while; tell whether it was in turn until now. A single one is never ejected."""
        if len(self._urls) == 1:
            return False
        was_in = self._back_at.get(url, now) <= now
        self._back_at[url] = now + EJECTED_SECONDS
        return was_in

    def restore(self, url: str) -> bool:
        """Take an instance back that has answered; tell whether it was ejected."""
        return self._back_at.pop(url, None) is not None

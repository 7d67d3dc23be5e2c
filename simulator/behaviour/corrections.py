"""How much earlier something must begin so that it ends in time, learned from how late it ended before."""

from __future__ import annotations

# What ends too early is worse than what ends a little late: the first did not take the time that it was to take.
_GAIN_LATE, _GAIN_EARLY = 0.05, 0.25
# One message that was held up says nothing about the next.
_MAX_LATE_SECONDS = 0.001


class Correction:
    """A running estimate of the time that follows: `seconds`, from 0 to `max_seconds`.

    It is an integral controller with two gains: it settles where lateness and five times the earliness balance, so that
    few end early, and none by more than `max_seconds`, however busy the machine is. A single error of any size makes it
    larger by no more than 0.05 ms.
    """

    def __init__(self, max_seconds: float = 0.002) -> None:
        self._max_seconds = max_seconds
        self.seconds = 0.0

    def learn(self, late_seconds: float) -> None:
        """Learn from how late something ended; negative if it was early."""
        is_late = late_seconds > 0
        step = _GAIN_LATE * min(_MAX_LATE_SECONDS, late_seconds) if is_late else _GAIN_EARLY * late_seconds
        self.seconds = min(self._max_seconds, max(0.0, self.seconds + step))

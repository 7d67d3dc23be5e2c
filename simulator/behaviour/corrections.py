"""How much earlier something must begin so that it ends in time, learned from how late it ended before."""

from __future__ import annotations

_GAIN = 0.1
# One message that was held up says nothing about the next.
_MAX_STEP_SECONDS = 0.001


class Correction:
    """A running estimate of the time that follows: `seconds`, never below 0.

    It is an integral controller: each error moves it by a tenth, so that the mean error goes to 0 within some tens of
    messages, and a single error of any size by no more than 0.1 ms.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def learn(self, late_seconds: float) -> None:
        """Note by how much something ended late; negative where it was early."""
        error = min(_MAX_STEP_SECONDS, max(-_MAX_STEP_SECONDS, late_seconds))
        self.seconds = max(0.0, self.seconds + _GAIN * error)

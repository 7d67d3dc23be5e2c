"""The increase of Prometheus' counters, as its own functions define it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise


def increase(values: Iterable[float]) -> float:
    """Return the increase of a counter over these readings, the oldest first.

    A smaller value than the one before means that the process restarted at 0; NaN means that the counter did not exist
    yet, and so had counted nothing.
    """
    return sum(
        now - before if now >= before else now
        for before, now in pairwise(0.0 if math.isnan(value) else value for value in values)
    )

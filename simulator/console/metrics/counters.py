"""What Prometheus' counters come to, as its own functions have it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise


def increase(values: Iterable[float]) -> float:
    """Give by how much a counter grew over these readings, the oldest first.

    A smaller value than the one before means that the process began anew, at 0; NaN, that the counter was not there,
    and so had counted nothing.
    """
    return sum(
        now - before if now >= before else now
        for before, now in pairwise(0.0 if math.isnan(value) else value for value in values)
    )

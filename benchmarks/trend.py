"""The trend of something that is sampled over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of points, (x, y) with different xs, at least two of them.

    It is the median of the slopes between any two (Sen, "Estimates of the regression coefficient based on Kendall's
    tau", 1968): one value that is far off for a moment does not change it.
    """
    return median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2))

"""Weights of any sum: of the alternatives of a choice, or the values of a decision."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from simulator.quoting import quoted
from simulator.units import format_ratio, parse_ratio

_MAX_WEIGHT = 1e9
_MIN_SHARE = 1e-12  # the smallest percentage that is read


def parse_weight(value: object) -> float:
    """Return the weight in 3, 0.5 or "5%". Raise ValueError for anything else, and below 0."""
    if isinstance(value, str) and "%" in value:
        return parse_ratio(value)
    try:
        weight = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= _MAX_WEIGHT:
        raise ValueError(f"{quoted(value)} is not a weight: write 5% or 3")
    return weight


def check_weights(written: Iterable[object], weights: Sequence[float]) -> None:
    """Raise ValueError for weights that are all 0, or of which some are shares and others more than 1.

    `written` is what they were read from: 50% beside 10 could mean a half beside ten, or beside a tenth.
    """
    if not any(weights):
        raise ValueError("every weight is 0, so there is nothing to choose")
    has_shares = any(isinstance(value, str) and "%" in value for value in written)
    if has_shares and any(weight > 1 for weight in weights):
        raise ValueError("the weights must be all percentages or all numbers, as in 90% and 10%, or 9 and 1")


def written_weights(weights: Sequence[float]) -> list[str | int | float]:
    """Return weights as they are written: percentages if each may be one, else numbers."""
    if all(weight == 0 or _MIN_SHARE <= weight <= 1 for weight in weights):
        return [format_ratio(weight) for weight in weights]
    return [int(weight) if weight == int(weight) else weight for weight in weights]


def chosen(weights: Sequence[float], u: float) -> int:
    """Return the index that u in (0, 1) chooses, each with a probability in proportion to its weight."""
    aim = u * sum(weights)
    reached = 0.0
    for index, weight in enumerate(weights):
        reached += weight
        if aim < reached:
            return index
    # The sum may have been rounded up: the rest belongs to the last that can be chosen.
    return max(index for index, weight in enumerate(weights) if weight)

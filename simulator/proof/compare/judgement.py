"""Whether a figure changed: its difference with an interval that holds for all figures together, against a bound.

The interval is that of Student's t with the standard errors of both runs, for fewer degrees of freedom than there are
blocks, and corrected for the number of figures (Bonferroni): of two runs that do not differ, one in twenty has any
interval that does not contain 0.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.proof.compare.bootstrap import MIN_BLOCKS, Estimate
from simulator.proof.compare.measures import ERRORS, METRICS, MISSED, QUANTILES, RATE, Figure

FALSE_ALARM_RATIO = 0.05
_MIN_IN_THE_TAIL = 10
_ABSOLUTE = (ERRORS, MISSED)
DEFAULT_BOUNDS: Mapping[str, float] = {**dict.fromkeys((*QUANTILES, RATE), 0.05), **dict.fromkeys(_ABSOLUTE, 0.01)}


class Change(StrEnum):
    """What is to be said of a figure."""

    REGRESSION = "regression"  # worse by more than the bound, beyond noise
    IMPROVEMENT = "improvement"  # better by more than the bound, beyond noise
    WITHIN = "within the bound"  # beyond noise, and not by more than the bound as far as can be said
    SAME = "no difference"  # none beyond noise
    UNKNOWN = "too few messages"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """From where on a change is a regression: a ratio of the first run, and of `errors` and `missed` a difference.

    Times that differ by less than `least_seconds` are the machine's.
    """

    ratios: Mapping[str, float] = field(default_factory=lambda: DEFAULT_BOUNDS)
    least_seconds: float = 0.0

    def of(self, metric: str, before: float) -> float:
        """Return the bound as a difference, in the metric's own unit."""
        ratio = self.ratios[metric]
        if metric in _ABSOLUTE:
            return ratio
        return max(ratio * before, self.least_seconds if metric in QUANTILES else 0.0)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A figure of both runs. `low` and `high` are the interval of the difference `after - before`."""

    figure: Figure
    before: float
    after: float
    low: float
    high: float
    change: Change

    @property
    def difference(self) -> float:
        """Return how much more it is in the second run."""
        return self.after - self.before


def compare_figures(
    before: Mapping[Figure, Estimate],
    after: Mapping[Figure, Estimate],
    bounds: Bounds,
    metrics: Collection[str] = METRICS,
) -> list[Comparison]:
    """Return the comparison of each figure that both runs have."""
    shared = [figure for figure in before if figure in after and figure.metric in metrics]
    return [_compare(figure, before[figure], after[figure], bounds, len(shared)) for figure in shared]


def _compare(figure: Figure, before: Estimate, after: Estimate, bounds: Bounds, figures: int) -> Comparison:
    margin = _margin(before, after, figures)
    low, high = (after.value - before.value + sign * margin for sign in (-1, 1))
    change = _change(figure, low, high, bounds.of(figure.metric, before.value))
    if not (_says_enough(figure, before) and _says_enough(figure, after)):
        change = Change.UNKNOWN
    return Comparison(figure=figure, before=before.value, after=after.value, low=low, high=high, change=change)


def _margin(before: Estimate, after: Estimate, figures: int) -> float:
    """Return half the width of the interval."""
    from scipy.stats import t  # noqa: PLC0415 - only what judges a run needs it

    freedom = max(1, min(before.blocks, after.blocks) - 1)
    error = math.hypot(before.error, after.error)
    return float(t.isf(FALSE_ALARM_RATIO / 2 / figures, freedom)) * error if error else 0.0


def _change(figure: Figure, low: float, high: float, bound: float) -> Change:
    if figure.metric == RATE:  # of which less is worse
        low, high = -high, -low
    if low > bound:
        return Change.REGRESSION
    if high < -bound:
        return Change.IMPROVEMENT
    return Change.SAME if low <= 0 <= high else Change.WITHIN


def _says_enough(figure: Figure, estimate: Estimate) -> bool:
    """Return whether there are enough blocks, and messages beyond a percentile, to say anything of noise."""
    share = QUANTILES.get(figure.metric, 0.0)
    return estimate.blocks >= MIN_BLOCKS and estimate.count * (1 - share) >= _MIN_IN_THE_TAIL

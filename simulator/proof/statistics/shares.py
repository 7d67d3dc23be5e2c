"""Shares: of the messages that a fault hits, that take a step, or that choose one of several."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats


def share_p_value(hits: int, draws: int, ratio: float) -> float:
    """Return the p-value of the exact two-sided binomial test: `hits` of `draws` with a probability of `ratio`.

    No draw is 1. With a ratio of 0 or 1 a single exception is 0.
    """
    if not draws:
        return 1.0
    if ratio in (0.0, 1.0):
        return float(hits == draws * ratio)
    return float(stats.binomtest(hits, draws, ratio).pvalue)


def choices_p_value(counts: Sequence[int], ratios: Sequence[float]) -> float:
    """Return the p-value of a choice among several: that of its least likely option, times the number of options.

    Each option has the exact binomial test, and Bonferroni's correction makes one of them, which holds for any number
    of draws, where Pearson's test needs five of each option. It is 1 at most.
    """
    draws = sum(counts)
    smallest = min(share_p_value(count, draws, ratio) for count, ratio in zip(counts, ratios, strict=True))
    return min(1.0, smallest * len(counts))


def share_interval(hits: int, draws: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval (Clopper and Pearson, 1934) of a share; no draw is (0, 1)."""
    if not draws:
        return 0.0, 1.0
    interval = stats.binomtest(hits, draws).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)

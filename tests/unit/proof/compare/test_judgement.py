"""A regression is what is worse by more than the bound, beyond noise, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from simulator.proof.compare.bootstrap import Estimate, quantile_estimates
from simulator.proof.compare.judgement import DEFAULT_BOUNDS, FALSE_ALARM_RATIO, Bounds, Change, compare_figures
from simulator.proof.compare.measures import QUANTILES, Figure


def estimate(value, error=0.0, blocks=40, count=100_000):
    return Estimate(value=value, error=error, blocks=blocks, count=count)


def change(metric, before, after, **bounds):
    figure = Figure("shop", metric)
    (found,) = compare_figures({figure: before}, {figure: after}, Bounds(**bounds))
    return found.change


@pytest.mark.parametrize(
    ("metric", "before", "after", "expected"),
    [
        ("p99", 0.100, 0.1051, Change.REGRESSION),
        ("p99", 0.100, 0.1049, Change.WITHIN),
        ("p99", 0.100, 0.100, Change.SAME),
        ("p99", 0.100, 0.0949, Change.IMPROVEMENT),
        ("rate", 100.0, 94.9, Change.REGRESSION),
        ("rate", 100.0, 105.1, Change.IMPROVEMENT),
        ("errors", 0.02, 0.0301, Change.REGRESSION),
        ("errors", 0.02, 0.0299, Change.WITHIN),
        ("missed", 0.0, 0.011, Change.REGRESSION),
        ("p50", 0.0, 0.001, Change.REGRESSION),
    ],
)
def test_without_noise_the_bound_decides(metric, before, after, expected):
    """5 % of the first run for times and rate, a point for errors and missed; more of a rate is better."""
    assert change(metric, estimate(before), estimate(after)) is expected


def test_the_whole_interval_has_to_be_beyond_the_bound():
    """With errors of 1 ms in both runs the interval is 2.02 (t of 39) times 1.41 ms on each side."""
    before, noisy = estimate(0.100, 0.001), 0.105 + 2.0227 * 0.0014142
    assert change("p50", before, estimate(noisy + 1e-5, 0.001)) is Change.REGRESSION
    assert change("p50", before, estimate(noisy - 1e-5, 0.001)) is Change.WITHIN
    assert change("p50", before, estimate(0.1025, 0.001)) is Change.SAME


def test_a_difference_of_less_than_the_machine_s_noise_is_no_regression():
    assert change("p50", estimate(0.0002), estimate(0.0009), least_seconds=0.001) is Change.WITHIN
    assert change("p50", estimate(0.0002), estimate(0.0013), least_seconds=0.001) is Change.REGRESSION


def test_few_messages_say_nothing():
    """There must be ten messages beyond a percentile, and eight blocks."""
    assert change("p99", estimate(0.1, count=900), estimate(0.2)) is Change.UNKNOWN
    assert change("p99", estimate(0.1, count=1000), estimate(0.2, count=1000)) is Change.REGRESSION
    assert change("p50", estimate(0.1, blocks=7), estimate(0.2)) is Change.UNKNOWN


@pytest.mark.long
def test_false_alarms_are_as_rare_as_stated():
    """Of pairs of the same distribution, fifteen figures each and a bound of 0, at most 5 % have any verdict.

    Of 20 pairs so many may have one that fewer are a matter of 999 in 1000, were it exactly 5 %.
    """
    generator = np.random.default_rng(7)
    none = Bounds(ratios=dict.fromkeys(DEFAULT_BOUNDS, 0.0))
    alarms = 0
    for _ in range(20):
        before, after = ({}, {})
        for side in (before, after):
            for stage in range(5):
                found = quantile_estimates(generator.lognormal(-4, 0.7, 3000), tuple(QUANTILES.values()), generator)
                side |= {Figure(f"s{stage}", n): e for n, e in zip(QUANTILES, found, strict=True)}
        alarms += any(one.change is not Change.SAME for one in compare_figures(before, after, none))
    assert alarms <= binom.ppf(0.999, 20, FALSE_ALARM_RATIO)

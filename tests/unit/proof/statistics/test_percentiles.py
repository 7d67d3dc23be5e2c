"""Percentiles of samples and of their distributions."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.behaviour.delays import parse_delay
from simulator.proof.statistics.percentiles import percentile_bounds, percentile_p_value


@pytest.mark.parametrize("text", ["exponential(20ms)", "mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))"])
@pytest.mark.parametrize("ratio", [0.5, 0.9, 0.99])
def test_a_percentile_as_configured_is_hardly_ever_rejected(text: str, ratio: float) -> None:
    """Of 150 samples at the level of 5 %, at most 19 are rejected: 7.5 expected, and 4.3 deviations."""
    delay = parse_delay(text)
    rejections = 0
    for us in np.random.default_rng(4).uniform(1e-9, 1 - 1e-9, (150, 100)):
        rejections += percentile_p_value(delay, np.array([delay.quantile(u) for u in us]), ratio) < 0.05
    assert rejections <= 19


def test_a_tail_that_is_missing_is_found_at_its_percentile() -> None:
    """If nothing exceeds the p99 of 1,000 values, where ten should, that has a probability of 0.99^1000."""
    delay = parse_delay("exponential(20ms)")
    values = np.full(1000, delay.quantile(0.98))
    assert percentile_p_value(delay, values, 0.99) < 1e-4


def test_the_bounds_of_the_median_are_the_order_statistics_of_the_binomial() -> None:
    """Of ten values the second and the ninth hold the median with 1 - 22 / 1024: the bounds at 95 %."""
    assert percentile_bounds(range(1, 11), 0.5, 0.95) == (2.0, 9.0)


def test_the_bounds_hold_the_percentile_as_often_as_they_claim() -> None:
    """Of 2,000 samples at 99 %, at least 1,960 hold the true p90: 1,980 expected, and 4.5 deviations."""
    true = -np.log(0.1)
    samples = np.random.default_rng(5).exponential(size=(2000, 100))
    held = sum(low <= true <= high for low, high in (percentile_bounds(row, 0.9, 0.99) for row in samples))
    assert held >= 1960


def test_a_sample_that_is_too_small_has_no_upper_bound() -> None:
    """Ten values can't bound a p99 from above."""
    low, high = percentile_bounds(range(10), 0.99, 0.99)
    assert low > 0
    assert high == np.inf

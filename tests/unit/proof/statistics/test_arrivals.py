"""Arrivals: rate, gaps and dispersion."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.proof.statistics.arrivals import dispersion, dispersion_p_value, gaps_p_value, rate_p_value


def poisson(seed: int, count: int = 1000) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).exponential(size=count))


def test_poisson_arrivals_are_hardly_ever_rejected() -> None:
    """Of 500 processes at the level of 1 %, at most 15 are rejected by each test: 5 expected, and 4.5 deviations."""
    processes = [poisson(seed) for seed in range(500)]
    for test in (gaps_p_value, rate_p_value, dispersion_p_value):
        assert sum(test(process) < 0.01 for process in processes) <= 15, test.__name__


def test_even_arrivals_are_no_poisson_process() -> None:
    """Messages at equal distances have a dispersion of 0, which both the gaps and the dispersion show."""
    even = np.arange(1.0, 1001.0)
    assert dispersion(even) == pytest.approx(0.0, abs=0.01)
    assert gaps_p_value(even) < 1e-12
    assert dispersion_p_value(even) == pytest.approx(0.0, abs=1e-12)


def test_a_rate_that_is_ten_percent_too_low_is_found() -> None:
    """With 5,000 arrivals a schedule that slips by a tenth has a p-value below one in ten thousand."""
    assert rate_p_value(poisson(1, 5000) * 1.1) < 1e-4


def test_bursts_are_more_dispersed_than_a_poisson_process() -> None:
    """Arrivals in groups of five have a dispersion of about five."""
    bursts = np.repeat(np.cumsum(np.random.default_rng(6).exponential(5.0, 400)), 5)
    found, p_value = dispersion(bursts), dispersion_p_value(bursts)
    assert found is not None
    assert 3.0 < found < 7.0
    assert p_value is not None
    assert p_value < 1e-9


def test_too_few_arrivals_have_no_dispersion() -> None:
    """Less than ten windows of ten say nothing; no arrival proves nothing."""
    assert dispersion(poisson(1, 50)) is None
    assert dispersion_p_value(np.array([])) is None
    assert gaps_p_value(np.array([])) == rate_p_value(np.array([])) == 1.0

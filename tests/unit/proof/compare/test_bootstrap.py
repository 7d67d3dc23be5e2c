"""The errors of the bootstrap are those of theory, also where messages are correlated."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.proof.compare.bootstrap import blocks_of, quantile_estimates, ratio_estimate


def correlated(count, generator, memory=0.9):
    """Return an AR(1) process with mean 0 and variance 1."""
    noise = generator.normal(size=count) * np.sqrt(1 - memory**2)
    values, last = np.empty(count), generator.normal()
    for place in range(count):
        last = values[place] = memory * last + noise[place]
    return values


def test_the_median_of_independent_values_has_the_error_of_theory():
    """For a uniform distribution it is 1 / (2 sqrt(n)); the mean of 50 estimates from 40 blocks is within a tenth."""
    generator = np.random.default_rng(1)
    errors = [quantile_estimates(generator.random(4000), [0.5], generator)[0].error for _ in range(50)]
    assert np.mean(errors) == pytest.approx(1 / (2 * np.sqrt(4000)), rel=0.1)


def test_correlated_values_have_a_larger_error():
    """An AR(1) process with 0.9 has the noise of 1/19 as many values: sqrt(19) = 4.4 times the error of its mean.

    The mean of a share above the median is what is resampled; blocks of 250 values miss some of it, so three at least.
    """
    generator = np.random.default_rng(2)
    runs = [correlated(10_000, generator) for _ in range(20)]
    real = np.std([np.median(run) for run in runs], ddof=1)
    estimated = np.mean([quantile_estimates(run, [0.5], generator)[0].error for run in runs])
    independent = np.sqrt(np.pi / 2 / 10_000)
    assert estimated > 3 * independent
    # The real one from 20 runs is known to 16 %, one in a thousand beyond three times that.
    assert estimated == pytest.approx(real, rel=0.5)


def test_a_share_has_the_error_of_the_binomial():
    """sqrt(p (1 - p) / n), with the noise of 40 blocks: 11 % for one estimate, 2 % for 50."""
    generator = np.random.default_rng(3)
    found = [ratio_estimate((generator.random(4000) < 0.1) * 1.0, np.ones(4000), generator) for _ in range(50)]
    assert np.mean([one.error for one in found]) == pytest.approx(np.sqrt(0.1 * 0.9 / 4000), rel=0.1)
    assert np.mean([one.value for one in found]) == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 4000 / 50))


def test_the_same_seed_gives_the_same_errors():
    values = np.random.default_rng(4).random(1000)
    first, second = (quantile_estimates(values, [0.5, 0.99], np.random.default_rng(5)) for _ in range(2))
    assert first == second


def test_what_does_not_vary_has_no_error():
    """A constant delay in virtual time has no noise, so any difference from it counts."""
    (estimate,) = quantile_estimates(np.full(1000, 0.01), [0.99], np.random.default_rng(1))
    assert (estimate.value, estimate.error) == (0.01, 0.0)


@pytest.mark.parametrize(("count", "blocks"), [(0, 0), (9, 0), (10, 1), (80, 8), (400, 40), (10**6, 40)])
def test_few_messages_have_few_blocks(count, blocks):
    assert blocks_of(count) == blocks


def test_nothing_has_a_ratio_of_nothing():
    empty = ratio_estimate(np.zeros(0), np.zeros(0), np.random.default_rng(1))
    assert (empty.value, empty.blocks) == (0.0, 0)

"""The p-value of a mean of values that depend on each other."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.proof.statistics.batch_means import mean_p_value
from simulator.proof.statistics.queues import mean_wait_mmc


def test_the_p_value_holds_for_waits_that_depend_on_each_other():
    """Of 3,000 simulated queues, as long as `verify` asks for at their load, it finds as many wrong as it says.

    At a level of 1 % a rate of 1 % has a standard deviation of 0.18 %; four of them are allowed.
    """
    random, load, runs = np.random.default_rng(24), 0.6, 3000
    count, due = 31_250, mean_wait_mmc(load, 1.0, 1)
    false_alarms = 0
    for _ in range(runs):
        gaps, served = random.exponential(1 / load, count), random.exponential(1.0, count)
        walk = np.cumsum(np.concatenate([[0.0], served[:-1] - gaps[1:]]))  # Lindley's recursion, as a walk
        false_alarms += mean_p_value(walk - np.minimum.accumulate(walk), due) < 0.01
    assert false_alarms <= runs * (0.01 + 4 * (0.01 * 0.99 / runs) ** 0.5)


@pytest.mark.parametrize(("value", "p_value"), [(0.0, 1.0), (0.5, 0.0)])
def test_values_without_a_spread_are_due_or_not(value, p_value):
    """A stage in which nobody waits has a mean wait of exactly 0."""
    assert mean_p_value(np.full(100, value), 0.0) == p_value

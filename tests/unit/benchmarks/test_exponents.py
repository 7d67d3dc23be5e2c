"""The exponent of a cost, and when it is more than linear."""

from __future__ import annotations

import random

import pytest

from benchmarks.exponents import growth_of

SIZES = (1, 10, 100, 1000)


def costs(of, rounds=5, noise=0.0):
    source = random.Random(7)
    return {size: [of(size) * (1 + source.uniform(0, noise)) for _ in range(rounds)] for size in SIZES}


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_the_exponent_of_a_power_is_that_power(power):
    """Of the whole range and of each step; more than linear above 1."""
    found = growth_of(costs(lambda size: 0.003 * size**power))
    assert found.fitted == pytest.approx(power) and found.steepest == pytest.approx(power)
    assert found.is_slower == (power > 1)


def test_a_fixed_cost_makes_a_linear_one_flatter():
    """So it is never taken for more than linear."""
    found = growth_of(costs(lambda size: 1 + 0.01 * size, noise=0.3))
    assert 0 < found.fitted < found.steepest < 1 and not found.is_slower
    assert found.steepest_step == (100, 1000)


def test_one_step_that_is_steep_is_found():
    """A cost that is flat for long and then quadratic has a fitted exponent below 1."""
    found = growth_of(costs(lambda size: 1 + (size / 200) ** 2))
    assert found.fitted < 1 < found.steepest
    assert found.steepest_step == (100, 1000) and found.is_slower


def test_a_linear_cost_is_linear_through_noise():
    """What else runs on the machine makes single bursts half as long again."""
    found = growth_of(costs(lambda size: 0.003 * size, rounds=7, noise=0.5))
    assert found.fitted == pytest.approx(1, abs=0.05) and not found.is_slower


def test_one_round_that_is_linear_is_enough():
    """What is steep in some rounds is noise."""
    steep = costs(lambda size: size**1.2)
    steep = {size: [*values[:4], float(size)] for size, values in steep.items()}
    assert not growth_of(steep).is_slower


def test_a_cost_too_small_to_be_measured():
    """Has an exponent, and no error."""
    assert growth_of({1: [0.0], 2: [0.0]}).fitted == 0

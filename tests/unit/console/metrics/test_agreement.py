"""How far the injected delays are from the configured distribution."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.delays import Growing, parse_delay
from simulator.behaviour.distributions import Constant, Exponential, Uniform
from simulator.behaviour.empirical import Samples
from simulator.console.metrics.agreement import largest_gap, sampling_error
from tests.support.statistics import binomial_range

UNIT = Uniform(0.0, 1.0)


def drawn(delay, count, seed):
    chance = random.Random(seed)
    return [delay.quantile(chance.uniform(1e-12, 1 - 1e-12)) for _ in range(count)]


@pytest.mark.parametrize(
    ("values", "gap"),
    [
        ([0.5], 0.5),
        ([0.0], 1.0),
        ([1.0], 1.0),
        ([0.25], 0.75),
        ([0.25, 0.75], 0.25),
        ([0.75, 0.25], 0.25),
        ([0.1, 0.2, 0.3], 0.7),
        ([0.7, 0.8, 0.9], 0.7),
        ([0.5, 0.5], 0.5),
        ([0.2, 0.2, 0.2, 0.9], 0.55),
        ([2.0], 1.0),
        ([0.125, 0.375, 0.625, 0.875], 0.125),
    ],
)
def test_small_samples(values, gap):
    """The gap is the largest one between the two curves, on both sides of every step, computed by hand."""
    assert largest_gap(values, UNIT) == pytest.approx(gap, abs=1e-8)


def test_of_nothing_nothing_is_known():
    """Without a value there is no gap, and any gap is within sampling error."""
    assert math.isnan(largest_gap([], UNIT))
    assert sampling_error(0) == 1.0


def test_a_single_value_agrees_with_itself():
    """A delay that is always the same has no gap to a sample that is, and the largest to any other."""
    assert largest_gap([0.01] * 7, Constant(0.01)) == 0.0
    assert largest_gap([0.011] * 7, Constant(0.01)) == 1.0
    assert largest_gap([0.01, 0.011, 0.009, 0.01], Constant(0.01)) == 0.25


def test_a_frequent_value_is_not_a_gap():
    """A delay with the same value for many messages agrees with a sample of just these shares."""
    delay = parse_delay("mixture(75%: constant(10ms), 25%: constant(1s))")
    assert largest_gap([0.01] * 3 + [1.0], delay) == pytest.approx(0.0, abs=1e-12)
    assert largest_gap([0.01] * 2 + [1.0] * 2, delay) == pytest.approx(0.25)
    capped = parse_delay("lognormal(p50=10ms, p99=100ms, max=20ms)")
    over = 1 - capped.cdf(math.nextafter(0.02, 0.0))
    assert largest_gap([capped.quantile((n + 0.5) / 1000) for n in range(1000)], capped) <= 0.0005 + 1e-9
    assert largest_gap([capped.quantile(0.5)] * 1000, capped) >= over


def test_measured_delays_agree_with_their_own_file():
    """What was measured has no gap to the delay that is made of it."""
    measured = (0.001, 0.002, 0.002, 0.005)
    assert largest_gap(measured, Samples("file", measured)) == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_gap_is_the_largest_anywhere(values):
    """Nowhere are the two shares farther apart, and somewhere they are that far, or nearly."""
    gap = largest_gap(values, UNIT)
    count = len(values)
    around = [0.0, 1.0, *values, *(math.nextafter(v, -1) for v in values), *(math.nextafter(v, 2) for v in values)]
    there = [abs(sum(v <= at for v in values) / count - UNIT.cdf(at)) for at in around]
    assert gap == pytest.approx(max(there), abs=1e-8)
    assert 0 <= gap <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.randoms())
def test_the_order_of_the_values_does_not_matter(values, chance):
    """A sample has the same gap in any order."""
    shuffled = values[:]
    chance.shuffle(shuffled)
    assert largest_gap(shuffled, UNIT) == largest_gap(values, UNIT)


DELAYS = [
    "constant(10ms)",
    "uniform(5ms, 40ms)",
    "exponential(8ms)",
    "normal(5ms, 5ms)",
    "lognormal(p50=12ms, p99=80ms, max=100ms)",
    "pareto(min=5ms, shape=1.5, max=5s)",
    "percentiles(p50=10ms, p90=10ms, p99=200ms, max=2s)",
    "mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))",
    "mixture(70%: uniform(5ms, 20ms), 30%: constant(10ms))",
]


@pytest.mark.parametrize("text", DELAYS)
@pytest.mark.parametrize("count", [50, 2000])
def test_what_was_drawn_from_a_delay_is_explained(text, count):
    """A seeded sample of a delay, with frequent values or without, stays within the sampling error."""
    delay = parse_delay(text)
    assert largest_gap(drawn(delay, count, 1), delay) <= sampling_error(count)


def test_a_value_between_others_is_explained():
    """A sample of a mixture agrees with it even if one of its parts is a single value between the others."""
    delay = parse_delay("mixture(40%: uniform(5ms, 20ms), 20%: constant(10ms), 40%: constant(30ms))")
    assert largest_gap(drawn(delay, 2000, 1), delay) <= sampling_error(2000)


def test_the_bound_holds_for_all_but_one_in_a_thousand():
    """Of many seeded samples as few exceed the bound as it says, at 99.9 % confidence; it is not too wide either."""
    delay, trials, count = Exponential(0.02), 2000, 100
    gaps = [largest_gap(drawn(delay, count, seed), delay) for seed in range(trials)]
    beyond = sum(gap > sampling_error(count) for gap in gaps)
    assert beyond <= binomial_range(trials, 0.001, 0.998)[1]
    assert max(gaps) > 0.8 * sampling_error(count)


@pytest.mark.parametrize("other", ["exponential(10ms)", "uniform(5ms, 40ms)", "constant(8ms)"])
def test_another_delay_is_not_explained(other):
    """A sample of two thousand of another delay, a quarter longer, say, differs by more than the sampling error."""
    assert largest_gap(drawn(parse_delay(other), 2000, 1), Exponential(0.008)) > sampling_error(2000)


@pytest.mark.parametrize(("count", "bound"), [(1, 1.0), (3, 1.0), (4, 0.97475), (100, 0.19495), (2000, 0.043592)])
def test_the_bound(count, bound):
    """It falls with the root of the sample's size, and never exceeds 1."""
    assert sampling_error(count) == pytest.approx(bound, rel=1e-4)


def test_a_delay_that_grows_is_compared_with_the_idle_one():
    """What is compared is the notation's own share, which for a growing delay is that of an idle stage."""
    idle = Exponential(0.008)
    values = drawn(idle, 500, 3)
    assert largest_gap(values, Growing(idle, 3.0)) == largest_gap(values, idle)

"""Open schedules: constant and Poisson, by their gaps and by their counts."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.pacing import Arrivals, ConstantPace, PoissonPace, make_pace

COUNT = 20_000
RATE = 20.0


def gaps(pace, count=COUNT):
    return [pace.gap(number) for number in range(1, count + 1)]


@pytest.mark.parametrize("rate", [0.01, 1.0, 20.0, 1e6])
def test_a_constant_pace_has_equal_gaps(rate):
    """At a constant rate every message follows the last after 1 / rate seconds, the first one too."""
    pace = make_pace(Arrivals.CONSTANT, rate, 7, "injector")
    assert set(gaps(pace, 1000)) == {1 / rate}


@pytest.mark.parametrize("seed", [0, 7, 8])
def test_poisson_gaps_have_the_mean_and_variance_of_the_exponential_distribution(seed):
    """The mean is 1 / rate and the variance 1 / rate^2, each to 4.9 standard errors (that of s^2 is sqrt(8 / n))."""
    found = gaps(make_pace(Arrivals.POISSON, RATE, seed, "injector"))
    mean = sum(found) / COUNT
    variance = sum((gap - mean) ** 2 for gap in found) / (COUNT - 1)
    assert abs(mean * RATE - 1) < 4.9 / math.sqrt(COUNT)
    assert abs(variance * RATE**2 - 1) < 4.9 * math.sqrt(8 / COUNT)


def test_poisson_gaps_are_exponential():
    """The gaps' distance from the exponential distribution is within Kolmogorov's bound for one in a million."""
    ordered = sorted(gaps(make_pace(Arrivals.POISSON, RATE, 7, "injector")))
    shares = [1 - math.exp(-RATE * gap) for gap in ordered]
    distance = max(max((i + 1) / COUNT - share, share - i / COUNT) for i, share in enumerate(shares))
    assert distance < math.sqrt(math.log(2 / 1e-6) / 2 / COUNT)


def test_poisson_gaps_do_not_remember():
    """A gap tells nothing about the next one: their correlation is within 4.9 standard errors of none."""
    found = gaps(make_pace(Arrivals.POISSON, RATE, 7, "injector"))
    mean = sum(found) / COUNT
    shared = sum((a - mean) * (b - mean) for a, b in itertools.pairwise(found))
    assert abs(shared / sum((gap - mean) ** 2 for gap in found)) < 4.9 / math.sqrt(COUNT)


@pytest.mark.parametrize("seed", [0, 7, 8])
def test_the_counts_of_poisson_arrivals_vary_as_much_as_their_mean(seed):
    """The index of dispersion of the counts per second is that of a Poisson process (chi-squared, 4.9 sigma)."""
    dues = list(itertools.accumulate(gaps(make_pace(Arrivals.POISSON, RATE, seed, "injector"))))
    windows = int(dues[-1])
    counts = [0] * (windows + 1)
    for due in dues:
        counts[int(due)] += 1
    whole = counts[:windows]
    mean = sum(whole) / windows
    dispersion = sum((count - mean) ** 2 for count in whole) / mean
    assert abs(dispersion - (windows - 1)) < 4.9 * math.sqrt(2 * (windows - 1))


def test_the_counts_of_constant_arrivals_do_not_vary():
    """At a constant 16/s, whose gap a float holds exactly, each second has its 16 messages."""
    dues = itertools.accumulate(gaps(make_pace(Arrivals.CONSTANT, 16.0, 7, "injector"), 1600))
    counts = [0] * 101
    for due in dues:
        counts[math.ceil(due)] += 1
    assert counts[1:] == [16] * 100


def test_the_same_seed_gives_the_same_schedule():
    """A schedule is its seed, its stage and its rate; asked in any order, it is the same."""
    pace = make_pace(Arrivals.POISSON, RATE, 7, "injector")
    again = make_pace(Arrivals.POISSON, RATE, 7, "injector")
    backwards = [again.gap(number) for number in range(1000, 0, -1)]
    assert gaps(pace, 1000) == backwards[::-1]


@pytest.mark.parametrize("other", [(8, "injector"), (7, "other")])
def test_another_seed_or_stage_gives_another_schedule(other):
    """Two injectors do not send in step."""
    mine = gaps(make_pace(Arrivals.POISSON, RATE, 7, "injector"), 1000)
    assert not set(mine) & set(gaps(make_pace(Arrivals.POISSON, RATE, *other), 1000))


def test_a_schedule_at_twice_the_rate_is_twice_as_dense():
    """The rate scales the gaps and changes nothing else about them."""
    slow, fast = (PoissonPace(rate, 7, "injector") for rate in (10.0, 20.0))
    assert gaps(fast, 1000) == pytest.approx([gap / 2 for gap in gaps(slow, 1000)], rel=1e-14)


@given(st.sampled_from(Arrivals), st.floats(1e-3, 1e6), st.integers(0, 2**63 - 1), st.integers(1, 2**40))
def test_a_gap_is_positive_and_finite(arrivals, rate, seed, number):
    """Every message is due after the last one, and some day."""
    assert 0 < make_pace(arrivals, rate, seed, "injector").gap(number) < math.inf


def test_arrivals_are_made_by_their_name():
    """`poisson` and `constant` in a configuration make those paces."""
    assert make_pace(Arrivals("constant"), RATE, 7, "injector") == ConstantPace(RATE)
    assert make_pace(Arrivals("poisson"), RATE, 7, "injector") == PoissonPace(RATE, 7, "injector")

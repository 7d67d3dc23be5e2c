"""What counters and histograms come to."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.metrics.counters import increase, quantile

GROWTHS = st.lists(st.integers(0, 1000), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("values", "grown"),
    [
        ([], 0),
        ([7], 0),
        ([7, 7, 9], 2),
        ([7, 9, 1, 4], 6),  # began anew: 2, then 1, then 3
        ([math.nan, 3, 5], 5),  # was not there before it counted
        ([4, math.nan, 2], 2),  # the process began anew and first had nothing to count
        ([math.nan, math.nan], 0),
    ],
)
def test_how_much_a_counter_grew(values, grown):
    """A counter's growth is counted on over a restart of its process, and from 0 where it came into being."""
    assert increase(values) == grown


@given(st.lists(GROWTHS, min_size=1, max_size=5))
def test_restarts_hide_nothing_that_was_read(lives):
    """Over any number of lives of a process, each beginning with less than the last ended, all that was read counts."""
    values, total = [0], 0
    for growths in lives:
        level = 0 if values[-1] > growths[0] else values[-1]
        for growth in growths:
            level += growth
            total += growth
            values.append(level)
    assert increase(values) == total


@given(st.lists(st.floats(0, 1e9) | st.just(math.nan), max_size=20))
def test_growth_is_never_negative(values):
    """Whatever is read, a counter does not shrink."""
    assert increase(values) >= 0


@pytest.mark.parametrize(
    ("q", "seconds"),
    [(0.25, 0.05), (0.5, 0.1), (0.75, 0.3), (0.8, 0.34), (0.99, 0.5)],
)
def test_a_quantile_lies_evenly_within_its_bucket(q, seconds):
    """Half of a hundred are at most 0.1, three quarters lie half way to 0.5, and beyond the last bound it is that."""
    buckets = {0.1: 50, 0.5: 100, 1.0: 100, math.inf: 100}
    if q == 0.99:
        buckets = {0.1: 50, 0.5: 98, math.inf: 100}
    assert quantile(buckets, q) == pytest.approx(seconds)


@pytest.mark.parametrize("buckets", [{}, {0.1: 0, math.inf: 0}, {0.1: 5, 0.5: 5}, {math.inf: 3}])
def test_no_quantile_of_nothing(buckets):
    """Without counts, without the last bucket or with that one alone, there is no telling."""
    assert math.isnan(quantile(buckets, 0.9))


def test_a_bucket_of_zeros_is_zero():
    """Where the first bound is 0 what lies in it is 0, as in Prometheus, and the next bucket begins there."""
    assert quantile({0.0: 8, 1.0: 10, math.inf: 10}, 0.5) == 0.0
    assert quantile({0.0: 8, 1.0: 10, math.inf: 10}, 0.9) == pytest.approx(0.5)


@given(st.lists(st.integers(0, 50), min_size=3, max_size=12), st.floats(0.01, 0.99))
def test_a_quantile_lies_in_the_bucket_of_its_rank(counts, q):
    """Whatever was counted, the quantile lies between the bounds of the bucket that its rank falls in."""
    bounds = [*(float(2**number) for number in range(len(counts) - 1)), math.inf]
    running, buckets = 0, {}
    for bound, count in zip(bounds, counts, strict=True):
        running += count
        buckets[bound] = running
    found = quantile(buckets, q)
    if not running:
        assert math.isnan(found)
        return
    upper = next(bound for bound in bounds if buckets[bound] >= q * running)
    lower = max((bound for bound in bounds if bound < upper), default=0.0)
    assert lower <= found <= upper

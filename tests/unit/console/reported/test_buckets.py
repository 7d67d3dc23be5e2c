"""Histograms, their differences and percentiles."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.reported.buckets import ExplicitBuckets, ExponentialBuckets, Percentile, Range, percentile

INF = math.inf
COUNTS = st.lists(st.integers(0, 9), min_size=3, max_size=3)


def explicit(*counts):
    return ExplicitBuckets((0.1, 1.0), counts)


def test_what_was_counted_since_is_the_difference_of_each_bucket():
    """Of the same bounds; a count that is smaller, or other bounds, are not of the same histogram."""
    assert explicit(3, 4, 5).since(explicit(1, 4, 2)) == explicit(2, 0, 3)
    assert explicit(3, 4, 5).since(explicit(4, 0, 0)) is None
    assert explicit(1, 1, 1).since(ExplicitBuckets((0.1, 2.0), (0, 0, 0))) is None
    assert explicit(1, 1, 1).since(ExponentialBuckets(0, 0, {}, {})) is None
    assert explicit(1, 2, 3).added(explicit(1, 1, 1)) == explicit(2, 3, 4)
    assert explicit(1, 2, 3).added(ExplicitBuckets((), (1,))) is None


def test_the_ranges_of_explicit_buckets():
    """Between the bounds, without an end at both sides; empty ones are left out."""
    assert list(explicit(1, 0, 2).ranges()) == [(-INF, 0.1, 1), (1.0, INF, 2)]
    assert list(ExplicitBuckets((), (7,)).ranges()) == [(-INF, INF, 7)]


def test_the_ranges_of_exponential_buckets():
    """Bucket i lies above base ** i, with the base 2 ** 2 ** -scale, and zeros have a bucket of their own."""
    buckets = ExponentialBuckets(1, 4, {0: 1, 2: 3}, {1: 2})
    expected = [(0.0, 0.0, 4), (1.0, 2**0.5, 1), (2.0, 2 * 2**0.5, 3), (-2.0, -(2**0.5), 2)]
    assert list(buckets.ranges()) == [pytest.approx(one) for one in expected]
    assert next(ExponentialBuckets(-4, 0, {64: 1, 5: 1}, {}).ranges()) == (INF, INF, 1)


def test_buckets_of_a_smaller_scale_are_joined():
    """Two neighbours become one with each step, below zero too."""
    fine = ExponentialBuckets(2, 1, {-3: 1, -1: 2, 0: 4, 1: 8, 4: 16}, {7: 32})
    assert fine.at_scale(1) == ExponentialBuckets(1, 1, {-2: 1, -1: 2, 0: 12, 2: 16}, {3: 32})
    assert fine.at_scale(5) is fine
    later = ExponentialBuckets(1, 1, {-2: 1, -1: 3, 0: 12, 2: 17}, {3: 32})
    assert list(later.since(fine).ranges()) == [pytest.approx(one) for one in [(2**-0.5, 1.0, 1), (2.0, 8**0.5, 1)]]
    assert fine.since(later) is None


def ranges(*found):
    return [Range(lower, upper, weight) for lower, upper, weight in found]


@pytest.mark.parametrize(
    ("found", "q", "expected"),
    [
        ([(10, 20, 1)], 0.5, 15.0),
        ([(10, 20, 4)], 0.99, 19.9),
        ([(0, 1, 50), (1, 2, 50)], 0.5, 1.0),
        ([(0, 1, 50), (1, 2, 50)], 0.75, 1.5),
        ([(0, 1, 98), (1, 2, 0), (2, 4, 2)], 0.99, 3.0),
        ([(-INF, 0.1, 1)], 0.5, 0.1),
        ([(1.0, INF, 1)], 0.99, 1.0),
        ([(-INF, INF, 1)], 0.5, 0.0),
        ([(-INF, -1, 1)], 0.5, -1.0),
        ([(0, 0, 3), (1, 2, 1)], 0.5, 0.0),
        ([(0, 0, 1), (1, 2, 1)], 0.75, 1.5),
        ([(0, 2, 1), (1, 1, 2)], 0.5, 1.0),
        ([(0, 2, 1), (0, 4, 1)], 0.75, 2.0),
        ([(2, 4, 1), (2, 6, 1)], 0.8, 4.4),
        ([(0, 1, 0)], 0.5, math.nan),
        ([], 0.5, math.nan),
    ],
)
def test_a_percentile_lies_within_its_range(found, q, expected):
    """Evenly within a bucket, exactly at a bucket without width, and a range without an end counts as its bound."""
    assert percentile(ranges(*found), q).value == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("found", "q", "expected"),
    [
        ([(0, 5, 10)], 0.5, Percentile(5.0, is_bound=True)),
        ([(-INF, 0.005, 1)], 0.99, Percentile(0.005, is_bound=True)),
        ([(1, 5, 10)], 0.5, Percentile(5.0, is_bound=True)),
        ([(1, 4, 10)], 0.5, Percentile(2.5)),
        ([(-5, 0, 10)], 0.5, Percentile(-2.5)),
        ([(0, 5, 90), (5, 10, 10)], 0.95, Percentile(7.5)),
    ],
)
def test_a_range_that_is_too_wide_is_only_a_bound(found, q, expected):
    """The bounds of an instrument that nobody adjusted begin with 0 and 5, in whatever unit."""
    assert percentile(ranges(*found), q) == expected


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 9)), min_size=1, max_size=8))
def test_percentiles_grow_and_are_within_the_bounds(found):
    """Of any ranges, overlapping or not, a larger share is never at a smaller value."""
    made = ranges(*((min(a, b), max(a, b), weight) for a, b, weight in found))
    values = [percentile(made, q / 20).value for q in range(1, 20)]
    assert values == sorted(values)
    assert min(one.lower for one in made) <= values[0] and values[-1] <= max(one.upper for one in made)


@given(COUNTS, COUNTS)
def test_a_sum_less_a_part_is_the_other_part(some, more):
    """Of explicit and of exponential buckets."""
    first, second = explicit(*some), explicit(*more)
    assert first.added(second).since(first) == second
    one, other = (ExponentialBuckets(2, n[0], dict(enumerate(n)), {}) for n in (some, more))
    assert sorted(one.added(other).since(one).ranges()) == sorted(other.ranges())

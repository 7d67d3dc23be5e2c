"""Histograms and their differences."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.reported.buckets import ExplicitCounts, ExponentialCounts

INF = math.inf
COUNTS = st.lists(st.integers(0, 9), min_size=3, max_size=3)


def explicit(*counts):
    return ExplicitCounts((0.1, 1.0), counts)


def test_what_was_counted_since_is_the_difference_of_each_bucket():
    """Of the same bounds; a count that is smaller, or other bounds, are not of the same histogram."""
    assert explicit(3, 4, 5).since(explicit(1, 4, 2)) == explicit(2, 0, 3)
    assert explicit(3, 4, 5).since(explicit(4, 0, 0)) is None
    assert explicit(1, 1, 1).since(ExplicitCounts((0.1, 2.0), (0, 0, 0))) is None
    assert explicit(1, 1, 1).since(ExponentialCounts(0, 0, {}, {})) is None
    assert explicit(1, 2, 3).added(explicit(1, 1, 1)) == explicit(2, 3, 4)
    assert explicit(1, 2, 3).added(ExplicitCounts((), (1,))) is None


def test_the_ranges_of_explicit_buckets():
    """Between the bounds, without an end at both sides; empty ones are left out."""
    assert list(explicit(1, 0, 2).ranges()) == [(-INF, 0.1, 1), (1.0, INF, 2)]
    assert list(ExplicitCounts((), (7,)).ranges()) == [(-INF, INF, 7)]


def test_the_ranges_of_exponential_buckets():
    """Bucket i lies above base ** i, with the base 2 ** 2 ** -scale, and zeros have a bucket of their own."""
    buckets = ExponentialCounts(1, 4, {0: 1, 2: 3}, {1: 2})
    expected = [(0.0, 0.0, 4), (1.0, 2**0.5, 1), (2.0, 2 * 2**0.5, 3), (-2.0, -(2**0.5), 2)]
    assert list(buckets.ranges()) == [pytest.approx(one) for one in expected]
    assert next(ExponentialCounts(-4, 0, {64: 1, 5: 1}, {}).ranges()) == (INF, INF, 1)


def test_buckets_of_a_smaller_scale_are_joined():
    """Two neighbours become one with each step, below zero too."""
    fine = ExponentialCounts(2, 1, {-3: 1, -1: 2, 0: 4, 1: 8, 4: 16}, {7: 32})
    assert fine.at_scale(1) == ExponentialCounts(1, 1, {-2: 1, -1: 2, 0: 12, 2: 16}, {3: 32})
    assert fine.at_scale(5) is fine
    later = ExponentialCounts(1, 1, {-2: 1, -1: 3, 0: 12, 2: 17}, {3: 32})
    assert list(later.since(fine).ranges()) == [pytest.approx(one) for one in [(2**-0.5, 1.0, 1), (2.0, 8**0.5, 1)]]
    assert fine.since(later) is None


@given(COUNTS, COUNTS)
def test_a_sum_less_a_part_is_the_other_part(some, more):
    """Of explicit and of exponential buckets."""
    first, second = explicit(*some), explicit(*more)
    assert first.added(second).since(first) == second
    one, other = (ExponentialCounts(2, n[0], dict(enumerate(n)), {}) for n in (some, more))
    assert sorted(one.added(other).since(one).ranges()) == sorted(other.ranges())

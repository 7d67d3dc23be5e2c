"""Percentiles of what is known only by ranges."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.reported.percentiles import Percentile, Weights

INF = math.inf


def percentile(found, q):
    weights = Weights()
    weights.add(found)
    return weights.percentile(q)


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
    assert percentile(found, q).value == pytest.approx(expected, nan_ok=True)


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
    assert percentile(found, q) == expected


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 9)), min_size=1, max_size=8))
def test_percentiles_grow_and_are_within_the_bounds(found):
    """Of any ranges, overlapping or not, a larger share is never at a smaller value."""
    made = [(min(a, b), max(a, b), weight) for a, b, weight in found]
    values = [percentile(made, q / 20).value for q in range(1, 20)]
    assert values == sorted(values)
    assert min(lower for lower, _, _ in made) <= values[0] and values[-1] <= max(upper for _, upper, _ in made)


def test_weights_are_scaled():
    """Milliseconds become seconds, and counts rates."""
    weights = Weights()
    weights.add([(100, 200, 10)], factor=1e-3, share=0.1)
    weights.add([(0.2, 0.3, 1)])
    assert weights.percentile(0.5).value == pytest.approx(0.2)

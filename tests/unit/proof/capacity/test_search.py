"""The search for the highest rate that is kept, with systems whose limit is known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.proof.capacity.search import RateSearch


def search(limit, start=20.0, precision=0.02, predicted=None, **bounds):
    """Return the search after its end, and the rates that were probed, of a system that keeps what is below a limit."""
    made, rates = RateSearch(start, precision, bounds.pop("max_rate", 1e6), **bounds), []
    while (rate := made.next_rate([] if predicted is None else [predicted])) is not None:
        rates.append(rate)
        made.record(rate, rate <= limit)
    return made, rates


@given(st.floats(0.1, 1e5), st.floats(0.5, 1e4), st.sampled_from([0.01, 0.02, 0.05]))
def test_the_limit_is_found_to_the_precision(limit, start, precision):
    """The highest kept and the lowest broken rate enclose the limit, and are no farther apart than was asked for."""
    found, rates = search(limit, start, precision)
    if limit < start / 1024:
        assert found.kept is None
        return
    assert found.kept <= limit < found.broken <= found.kept * (1 + precision) * (1 + 1e-12)
    # Doubling to the limit or halving, and then one probe for each bit of the precision.
    assert len(rates) <= abs(math.log2(limit / start)) + 3 + math.log2(math.log(2) / math.log1p(precision)) + 1


@pytest.mark.parametrize("limit", [25.0, 39.9, 101.0, 150.0])
def test_a_right_prediction_takes_three_probes(limit):
    """One to predict, one below the limit and one above it."""
    _, rates = search(limit, predicted=limit)
    assert len(rates) == 3


@given(st.floats(5, 1e4), st.floats(0.1, 1e5))
def test_a_wrong_prediction_finds_the_limit_too(limit, predicted):
    found, rates = search(limit, predicted=predicted)
    assert found.kept <= limit < found.broken <= found.kept * 1.02 * (1 + 1e-12)
    assert len(rates) <= 25


def test_nothing_is_tried_above_the_upper_end():
    """A system that keeps that rate is not driven any further."""
    found, rates = search(1000.0, max_rate=100.0)
    assert (found.kept, found.broken, max(rates)) == (100.0, None, 100.0)


def test_nothing_is_tried_below_the_lower_end():
    """A system that keeps no rate from there on ends the search."""
    found, rates = search(1.0, start=20.0, min_rate=20.0)
    assert (found.kept, found.broken, rates) == (None, 20.0, [20.0])

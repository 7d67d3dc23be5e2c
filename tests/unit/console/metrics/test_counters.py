"""What counters and histograms come to."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.metrics.counters import increase

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

"""The increase of counters."""

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
        ([7, 9, 1, 4], 6),  # restarted: 2, then 1, then 3
        ([math.nan, 3, 5], 5),  # was not there before it counted
        ([4, math.nan, 2], 2),  # the process restarted and had nothing to count at first
        ([math.nan, math.nan], 0),
    ],
)
def test_how_much_a_counter_grew(values, grown):
    """A counter's growth continues over a restart of its process, and starts at 0 when the counter appears."""
    assert increase(values) == grown


@given(st.lists(GROWTHS, min_size=1, max_size=5))
def test_restarts_hide_nothing_that_was_read(lives):
    """Over any number of restarts of a process, each starting below the last value, everything that was read counts."""
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
    """Whatever is read, the increase is not negative."""
    assert increase(values) >= 0

"""How a rate was kept, by when messages arrived."""

from __future__ import annotations

import math

import pytest

from benchmarks.injectors import kept


def test_a_rate_that_is_kept_has_no_lag():
    """Arrivals at even distances have the rate of these, wherever the schedule began."""
    found = kept([7.0 + number / 200 for number in range(1000)], 200, cpu_seconds=1.0)
    assert (found.messages, found.rate_per_second) == (1000, pytest.approx(200))
    assert found.lag_p99_seconds == pytest.approx(0, abs=1e-9)
    assert found.cpu_seconds == 0.001


def test_lag_counts_from_the_schedule():
    """Messages that were due in a pause all arrive at its end: each is as late as it was due before that."""
    paused = range(100, 150)
    arrivals = [0.75 if number in paused else number / 200 for number in range(400)]
    found = kept(arrivals, 200, cpu_seconds=0.0)
    # The latest is late by 0.25 s, the next by a two-hundredth less; four of 400 are beyond the 99th percentile.
    assert found.lag_p99_seconds == pytest.approx(0.25 - 4 / 200)
    assert found.lag_p50_seconds == pytest.approx(0, abs=1e-9)


def test_a_rate_that_is_not_reached_lags_ever_more():
    """At half of the rate the last message is late by half of the time."""
    found = kept([number / 100 for number in range(1000)], 200, cpu_seconds=0.0)
    assert found.rate_per_second == pytest.approx(100)
    assert found.lag_p50_seconds == pytest.approx(499 / 200)


def test_without_messages_nothing_is_known():
    """A generator that sends nothing has no rate and no lag."""
    found = kept([], 200, cpu_seconds=1.0)
    assert found.messages == 0
    assert math.isnan(found.rate_per_second) and math.isnan(found.lag_p99_seconds)

"""The rate that an injector keeps: the highest before the first at which its p99 lag is too long."""

from __future__ import annotations

import pytest

from benchmarks.errors import BenchmarkFailed
from benchmarks.injector_rate import reached


def kept(lags):
    """Return the visits of 100/s, 200/s and 400/s for a second each, with these lags."""
    start, found = 50.0, []
    for second, (rate, lag) in enumerate(zip((100, 200, 400), lags, strict=True)):
        found += [(start + second + number / rate, lag) for number in range(1, rate + 1)]
    return found


@pytest.mark.parametrize(
    ("lags", "rate"), [((0.001, 0.002, 0.003), 400), ((0.001, 0.002, 0.02), 200), ((0.02, 0.001, 0.001), 0)]
)
def test_the_highest_rate_that_is_kept(lags, rate):
    """A rate is kept if all before it are, and the lag at 200/s is its own."""
    figures = reached(kept(lags), 1.0, (100, 200, 400))
    assert (figures["injector_rate"], figures["injector_lag_p50"], figures["injector_lag_p99"]) == (
        rate,
        *[lags[1]] * 2,
    )


def test_the_most_messages_in_a_second():
    """Those that started in it, however many were due."""
    # All of the third second start in the fourth.
    figures = reached(kept((0.0, 0.0, 1.0)), 1.0, (100, 200, 400))
    assert figures["injector_most"] == pytest.approx(400, abs=1)


def test_an_injector_that_sends_nothing():
    """There is no figure of it."""
    with pytest.raises(BenchmarkFailed, match="the injector sent nothing"):
        reached([], 1.0)

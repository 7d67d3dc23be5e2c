"""Times of day as they are written everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from simulator.telemetry.timestamps import Timestamps


@given(st.lists(st.integers(0, 4 * 10**18) | st.integers(10**18, 10**18 + 3 * 10**9), min_size=1))
def test_a_time_is_what_the_library_says(times):
    """Each one, whatever came before it, to the microsecond that has begun."""
    timestamps = Timestamps()
    for unix_ns in times:
        expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=unix_ns // 1000)
        assert timestamps(unix_ns) == f"{expected.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"

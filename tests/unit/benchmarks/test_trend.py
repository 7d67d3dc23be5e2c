"""The slope of samples."""

from __future__ import annotations

import pytest

from benchmarks.trend import slope


def test_one_value_that_is_far_off_changes_nothing():
    points = [(float(x), 3.0 + 0.5 * x) for x in range(20)]
    points[7] = (7.0, 900.0)
    assert slope(points) == pytest.approx(0.5)


def test_what_stays_has_no_slope():
    assert slope([(0.0, 7.0), (1.0, 7.0)]) == 0

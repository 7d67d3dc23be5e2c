"""One series: what it counted over the last interval, whatever its service does."""

from __future__ import annotations

import math

import pytest

from simulator.console.reported.buckets import ExplicitCounts
from simulator.console.reported.points import Point, Reading, ReportedKind, attributes_of, kind_of, points_of
from simulator.console.reported.series import Series
from tests.support.metric_points import DELTA, SECOND, counter, exponential, gauge, histogram
from tests.support.otlp import START

KINDS = [ReportedKind.COUNTER, ReportedKind.HISTOGRAM]


def point(value, at, start=0.0, is_delta=False, buckets=None):
    reading = Reading(START + int(at * SECOND), value, float(value), buckets)
    return Point(reading, 0 if start is None else START + int(start * SECOND), is_delta, ())


def fed(*points, kind=ReportedKind.COUNTER, at=None):
    """Return a series that took these points, each when it was made, and whether it took each."""
    series = Series(kind, ())
    taken = [series.take(one, (one.reading.unix_ns - START) / SECOND if at is None else at) for one in points]
    return series, taken


def counted(series):
    interval = series.interval()
    return None if interval is None else (interval.seconds, interval.count)


def test_the_first_reading_counts_from_the_start():
    """A series that begins counts from zero; if nobody knows since when, nothing is known until the next reading."""
    assert counted(fed(point(30, 60))[0]) == (60, 30)
    assert counted(fed(point(30, 60, start=None))[0]) is None
    assert counted(fed(point(30, 60, start=None), point(50, 120, start=None))[0]) == (60, 20)


def test_an_interval_is_that_between_the_last_two_readings():
    """As exporters send them, once a minute."""
    series, taken = fed(*(point(30 * n * n, 60 * n) for n in range(1, 5)))
    assert (taken, counted(series)) == ([True] * 4, (60, 30 * (16 - 9)))


def test_readings_every_second_are_counted_over_a_window():
    """Ten to twenty seconds, so that a figure is of more than one request."""
    for last in range(12, 60):
        seconds, count = counted(fed(*(point(3 * n, n) for n in range(1, last + 1)))[0])
        assert 10 <= seconds <= 20
        assert count == 3 * seconds


def test_deltas_are_added_up():
    """A point that counts only since the one before says the same as a count since the start."""
    deltas = fed(*(point(5, 60 * n, start=60 * (n - 1), is_delta=True) for n in range(1, 4)))[0]
    assert (counted(deltas), deltas.latest.value) == ((60, 5), 15)


@pytest.mark.parametrize("is_delta", [False, True])
def test_a_batch_that_is_sent_again_counts_once(is_delta):
    """By its time; and one that comes late is left out."""
    first, second = point(5, 60, is_delta=is_delta), point(9, 120, start=0, is_delta=is_delta)
    series, taken = fed(first, second, second, first, at=120.0)
    assert taken == [True, True, False, False]
    assert counted(series) == (60, 9 if is_delta else 4)


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        (point(4, 90, start=80), (10, 4)),  # it says so by its start
        (point(4, 120), (120, 4)),  # it does not, but has counted less
        (point(50, 90, start=80), (10, 50)),  # it has counted more since
    ],
)
def test_a_service_that_starts_again_counts_from_zero(again, expected):
    """The reset of a counter is not a negative rate."""
    series, taken = fed(point(20, 60), again)
    assert (taken, counted(series)) == ([True, True], expected)


def test_buckets_that_change_are_a_reset():
    """Other bounds, or a bucket that counts less, are another histogram."""
    first = ExplicitCounts((1.0,), (5, 5))
    for buckets in (ExplicitCounts((2.0,), (6, 6)), ExplicitCounts((1.0,), (4, 12))):
        series, _ = fed(point(10, 60, buckets=first), point(16, 120, buckets=buckets), kind=ReportedKind.HISTOGRAM)
        assert counted(series) == (120, 16)


def test_a_clock_that_is_set_back_delays_figures_but_does_not_stop_them():
    """Its readings are late for a while, and then those of a new series."""
    series = Series(ReportedKind.GAUGE, ())
    assert series.take(point(1, 7200), 0.0)
    assert [series.take(point(2, 3600 + 60 * n), 60.0 * n) for n in (1, 2, 3, 4)] == [False, False, True, True]
    series = Series(ReportedKind.COUNTER, ())
    series.take(point(10, 7200), 0.0)
    assert [series.take(point(10 + n, 3600 + 60 * n), 60.0 * n) for n in (1, 2, 3, 4)] == [False, False, True, True]
    assert counted(series) == (60, 1)


def test_a_series_is_fresh_for_three_of_its_intervals():
    """One that was read every ten seconds is old after thirty."""
    series, _ = fed(point(1, 60), point(1, 70))
    assert [series.is_fresh(now) for now in (70, 100, 101)] == [True, True, False]
    assert [fed(point(1, 60))[0].is_fresh(now) for now in (240, 241)] == [True, False]
    rare = fed(point(1, 60), point(1, 10_000))[0]
    assert not rare.is_fresh(10_000 + 361), "an hour without a reading is no usual interval"


def the_point(metric):
    (found,) = points_of(metric)
    return found


def test_points_of_every_kind_have_one_form():
    """Values, starts, temporality, buckets and the longest value."""
    assert the_point(gauge("g", 2.5)).reading == Reading(START + SECOND, 2.5)
    found = the_point(counter("c", 7, 60, temporality=DELTA, attributes={"a": 1}))
    assert (found.reading.value, found.start_unix_ns, found.is_delta) == (7.0, START, True)
    assert attributes_of(found.attributes) == (("a", "1"),)
    found = the_point(histogram((1, 2, 3), 60, total=4.5, longest=2.0))
    assert (found.reading.value, found.reading.total, found.max_value) == (6, 4.5, 2.0)
    assert found.reading.buckets == ExplicitCounts((0.1, 0.3), (1, 2, 3))
    found = the_point(exponential((1, 2), 60, scale=5, offset=8, zeros=3))
    assert (found.reading.value, list(found.reading.buckets.ranges())[1][2]) == (6, 3), "stored at a smaller scale"
    kinds = [gauge("g", 1), counter("c", 1, 1), counter("c", 1, 1, is_monotonic=False), histogram((1, 0, 0), 1)]
    assert list(map(str, map(kind_of, kinds))) == ["gauge", "counter", "level", "histogram"]


def test_points_without_a_usable_value_are_none():
    """No time, no value, wrong numbers of buckets, bounds that do not ascend, absurd scales."""
    no_time = gauge("g", 1.0)
    no_time.gauge.data_points[0].time_unix_nano = 0
    not_recorded = gauge("g", 1.0)
    not_recorded.gauge.data_points[0].flags = 1
    wrong = [no_time, not_recorded, gauge("g", math.nan), gauge("g", math.inf)]
    wrong += [
        histogram((1, 2), 1),
        histogram((1, 2, 3), 1, bounds=(1.0, 1.0)),
        histogram((1,) * 2000, 1, bounds=range(1999)),
    ]
    wrong += [exponential((1,), 1, scale=2**30), exponential((1,), 1, scale=-(2**30)), exponential((1,) * 3000, 1)]
    assert [the_point(metric) for metric in wrong] == [None] * len(wrong)
    assert kind_of(counter("c", 1, 1, temporality=0)) is None
    summary = gauge("s")
    summary.summary.data_points.add(count=1)
    assert kind_of(summary) is None

"""Throughput: one report for each second that passed, idle ones included."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from simulator.telemetry.throughput import Throughput


class Time:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


def test_each_second_is_reported_when_it_has_passed():
    """A second's count is told once the second is over, and not before."""
    time, told = Time(10.0), []
    throughput = Throughput(told.append, time)
    for now in (10.0, 10.5, 10.999):
        time.now = now
        throughput.count()
    throughput.roll()
    assert told == []
    time.now = 11.0
    throughput.roll()
    assert told == [3]


def test_idle_seconds_count_as_zero():
    """Seconds in which nothing came are reported as 0, in their place between the busy ones."""
    time, told = Time(10.25), []
    throughput = Throughput(told.append, time)
    throughput.count()
    throughput.count()
    time.now = 14.5
    throughput.count()
    assert told == [2, 0, 0, 0]
    time.now = 16.0
    throughput.roll()
    assert told == [2, 0, 0, 0, 1, 0]


def test_reading_twice_in_a_second_reports_it_once():
    """However often the metrics are read, a second is reported once."""
    time, told = Time(0.0), []
    throughput = Throughput(told.append, time)
    throughput.count()
    time.now = 1.5
    for _ in range(5):
        throughput.roll()
    assert told == [1]


@given(
    start=st.integers(0, 10**6),
    gaps=st.lists(st.integers(0, 5000), max_size=60),
    idle_millis=st.integers(0, 10_000),
)
def test_the_reports_are_the_counts_of_the_seconds_in_order(start, gaps, idle_millis):
    """Whenever messages come, the reports are each passed second's own count, none missing and none twice."""
    time, told = Time(start / 1000), []
    throughput = Throughput(told.append, time)
    now, seconds = start, Counter()
    for gap in gaps:
        now += gap
        time.now = now / 1000
        throughput.count()
        seconds[now // 1000] += 1
    time.now = (now + idle_millis) / 1000
    throughput.roll()
    assert told == [seconds[second] for second in range(start // 1000, (now + idle_millis) // 1000)]
    assert math.fsum(told) + seconds[(now + idle_millis) // 1000] == len(gaps)

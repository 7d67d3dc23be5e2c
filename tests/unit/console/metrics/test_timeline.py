"""A stage over the last minutes."""

import math

import pytest

from simulator.console.metrics.timeline import POINTS, Track
from simulator.telemetry import tally
from simulator.telemetry.tally import Tallies, Tally


class Rig:
    """A stage's tally, and its track, recorded every second from 1,000 s on."""

    def __init__(self, folder):
        self.tally = Tally.create(folder / "parse", tally.slots(["injector"], []))
        self.track = Track(Tallies([self.tally]))
        self.now = 1000.0
        self.track.record(self.now)

    def pass_seconds(self, seconds, a_second=0, duration_seconds=0.01, outcome="forwarded"):
        for _ in range(seconds):
            for _ in range(a_second):
                self.tally.add(f"outcome.{outcome}")
                self.tally.observe("handling_seconds", duration_seconds)
            self.now += 1
            self.track.record(self.now)

    def timeline(self):
        return self.track.timeline(self.now)


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def test_at_first_there_are_no_points(rig):
    """There are none before the second reading."""
    assert rig.timeline().times == ()
    assert Track(Tallies([])).timeline(0.0).times == ()


def test_each_point_is_for_the_time_since_the_one_before(rig):
    """The percentiles and rates of a point are those of its five seconds alone."""
    rig.pass_seconds(5, a_second=20)
    rig.pass_seconds(5, a_second=2, duration_seconds=1.0, outcome="failed")
    timeline = rig.timeline()
    assert timeline.times == (1005.0, 1010.0)
    assert timeline.p50_seconds == pytest.approx((0.01, 1.0), rel=0.01)
    assert timeline.p99_seconds == pytest.approx((0.01, 1.0), rel=0.01)
    assert (timeline.outcomes["forwarded"], timeline.outcomes["failed"]) == ((20.0, 0.0), (0.0, 2.0))


def test_what_has_just_happened_is_there_within_a_second(rig):
    """The last point is of the time since the last step, and is not kept."""
    rig.pass_seconds(6, a_second=10)
    assert rig.timeline().times == (1005.0, 1006.0)
    assert rig.timeline().outcomes["forwarded"] == (10.0, 10.0)
    rig.pass_seconds(4, a_second=10)
    assert rig.timeline().times == (1005.0, 1010.0)


def test_an_idle_time_has_rates_of_0_and_no_percentiles(rig):
    """If nothing was handled the percentiles are missing, which a chart shows as a gap."""
    rig.pass_seconds(5, a_second=1)
    rig.pass_seconds(5)
    assert math.isnan(rig.timeline().p99_seconds[1])
    assert rig.timeline().outcomes["forwarded"] == (1.0, 0.0)


def test_only_the_last_minutes_are_kept(rig):
    """After a quarter of an hour the points of the last ten minutes are there."""
    rig.pass_seconds(900, a_second=1)
    timeline = rig.timeline()
    assert len(timeline.times) == POINTS
    assert (timeline.times[0], timeline.times[-1]) == (1305.0, 1900.0)


def test_a_clock_that_is_set_back_makes_no_point(rig):
    """If the time of day jumps back, the points continue from there, and none has a negative rate."""
    rig.pass_seconds(5, a_second=10)
    rig.now -= 3600
    rig.pass_seconds(6, a_second=10)
    assert all(rate >= 0 for rates in rig.timeline().outcomes.values() for rate in rates)
    assert rig.timeline().outcomes["forwarded"] == (10.0, 10.0)

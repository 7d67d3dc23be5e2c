"""How a stage stands right now: rates and percentiles over the last seconds, totals over all."""

from __future__ import annotations

import math

import pytest

from simulator.telemetry import tally
from simulator.telemetry.standing import WINDOW_SECONDS, RollingWindow, percentiles
from simulator.telemetry.tally import Tallies, Tally, bucket_of


class Rig:
    """A stage's tally and the watch that follows it."""

    def __init__(self, folder):
        self.tally = Tally.create(folder / "parse", tally.slots(["injector"], []))
        self.watch = RollingWindow(Tallies([self.tally]))

    def handle(self, count, seconds=0.01, outcome="forwarded"):
        for _ in range(count):
            self.tally.add("received.injector")
            self.tally.add(f"outcome.{outcome}")
            self.tally.observe("handling_seconds", seconds)


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def test_at_first_nothing_is_known(rig):
    """The first look has no rate and no percentiles yet, but it has the totals."""
    rig.handle(3)
    standing = rig.watch.snapshot(100.0)
    assert math.isnan(standing.rate_per_second)
    assert math.isnan(standing.p50_seconds) and math.isnan(standing.p99_seconds)
    assert (standing.handled, standing.in_flight) == (3, 0)


def test_the_rate_is_that_of_the_window(rig):
    """The rate is what was handled since the window started, by its length."""
    rig.handle(1000)
    rig.watch.snapshot(100.0)
    rig.handle(30)
    assert rig.watch.snapshot(102.0).rate_per_second == 15.0
    rig.handle(10)
    assert rig.watch.snapshot(104.0).rate_per_second == 10.0


def test_what_is_older_than_the_window_is_forgotten(rig):
    """A rate and percentiles of long ago do not count: after the window's length only what came in it does."""
    for second in range(10):
        rig.watch.snapshot(100.0 + second)
        rig.handle(20, seconds=1.0)
    for second in range(10, 10 + int(WINDOW_SECONDS)):
        rig.watch.snapshot(100.0 + second)
        rig.handle(2, seconds=0.1)
    standing = rig.watch.snapshot(110.0 + WINDOW_SECONDS)
    assert standing.rate_per_second == 2.0
    assert standing.p99_seconds == pytest.approx(0.1, rel=0.01)
    assert standing.handled == 200 + 2 * int(WINDOW_SECONDS)


def test_an_idle_stage_has_a_rate_of_0_and_no_percentiles(rig):
    """A stage that gets nothing for the length of the window stands at 0 per second, with percentiles missing."""
    rig.handle(50)
    for second in range(8):
        standing = rig.watch.snapshot(100.0 + second)
    assert standing.rate_per_second == 0.0
    assert math.isnan(standing.p50_seconds)
    assert standing.handled == 50


def test_the_percentiles_are_those_of_the_durations(rig):
    """p50, p95 and p99 are right to 1 % for a hundred known durations."""
    rig.watch.snapshot(0.0)
    for number in range(1, 101):
        rig.handle(1, seconds=number / 1000)
    standing = rig.watch.snapshot(1.0)
    found = (standing.p50_seconds, standing.p95_seconds, standing.p99_seconds)
    assert found == pytest.approx((0.050, 0.095, 0.099), rel=0.01)


def test_in_flight_is_what_has_not_ended(rig):
    """What came, from stages and from outside, and has not ended is in flight; the queue is what the stage says."""
    rig.handle(5)
    rig.handle(2, outcome="rejected")
    rig.tally.add("received.outside", 3)
    rig.tally.add("received.injector")
    rig.tally.set("queue_depth", 2)
    standing = rig.watch.snapshot(0.0)
    assert (standing.in_flight, standing.queue_depth) == (4, 2)
    assert {outcome: count for outcome, count in standing.outcomes.items() if count} == {
        "forwarded": 5,
        "rejected": 2,
    }


def test_several_instances_stand_as_one_stage(tmp_path):
    """Of a stage with several processes the rate, the percentiles and the totals are those of all of them together."""
    names = tally.slots(["injector"], [])
    parts = [Tally.create(tmp_path / f"parse.{number}", names) for number in (1, 2)]
    watch = RollingWindow(Tallies(parts))
    watch.snapshot(100.0)
    for part, count, seconds in zip(parts, (30, 10), (0.01, 1.0), strict=True):
        part.add("received.injector", count + 1)
        part.add("outcome.forwarded", count)
        part.set("queue_depth", count)
        for _ in range(count):
            part.observe("handling_seconds", seconds)
    standing = watch.snapshot(102.0)
    assert (standing.rate_per_second, standing.handled, standing.outcomes["forwarded"]) == (20.0, 40, 40)
    assert (standing.in_flight, standing.queue_depth) == (2, 40)
    assert standing.p50_seconds == pytest.approx(0.01, rel=0.01)
    assert standing.p95_seconds == pytest.approx(1.0, rel=0.01)


def test_each_operation_stands_apart(tmp_path):
    """Rates, percentiles, outcomes and messages in flight are those of the operation; the stage has all of them."""
    counts = Tally.create(tmp_path / "cart", tally.slots(["shop"], [], ["read", "add"]))
    watch = RollingWindow(Tallies([counts]))
    watch.snapshot(0.0)
    for operation, count, seconds, outcome in (("read", 30, 0.01, "delivered"), ("add", 10, 1.0, "faulted")):
        for name in ("received.shop", f"received.shop/{operation}"):
            counts.add(name, count + 1)
        for name in (f"outcome.{outcome}", f"outcome.{outcome}/{operation}"):
            counts.add(name, count)
        for _ in range(count):
            counts.observe("handling_seconds", seconds, operation)
    standing = watch.snapshot(2.0)
    read, add = standing.operations["read"], standing.operations["add"]
    assert (standing.rate_per_second, read.rate_per_second, add.rate_per_second) == (20.0, 15.0, 5.0)
    assert (read.p99_seconds, add.p50_seconds) == pytest.approx((0.01, 1.0), rel=0.01)
    assert (standing.p50_seconds, standing.p99_seconds) == pytest.approx((0.01, 1.0), rel=0.01)
    assert (standing.in_flight, read.in_flight, add.in_flight) == (2, 1, 1)
    assert (read.handled, add.handled, add.outcomes["faulted"]) == (30, 10, 10)


def test_a_stage_without_operations_has_none(rig):
    """Nothing stands below a stage that is its only operation."""
    assert rig.watch.snapshot(0.0).operations == {}


def test_percentiles_of_a_run():
    """The summary has p50, p95, p99 and the maximum, each right to 1 %."""
    durations = {}
    for number in range(1, 1001):
        durations[bucket_of(number / 100)] = durations.get(bucket_of(number / 100), 0) + 1
    found = percentiles(durations)
    assert list(found) == ["p50", "p95", "p99", "max"]
    assert list(found.values()) == pytest.approx([5.0, 9.5, 9.9, 10.0], rel=0.01)


def test_percentiles_of_nothing():
    """Where nothing was counted each percentile is missing, as JSON can say it."""
    assert percentiles({}) == {"p50": None, "p95": None, "p99": None, "max": None}

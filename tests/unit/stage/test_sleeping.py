"""Sleeping to a tenth of a millisecond: never too short, and hardly too long."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from statistics import median

import gevent
import pytest
from gevent.hub import Waiter

from simulator.stage import sleeping
from simulator.stage.sleeping import Sleeper


def late_by(sleeper, seconds):
    """Sleep; give by how much that was too long."""
    due = time.monotonic() + seconds
    sleeper.sleep(seconds)
    return time.monotonic() - due


@pytest.fixture(params=["timerfd", "timers of gevent's"])
def sleeper(request, monkeypatch):
    """Return a sleeper with the system's timer, and one of a system that has none."""
    if request.param != "timerfd":

        class Without:
            def timerfd_create(self, clock, flags):
                return -1

        monkeypatch.setattr(sleeping.ctypes, "CDLL", lambda *arguments, **options: Without())
    return Sleeper()


def test_a_sleep_is_not_much_too_long():
    """Sleeps of odd lengths are as long as asked for, where the machine is quiet to a fraction of a millisecond."""
    sleeper = Sleeper()
    lates = [late_by(sleeper, seconds) for seconds in (0.0003, 0.0017, 0.0042, 0.0009, 0.0101) * 8]
    assert min(lates) >= 0.0
    assert median(lates) < 0.005


def test_a_sleep_is_never_too_short():
    """No sleep that is worth a timer ends before its time, however many there are and whenever they start."""
    sleeper, dice, lates = Sleeper(), random.Random(7), []

    def sleep_often():
        for _ in range(10):
            lates.append(late_by(sleeper, 0.00005 + dice.random() * 0.01))

    gevent.joinall([gevent.spawn(sleep_often) for _ in range(100)], raise_error=True)
    assert (len(lates), min(lates) >= 0.0) == (1000, True)
    assert median(lates) < 0.5


def test_each_sleeper_wakes_in_its_turn(sleeper):
    """Of many that sleep at the same time each wakes when its own time is up, whichever started first."""
    woken = []

    def sleep(milliseconds):
        sleeper.sleep(milliseconds / 1000)
        woken.append(milliseconds)

    order = [250, 50, 150, 200, 100]
    gevent.joinall([gevent.spawn(sleep, milliseconds) for milliseconds in order], raise_error=True)
    assert woken == sorted(order)


@pytest.mark.parametrize("seconds", [0.0, -5.0, 0.00001])
def test_no_time_is_one_turn(sleeper, seconds):
    """A sleep of no time lets everything else run for one turn."""
    order = []

    def work(name):
        for _ in range(3):
            order.append(name)
            sleeper.sleep(seconds)

    gevent.joinall([gevent.spawn(work, name) for name in "ab"], raise_error=True)
    assert order == ["a", "b"] * 3


def test_a_sleeper_that_is_broken_off(sleeper):
    """One that is broken off wakes with what broke it off, and its time disturbs neither it nor the others."""
    story = []

    def sleep(name, seconds):
        try:
            sleeper.sleep(seconds)
        except ZeroDivisionError:
            story.append(f"{name} was broken off")
            story.append(late_by(sleeper, 0.05) >= 0.0)  # while its first time comes
        story.append(f"{name} is up")

    first, second = gevent.spawn(sleep, "first", 0.02), gevent.spawn(sleep, "second", 0.03)
    gevent.sleep(0)
    first.kill(ZeroDivisionError)
    second.join(20)
    first.join(20)
    assert story == ["first was broken off", "second is up", True, "first is up"]


def test_a_wait_that_is_over_before_its_time(sleeper):
    """Who waits with a timeout goes on as soon as it is switched to, and the timeout leaves its next wait alone."""
    waiter = Waiter()
    gevent.get_hub().loop.run_callback(waiter.switch, "early")
    begin = time.monotonic()
    sleeper.wait(waiter, 0.02)
    assert time.monotonic() - begin < 10.0
    assert late_by(sleeper, 0.04) >= 0.0


def test_a_shorter_sleep_than_the_timer_is_set_for(sleeper):
    """One that starts later and is shorter wakes first."""
    woken = []
    long = gevent.spawn(lambda: (sleeper.sleep(30.0), woken.append("long")))
    gevent.sleep(0)
    assert late_by(sleeper, 0.01) < 20.0
    assert woken == []
    long.kill()


def test_any_point_in_time_can_be_waited_for(monkeypatch):
    """Also where the nanoseconds of a point in time round up to a whole second the timer is set."""
    sleeper = Sleeper()
    sleeper.sleep(0.001)
    set_to = []

    class Library:
        def timerfd_settime(self, descriptor, flags, spec, old):
            set_to.append((spec._obj.value.seconds, spec._obj.value.nanoseconds))
            return 0

    sleeper._library = Library()
    for due in (5.0, 5.9999999999, 7.25, 4.999999999999):
        sleeper._heap[:], sleeper._armed_for = [(due, 0, None)], float("inf")
        sleeper._arm()
    sleeper._heap.clear()
    assert all(0 <= nanoseconds < 10**9 for _, nanoseconds in set_to)
    assert [seconds + nanoseconds / 1e9 for seconds, nanoseconds in set_to] == pytest.approx(
        [5.0, 6.0, 7.25, 5.0], abs=1e-8
    )


def test_a_sleep_of_years_is_no_mistake(sleeper):
    """The longest delay that a distribution may draw can be slept, and broken off."""
    asleep = gevent.spawn(sleeper.sleep, 1e15)
    gevent.sleep(0.005)
    assert not asleep.ready()
    asleep.kill()


def test_the_timer_is_made_where_it_is_used():
    """A sleeper holds no descriptor before its first sleep, and one after any number of them."""

    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    gevent.sleep(0.001)
    before = descriptors()
    sleeper = Sleeper()
    assert descriptors() == before
    for _ in range(3):
        sleeper.sleep(0.001)
    assert descriptors() <= before + 1
    sleeper._watcher.stop()
    os.close(sleeper._descriptor)

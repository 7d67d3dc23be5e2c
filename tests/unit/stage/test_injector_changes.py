"""An injector that is stopped, or told another pace, while it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import simulator
from simulator.behaviour.schedules import ConstantArrivals
from simulator.stage.injector import made_up
from tests.support.injecting import LONG_SECONDS, STEP, Rig, Threads, Time, dues, running


def test_stop_ends_the_wait_for_the_next_message():
    """An injector that is stopped while it waits for a due time ends at once, and tells of no end of the load."""
    rig = Rig(time=Time())
    with running(rig.injector.run_paced, made_up(None), ConstantArrivals(1 / 3600)):
        rig.injector.stop()
    assert (rig.messages, rig.watcher.lags, rig.watcher.ends) == ([], [], 0)


def test_stop_waits_for_what_was_begun():
    """A stopped closed loop begins nothing more, and ends when what it had begun is answered."""
    entered, answered, threads = threading.Semaphore(0), threading.Event(), Threads()

    def handle(_):
        entered.release()
        assert answered.wait(LONG_SECONDS)

    rig = Rig(handle, threads)
    with running(rig.injector.run_closed, made_up(None), 2) as loop:
        for _ in range(2):
            assert entered.acquire(timeout=LONG_SECONDS)
        rig.injector.stop()
        assert loop.is_alive()
        answered.set()
    threads.join()
    assert (len(rig.messages), rig.watcher.ends) == (2, 0)


def test_a_stopped_injector_sends_nothing():
    """After `stop` neither loop sends a message."""
    rig = Rig()
    rig.injector.stop()
    rig.injector.run_paced(made_up(None), ConstantArrivals(1000.0))
    rig.injector.run_closed(made_up(None), 2)
    assert (rig.messages, rig.watcher.ends) == ([], 0)


def test_another_pace_from_now_on():
    """After `repace` what was left of the old gap is forgotten: the next message is due one new gap from then."""
    time = Time(STEP)
    rig = Rig(time=time)

    def drafts():
        for draft in made_up(6):
            if draft.number == 4:
                rig.injector.repace(ConstantArrivals(64.0))
            yield draft

    rig.injector.run_paced(drafts(), ConstantArrivals(256.0))
    gaps = [later - earlier for earlier, later in zip([0.0, *dues(rig)], dues(rig), strict=False)]
    assert gaps == pytest.approx([1 / 256] * 3 + [1 / 64] * 3, abs=2e-6)


def test_another_pace_ends_the_wait_for_a_message():
    """An injector that waits an hour for its next message sends it soon where it is told to be quicker."""

    class Waking:
        """The event that the injector waits on; during the first wait the pace is changed."""

        def __init__(self):
            self.asked = []

        def wait(self, seconds):
            self.asked.append(seconds)
            if len(self.asked) == 1:
                rig.time.now += 10.0
                rig.injector.repace(ConstantArrivals(4.0))
                return True
            rig.time.now += seconds
            return False

        def set(self):
            pass

        def clear(self):
            pass

    rig = Rig()
    rig.injector._wake = waking = Waking()
    rig.injector.run_paced(made_up(2), ConstantArrivals(1 / 3600))
    assert dues(rig) == [10.25, 10.5]
    assert waking.asked[0] == 3600.0
    assert waking.asked[1] == 0.25
    assert rig.watcher.lags == [0.0, 0.0]


def test_the_pace_may_be_changed_again_and_again():
    """Of several changes before the next message the last one counts."""
    rig = Rig(time=Time(STEP))

    def drafts():
        for draft in made_up(2):
            for rate in (1.0, 1 / 3600, 256.0):
                rig.injector.repace(ConstantArrivals(rate))
            yield draft

    rig.injector.run_paced(drafts(), ConstantArrivals(1 / 3600))
    assert rig.watcher.ends == 1
    assert dues(rig)[1] < 0.1


def test_a_stop_beats_another_pace():
    """An injector that is told to be quicker and to stop sends nothing more."""
    rig = Rig(time=Time())
    with running(rig.injector.run_paced, made_up(None), ConstantArrivals(1 / 3600)):
        rig.injector.repace(ConstantArrivals(1 / 7200))
        rig.injector.stop()
    assert rig.messages == []


def test_only_a_rate_is_a_pace():
    """An injector is paced when it sends at a rate, and not before nor with a number of messages at a time."""
    rig = Rig(time=Time(STEP))
    assert rig.injector.is_paced is False
    rig.injector.run_closed(made_up(1), 1)
    assert rig.injector.is_paced is False
    rig.injector.run_paced(made_up(1), ConstantArrivals(256.0))
    assert rig.injector.is_paced is True


@pytest.mark.processes
def test_a_schedule_that_can_t_be_kept_lets_others_run():
    """An injector that is behind its schedule sends while it catches up, and can be stopped."""
    code = """
from gevent import monkey; monkey.patch_all()
import contextlib, gevent, itertools
from simulator.behaviour.schedules import ConstantArrivals
from simulator.stage.injector import Injector, made_up
from simulator.telemetry.record import Clock, Via
class Quiet:
    def __getattr__(self, name): return lambda *arguments: None
class Handling:
    def handle(self, message): injector.stop()
begun = itertools.count()
def spawn(run):
    next(begun)
    gevent.spawn(run)
ticks = itertools.count(0, 1000)
clock = Clock(lambda: float(next(ticks)), lambda: 0)
span = lambda due, lag: contextlib.nullcontext()
injector = Injector("injector", 7, Handling(), Quiet(), clock, span, spawn, Via.SCHEDULE)
injector.run_paced(made_up(5000), ConstantArrivals(1.0))
print(next(begun))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(simulator.__file__).parents[1])}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert 1 <= int(ended.stdout) < 5000

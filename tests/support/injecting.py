"""An injector with a clock and a watcher of the test's own, that hands its messages to a function of the test."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

from simulator.stage.injector import Injector
from simulator.telemetry.record import Clock, Via

START_NS = 1_700_000_000 * 10**9
LONG_SECONDS = 20.0
STEP = 1 / 1024


class Time:
    """A clock that moves by a step from one reading to the next, so that who waits for a point in time comes to it."""

    def __init__(self, step=0.0):
        self.now = -step  # the first reading is 0
        self.step = step
        self.clock = Clock(self._monotonic, lambda: START_NS + round(self.now * 1e9))

    def _monotonic(self):
        self.now += self.step
        return self.now


@dataclass
class Watching:
    """A watcher that remembers what it was told."""

    lags: list[float] = field(default_factory=list)
    missed_count: int = 0
    lines: int = 0
    bad_lines: list[tuple[int, str]] = field(default_factory=list)
    ends: int = 0

    def due(self, lag_seconds):
        self.lags.append(lag_seconds)

    def missed(self):
        self.missed_count += 1

    def line(self):
        self.lines += 1

    def bad_line(self, number, reason):
        self.bad_lines.append((number, reason))

    def finished(self):
        self.ends += 1


def at_once(run):
    run()


class Rig:
    """An injector that hands its messages to a function of the test."""

    def __init__(self, handle=None, spawn=at_once, time=None, via=Via.SCHEDULE):
        self.time, self.watcher, self.messages, self.roots = time or Time(), Watching(), [], []
        self._handle = handle or (lambda message: None)
        self.injector = Injector("injector", 7, self, self.watcher, self.time.clock, self._root, spawn, via)

    def handle(self, message):
        self.messages.append(message)
        return self._handle(message)

    @contextmanager
    def _root(self, due_ns, lag):
        self.roots.append([due_ns, lag, len(self.messages)])
        yield
        self.roots[-1].append(len(self.messages))


class Threads:
    """A spawn of real threads that can be waited for."""

    def __init__(self):
        self.started = []

    def __call__(self, run):
        self.started.append(threading.Thread(target=run))
        self.started[-1].start()

    def join(self):
        for thread in self.started:
            thread.join(LONG_SECONDS)
            assert not thread.is_alive()


@contextmanager
def running(run, *arguments):
    """Run something in a thread that must have ended by the end of the `with`."""
    thread = threading.Thread(target=run, args=arguments)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(LONG_SECONDS)
        assert not thread.is_alive()


def dues(rig):
    """Give when the messages were due, in seconds from the start."""
    return [round((message.due.unix_seconds - 1_700_000_000) * 1e6) / 1e6 for message in rig.messages]

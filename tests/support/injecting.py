"""An injector in virtual time that passes its messages to a function of the test."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field

from simulator.behaviour.arrivals import ConstantArrivals, PoissonArrivals
from simulator.behaviour.schedules import at_rate
from simulator.engine.identity import Identity
from simulator.engine.injector import Injector
from simulator.telemetry.record import Outcome, Via
from tests.support.fake_time import FakeTime
from tests.support.records import record

START_NS = 1_700_000_000 * 10**9


@dataclass
class Watching:
    """A listener that remembers its calls."""

    lags: list[float] = field(default_factory=list)
    missed_count: int = 0
    unstarted_told: list[tuple[int, float]] = field(default_factory=list)
    lines: int = 0
    bad_lines: list[tuple[int, str]] = field(default_factory=list)
    ends: int = 0

    def due(self, lag_seconds):
        self.lags.append(lag_seconds)

    def missed(self):
        self.missed_count += 1

    def unstarted(self, count, oldest_lag_seconds):
        self.unstarted_told.append((count, oldest_lag_seconds))

    def line(self):
        self.lines += 1

    def bad_line(self, number, reason):
        self.bad_lines.append((number, reason))

    def finished(self):
        self.ends += 1


class Rig:
    """An injector that passes its messages to a function of the test, which may return the outcome of a handling.

    `moments` are the times at which the messages came, `roots` the root spans: due, lag, and how many messages had come
    at its start and its end.
    """

    def __init__(self, handle=None, via=Via.SCHEDULE):
        self.time, self.watcher, self.messages, self.moments, self.roots = FakeTime(), Watching(), [], [], []
        self._handle = handle or (lambda message: None)
        identity = Identity(stage="injector", seed=7)
        self.injector = Injector(identity, self.time, self.watcher, self, self.handle, via)

    def handle(self, message):
        self.messages.append(message)
        self.moments.append(self.time.now())
        return record(self._handle(message) or Outcome.FORWARDED)

    @contextmanager
    def root(self, due_ns, lag):
        self.roots.append([due_ns, lag, len(self.messages)])
        mine = self.roots[-1]
        yield
        mine.append(len(self.messages))


def steady(rate):
    """Return the schedule of one message every 1 / rate seconds."""
    return at_rate(rate, ConstantArrivals())


def at_random(rate):
    """Return the schedule of a Poisson process."""
    return at_rate(rate, PoissonArrivals())


def dues(rig):
    """Return when the messages were due, in seconds from the start."""
    return [round((message.due.unix_seconds - 1_700_000_000) * 1e6) / 1e6 for message in rig.messages]

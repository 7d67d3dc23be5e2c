"""Virtual time that passes when a test says so."""

from __future__ import annotations

from simulator.virtual.kernel import Kernel

UNIX_START = 1_700_000_000


class FakeTime(Kernel):
    """The runtime of virtual time, with what a test wants beside: `seconds` is now, `sleeps` what was slept.

    `on_sleep(time, seconds)` may let another time pass than a sleeper asked for.
    """

    def __init__(self, on_sleep=None):
        super().__init__(UNIX_START * 10**9)
        self.sleeps, self._on_sleep = [], on_sleep

    @property
    def seconds(self):
        """Return the time."""
        return self.now()

    def advance(self, seconds):
        """Let time pass in which nothing happens."""
        self._now += seconds

    def pass_time(self, seconds):
        """Let time pass, in which others run."""
        Kernel.sleep(self, seconds)

    def sleep(self, seconds):
        """Sleep as the code under test does."""
        self.sleeps.append(seconds)
        if self._on_sleep is None:
            self.pass_time(seconds)
        else:
            self._on_sleep(self, seconds)

    def start(self, function):
        """Run a task until it waits for the first time."""
        task = self.spawn(function)
        self.pass_time(0.0)
        return task

"""Open schedules: when the next message is due, regardless of the last one.

A schedule never sleeps and never reads a clock; it says when a message is due, in seconds since its start, so a test of
it takes no time. It does not wait for answers: a slow system gets its messages all the same, as it would from the
outside world.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.behaviour.arrivals import Arrivals
from simulator.behaviour.profiles.base import Profile
from simulator.behaviour.profiles.constant import ConstantProfile

# What rounding may make of a profile's last whole message.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When messages are due: arrivals at the rate of a profile."""

    arrivals: Arrivals
    profile: Profile

    def due_seconds(self, expected: float) -> float | None:
        """Return when so many messages are expected, infinity meaning never; None if the profile ends before."""
        if expected - self.profile.messages > _ROUNDING * max(1.0, self.profile.messages):
            return None
        return self.profile.time_of(min(expected, self.profile.messages))

    def __str__(self) -> str:
        return f"{self.profile}, {self.arrivals}"


def at_rate(rate_per_second: float, arrivals: Arrivals) -> Schedule:
    """Return the schedule at one rate without an end; 0 is a pause until another schedule takes its place."""
    return Schedule(arrivals=arrivals, profile=ConstantProfile(rate_per_second))


@dataclass(frozen=True, kw_only=True)
class RunningSchedule:
    """The progress of a schedule that started at `start_seconds` of some clock: message `number`, 0 for none yet.

    When it was due, at `due_at` by that clock, `expected` messages were expected.
    """

    schedule: Schedule
    start_seconds: float
    due_at: float
    number: int = 0
    expected: float = 0.0

    @classmethod
    def starting(cls, schedule: Schedule, now: float) -> RunningSchedule:
        """Return the progress of a schedule that starts now."""
        return cls(schedule=schedule, start_seconds=now, due_at=now)

    def next(self, u: float) -> RunningSchedule | None:
        """Return the same one message later, `u` being its draw; None if no further message is due."""
        number = self.number + 1
        expected = self.schedule.arrivals.next_expected(self.expected, number, u)
        due_seconds = self.schedule.due_seconds(expected)
        if due_seconds is None:
            return None
        return RunningSchedule(
            schedule=self.schedule,
            start_seconds=self.start_seconds,
            due_at=self.start_seconds + due_seconds,
            number=number,
            expected=expected,
        )

"""Open schedules: when the next message is due, regardless of the last one.

A schedule never sleeps and never reads a clock; it says when a message is due, in seconds since its start, so a test of
it takes no time. It does not wait for answers: a slow system gets its messages all the same, as it would from the
outside world.

To make one of your own: a frozen dataclass here with `name`, `read`, `next_due` and `__str__`, and its `read` in
`SCHEDULES`. A rate that changes needs only the number of messages that are expected by some time, and the
inverse of that: message n of a regular schedule is due when n are expected, and one of a Poisson process when
-ln(1 - u) more are expected than by the last due time (Cinlar, Introduction to Stochastic Processes, 1975, chapter 4).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from simulator.behaviour.delays import no_samples
from simulator.behaviour.distributions import ReadSamples
from simulator.behaviour.draws import FIRST_VISIT, draw
from simulator.behaviour.notation import Arguments, Expression, parse, read_expression
from simulator.nearest import unknown_choice, unknown_name


@dataclass(frozen=True)
class Schedule(ABC):
    """When messages are due; `needs_rate` says whether the load's own rate applies, or what the notation says."""

    name: ClassVar[str]
    needs_rate: ClassVar[bool] = False

    @abstractmethod
    def next_due(self, last_due_seconds: float, number: int, u: float) -> float | None:
        """Return when message `number`, counted from 1, is due; None if no further message is.

        Times are in seconds since the schedule began, never before `last_due_seconds`: that of message `number - 1`, 0
        for the first. `u` is the message's own draw, uniform in (0, 1).
        """

    def at_rate(self, rate_per_second: float) -> Schedule:
        """Return the schedule at a rate; one that needs none stays as it is."""
        return self

    @abstractmethod
    def __str__(self) -> str:
        """Return the schedule in the notation that `parse_schedule` reads."""


@dataclass(frozen=True)
class RatedSchedule(Schedule):
    """A schedule at a fixed rate, which is written beside it and not in it: `{rate: 20/s, arrivals: poisson}`.

    At a rate of 0 it is paused: the next message is due at infinity, until another schedule takes its place.
    """

    needs_rate: ClassVar[bool] = True
    rate_per_second: float = 1.0

    @classmethod
    def read(cls, _arguments: Arguments, _: ReadSamples) -> Self:
        """Read no values."""
        return cls()

    def at_rate(self, rate_per_second: float) -> Self:
        """Return the schedule at another rate."""
        return replace(self, rate_per_second=rate_per_second)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class ConstantArrivals(RatedSchedule):
    """One message every 1 / rate seconds: `constant`."""

    name: ClassVar[str] = "constant"

    def next_due(self, last_due_seconds: float, number: int, u: float) -> float:
        """Return number / rate, not a sum: it is as exact for the ten-millionth message as for the first."""
        return number / self.rate_per_second if self.rate_per_second else math.inf


@dataclass(frozen=True)
class PoissonArrivals(RatedSchedule):
    """A Poisson process, in which gaps are exponential with mean 1 / rate: `poisson`."""

    name: ClassVar[str] = "poisson"

    def next_due(self, last_due_seconds: float, number: int, u: float) -> float:
        """Return the last due time and -ln(1 - u) / rate more."""
        return last_due_seconds - math.log1p(-u) / self.rate_per_second if self.rate_per_second else math.inf


@dataclass(frozen=True)
class RunningSchedule:
    """The progress of a schedule that started at `start_seconds` of some clock: message `number`, 0 for none yet."""

    schedule: Schedule
    start_seconds: float
    number: int = 0
    last_due_seconds: float = 0.0

    @property
    def due_at(self) -> float:
        """Return when message `number` was due, or the schedule started, by that clock."""
        return self.start_seconds + self.last_due_seconds

    def next(self, u: float) -> RunningSchedule | None:
        """Return the same one message later; None if no further message is due."""
        number = self.number + 1
        due_seconds = self.schedule.next_due(self.last_due_seconds, number, u)
        return None if due_seconds is None else RunningSchedule(self.schedule, self.start_seconds, number, due_seconds)


SCHEDULES: dict[str, Callable[[Arguments, ReadSamples], Schedule]] = {
    ConstantArrivals.name: ConstantArrivals.read,
    PoissonArrivals.name: PoissonArrivals.read,
}


def parse_schedule(text: object, read_samples: ReadSamples = no_samples) -> Schedule:
    """Return a schedule from its notation: its name, and its arguments in parentheses, if it takes any.

    Raise NotationError, a ValueError that shows the place, or ValueError if the text is not such a name.
    """
    if isinstance(text, str) and "(" in text:
        expression = parse(text)
    elif isinstance(text, str) and text in SCHEDULES:
        expression = Expression(text, (), text, 0, len(text))
    else:
        raise ValueError(unknown_choice(text, SCHEDULES))
    reader = SCHEDULES.get(expression.name)
    if reader is None:
        raise expression.error(unknown_name(f"there are no arrivals {expression.name!r}", expression.name, SCHEDULES))
    return read_expression(expression, lambda arguments: reader(arguments, read_samples))


def arrival_draw(seed: int, stage: str, number: int) -> float:
    """Return u, drawn for the arrival of the `number`th message that a stage creates."""
    return draw(seed, stage, str(number), FIRST_VISIT, "arrival")

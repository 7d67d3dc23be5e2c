"""Arrivals: how messages follow each other, whatever their rate.

They are those of a process with rate 1, whose time is counted in expected messages; a load profile says when so many
are expected. To make one of your own: a frozen dataclass here with `name`, `read`, `next_expected` and `__str__`,
and its `read` in `ARRIVALS`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from simulator.behaviour.draws import FIRST_VISIT, draw
from simulator.behaviour.notation import Arguments, Expression, parse, read_expression
from simulator.nearest import unknown_choice, unknown_name

_MAX_DISPERSION = 10_000.0


@dataclass(frozen=True)
class Arrivals(ABC):
    """How messages follow each other."""

    name: ClassVar[str]

    @classmethod
    def read(cls, _arguments: Arguments) -> Self:
        """Read no values."""
        return cls()

    @property
    @abstractmethod
    def dispersion(self) -> float:
        """Return the index of dispersion: the variance of the number of messages in a long time over its mean."""

    @abstractmethod
    def next_expected(self, last_expected: float, number: int, u: float) -> float:
        """Return how many messages are expected when message `number`, counted from 1, is due.

        `last_expected` is that of message `number - 1`, 0 for the first; `u` is the message's own draw, uniform in
        (0, 1). Never less than `last_expected`.
        """

    def __str__(self) -> str:
        """Return the arrivals in the notation that `parse_arrivals` reads."""
        return self.name


@dataclass(frozen=True)
class ConstantArrivals(Arrivals):
    """Message n is due when n are expected: `constant`."""

    name: ClassVar[str] = "constant"

    @property
    def dispersion(self) -> float:
        """Return 0: the number never varies."""
        return 0.0

    def next_expected(self, last_expected: float, number: int, u: float) -> float:
        """Return the number, not a sum: it is as exact for the ten-millionth message as for the first."""
        return float(number)


@dataclass(frozen=True)
class PoissonArrivals(Arrivals):
    """A Poisson process, in which gaps are exponential: `poisson`."""

    name: ClassVar[str] = "poisson"

    @property
    def dispersion(self) -> float:
        """Return 1: the number of messages in any time has a Poisson distribution."""
        return 1.0

    def next_expected(self, last_expected: float, number: int, u: float) -> float:
        """Return -ln(1 - u) more than for the last message."""
        return last_expected - math.log1p(-u)


@dataclass(frozen=True)
class BurstyArrivals(Arrivals):
    """Bursts of messages that are due together, bursts being a Poisson process: `bursts(10)`.

    The number B of messages in a burst is geometric with mean m, which makes the arrivals a compound Poisson process.
    The number of messages in any time t has the mean t E[B] / m and the variance t E[B^2] / m (Ross, Introduction to
    Probability Models, section 5.4.2), so the index of dispersion is E[B^2] / E[B] = 2 m - 1 in windows of any length
    (Gusella, Characterizing the Variability of Arrival Processes with Indexes of Dispersion, IEEE JSAC 9(2), 1991).
    The configured index I gives m = (I + 1) / 2; with I = 1 every burst is one message, and the process Poisson's.
    """

    name: ClassVar[str] = "bursts"
    index: float

    @classmethod
    def read(cls, arguments: Arguments) -> BurstyArrivals:
        """Read the index of dispersion."""
        return cls(arguments.number("dispersion"))

    def __post_init__(self) -> None:
        if not 1 <= self.index <= _MAX_DISPERSION:
            raise ValueError(f"dispersion must be between 1 and {_MAX_DISPERSION:.0f}, not {self.index:g}")

    @property
    def dispersion(self) -> float:
        """Return the index of dispersion."""
        return self.index

    @property
    def burst_messages(self) -> float:
        """Return the mean number of messages in a burst."""
        return (self.index + 1) / 2

    def next_expected(self, last_expected: float, number: int, u: float) -> float:
        """Return the same as for the last message, or, with probability 1 / m, an exponential gap of mean m more."""
        ends_ratio = 1 / self.burst_messages
        if number > 1 and u >= ends_ratio:
            return last_expected
        # Given that the burst ends, u is uniform below 1 / m; the first message always begins one.
        within = u if number == 1 else u / ends_ratio
        return last_expected - self.burst_messages * math.log1p(-within)

    def __str__(self) -> str:
        return f"{self.name}({f'{self.index!r}'.removesuffix('.0')})"


ARRIVALS: dict[str, Callable[[Arguments], Arrivals]] = {
    PoissonArrivals.name: PoissonArrivals.read,
    ConstantArrivals.name: ConstantArrivals.read,
    BurstyArrivals.name: BurstyArrivals.read,
}


def parse_arrivals(text: object) -> Arrivals:
    """Return arrivals from their notation: a name, with values in parentheses if it takes any.

    Raise NotationError, a ValueError that shows the place, or ValueError if the text is not such a name.
    """
    if isinstance(text, str) and "(" in text:
        expression = parse(text)
    elif isinstance(text, str) and text in ARRIVALS:
        expression = Expression(text, (), text, 0, len(text))
    else:
        raise ValueError(unknown_choice(text, ARRIVALS))
    reader = ARRIVALS.get(expression.name)
    if reader is None:
        raise expression.error(unknown_name(f"there are no arrivals {expression.name!r}", expression.name, ARRIVALS))
    return read_expression(expression, reader)


def arrival_draw(seed: int, stage: str, number: int) -> float:
    """Return u, drawn for the arrival of the `number`th message that a stage creates."""
    return draw(seed, stage, str(number), FIRST_VISIT, "arrival")

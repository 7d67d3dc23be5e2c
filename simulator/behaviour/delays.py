"""The delays: how long a stage pretends to work, by their names in a configuration."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from simulator.behaviour.distributions import (
    Constant,
    Delay,
    Exponential,
    Lognormal,
    Normal,
    Pareto,
    ReadSamples,
    Uniform,
)
from simulator.behaviour.empirical import Percentiles, Samples
from simulator.behaviour.notation import Arguments, Expression, parse, read_expression
from simulator.nearest import nearest, unknown_name
from simulator.quoting import quoted
from simulator.units import format_ratio, parse_duration

_RANGE = re.compile(r"([0-9.]+\s?[a-zµμ]{1,3})\s*(?:-|\.\.|to)\s*([0-9.]+\s?[a-zµμ]{1,3})")
_PERCENTILE = re.compile(r"p[0-9]{1,2}(\.[0-9]+)?")
_MAX_VALUE = 20  # characters of a duration
_STARTS_WITH_DIGIT = re.compile(r"\s*[0-9.]")


@dataclass(frozen=True)
class Mixture(Delay):
    """Several delays, each for a share of the messages: `mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))`."""

    parts: tuple[tuple[float, Delay], ...]

    @classmethod
    def read(cls, arguments: Arguments, read_samples: ReadSamples) -> Mixture:
        """Read any number of shares with their delays."""
        kind = type(arguments)
        parts = [(share, build_delay(inner, read_samples, kind)) for share, inner in arguments.weighted()]
        if not parts:
            raise arguments.missing("parts, as in 95%: constant(10ms), 5%: constant(1s)")
        return cls(tuple(parts))

    def __post_init__(self) -> None:
        total = sum(share for share, _ in self.parts)
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise ValueError(f"the shares of a mixture must add up to 100%, not {total * 100:.12g}%")

    def quantile(self, u: float) -> float:
        """Return the inverse of the mixture's cdf, found by bisection to a nanosecond.

        It lies between the smallest and the largest of the parts' quantiles at u.
        """
        bounds = [part.quantile(u) for _, part in self.parts]
        low, high = min(bounds), max(bounds)
        if self.cdf(low) >= u:
            return low
        while high - low > 1e-9 and low < (middle := (low + high) / 2) < high:
            if self.cdf(middle) >= u:
                high = middle
            else:
                low = middle
        return high

    def cdf(self, seconds: float) -> float:
        """Return the weighted sum of the parts' cdfs."""
        return sum(share * part.cdf(seconds) for share, part in self.parts)

    def __str__(self) -> str:
        return f"mixture({', '.join(f'{format_ratio(share)}: {part}' for share, part in self.parts)})"


@dataclass(frozen=True)
class Growing(Delay):
    """A delay that grows with the stage's own utilisation: `growing(exponential(20ms), full=3)`.

    It is `full` times as long when every worker is busy, including the message's own, and grows linearly from the
    idle stage's delay to that. Its quantile and cdf are those of a utilisation of 0.
    """

    name: ClassVar[str] = "growing"
    idle: Delay
    full: float

    @classmethod
    def read(cls, arguments: Arguments, read_samples: ReadSamples) -> Growing:
        """Read the delay of an idle stage, and how many times longer it is at full load."""
        idle = build_delay(arguments.inner("delay"), read_samples)
        return cls(idle, arguments.number("full"))

    def __post_init__(self) -> None:
        if not 1 <= self.full <= 1000:
            raise ValueError(f"full must be between 1 and 1000, not {self.full:g}")

    def quantile(self, u: float) -> float:
        """Return that of the idle stage."""
        return self.idle.quantile(u)

    def under_load(self, u: float, utilisation: float) -> float:
        """Return the idle stage's quantile, stretched for the utilisation."""
        return self.idle.quantile(u) * (1 + (self.full - 1) * utilisation)

    def cdf(self, seconds: float) -> float:
        """Return that of the idle stage."""
        return self.idle.cdf(seconds)

    def __str__(self) -> str:
        return f"{self.name}({self.idle}, full={f'{self.full!r}'.removesuffix('.0')})"


DELAYS: dict[str, Callable[[Arguments, ReadSamples], Delay]] = {
    "constant": Constant.read,
    "uniform": Uniform.read,
    "exponential": Exponential.read,
    "normal": Normal.read,
    "lognormal": Lognormal.read,
    "percentiles": Percentiles.read,
    "pareto": Pareto.read,
    "mixture": Mixture.read,
    "samples": Samples.read,
}

EXAMPLES = {
    "constant": "15ms",
    "uniform": "uniform(5ms, 50ms)",
    "exponential": "exponential(20ms)",
    "normal": "normal(20ms, 5ms)",
    "lognormal": "lognormal(p50=12ms, p99=80ms)",
    "percentiles": "percentiles(p50=10ms, p99=200ms)",
    "pareto": "pareto(min=5ms, shape=1.5)",
    "mixture": "mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))",
    "samples": "samples(FILE)",
    Growing.name: "growing(exponential(20ms), full=3)",
}


def no_samples(path: str) -> tuple[str, Sequence[float]]:
    """Raise ValueError: there are no files of samples here."""
    raise ValueError("files of samples can't be read here")


def parse_delay(text: object, read_samples: ReadSamples = no_samples) -> Delay:
    """Return the delay in a text like "uniform(5ms, 50ms)", or the constant one in "15ms".

    Raise NotationError, which shows the mistake, or ValueError if the text is neither.
    """
    if not isinstance(text, str) or "(" not in text:
        return Constant(_duration_in(text))
    return build_delay(parse(text), read_samples, outermost=True)


def build_delay(
    expression: Expression, read_samples: ReadSamples, kind: type[Arguments] = Arguments, outermost: bool = False
) -> Delay:
    """Return the delay that an expression describes; `kind` reads the values in its parentheses."""
    reader = DELAYS.get(expression.name)
    if expression.name == Growing.name and outermost:
        reader = Growing.read
    if reader is None:
        names = [*DELAYS, *([Growing.name] if outermost else [])]
        raise expression.error(unknown_name(f"there is no delay {expression.name!r} here", expression.name, names))
    return read_expression(expression, lambda arguments: reader(arguments, read_samples), kind)


def _duration_in(text: object) -> float:
    """Return the duration that stands for a constant delay. Raise ValueError, with what to write, if it is none."""
    if isinstance(text, str) and (meant := nearest(text.strip(), [*DELAYS, Growing.name])):
        raise ValueError(f"{quoted(text)} has no values: write {EXAMPLES[meant]}")
    if isinstance(text, str) and (bounds := _RANGE.fullmatch(text.strip())):
        raise ValueError(f"{quoted(text)} is not a delay: write uniform({bounds[1]}, {bounds[2]})")
    if isinstance(text, Mapping) and (written := _notation_of(text)):
        raise ValueError(f"{quoted(text)} is not a delay: write {written}")
    if not isinstance(text, str | int | float) or isinstance(text, bool) or not _STARTS_WITH_DIGIT.match(str(text)):
        raise ValueError(f"{quoted(text)} is neither a duration, as in 15ms, nor a delay, as in uniform(5ms, 50ms)")
    return parse_duration(text)


def _notation_of(given: Mapping[Any, Any]) -> str:
    """Return the notation of the delay whose values were written as a mapping; "" if it is not known which."""
    if not all(isinstance(value, str | int | float) and len(str(value)) <= _MAX_VALUE for value in given.values()):
        return ""
    values = {str(key).lower(): str(value) for key, value in given.items()}
    keyed = ", ".join(f"{key}={value}" for key, value in values.items())
    names = frozenset(values)
    for low, high in (("min", "max"), ("low", "high"), ("from", "to")):
        if names == {low, high}:
            return f"uniform({values[low]}, {values[high]})"
    if names in ({"p50", "p99"}, {"p50", "p99", "max"}):
        return f"lognormal({keyed})"
    if "p50" in names and all(_PERCENTILE.fullmatch(name) for name in names - {"max"}):
        return f"percentiles({keyed})"
    return f"exponential({values['mean']})" if names == {"mean"} else ""

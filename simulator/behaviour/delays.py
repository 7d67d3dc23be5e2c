"""The delays: how long a stage pretends to work, by the name that stands in a configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
from simulator.behaviour.notation import Arguments, Expression, NotationError, parse
from simulator.units import format_ratio


@dataclass(frozen=True)
class Mixture(Delay):
    """Some messages one way, the others another: `mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))`."""

    parts: tuple[tuple[float, Delay], ...]

    @classmethod
    def read(cls, arguments: Arguments, read_samples: ReadSamples) -> Mixture:
        """Take any number of shares with their delays."""
        parts = [(share, build_delay(inner, read_samples)) for share, inner in arguments.weighted()]
        if not parts:
            raise arguments.expression.error("mixture lacks its parts, as in 95%: constant(10ms), 5%: constant(1s)")
        return cls(tuple(parts))

    def __post_init__(self) -> None:
        total = sum(share for share, _ in self.parts)
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise ValueError(f"the shares of a mixture must add up to 100%, not {total * 100:g}%")

    def quantile(self, u: float) -> float:
        """Invert the mixture's own cdf by bisection, to a nanosecond.

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
        """Weigh the parts' shares."""
        return sum(share * part.cdf(seconds) for share, part in self.parts)

    def __str__(self) -> str:
        return f"mixture({', '.join(f'{format_ratio(share)}: {part}' for share, part in self.parts)})"


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


def no_samples(path: str) -> tuple[str, Sequence[float]]:
    """Refuse to read a file of samples, where nothing is known about files."""
    raise ValueError("files of samples can't be read here")


def parse_delay(text: str, read_samples: ReadSamples = no_samples) -> Delay:
    """Read a delay, as in "uniform(5ms, 50ms)". Raise NotationError, a ValueError, that shows the place."""
    return build_delay(parse(text), read_samples)


def build_delay(expression: Expression, read_samples: ReadSamples) -> Delay:
    """Make the delay that an expression stands for."""
    reader = DELAYS.get(expression.name)
    if reader is None:
        raise expression.error(f"there is no delay {expression.name!r}; there are {', '.join(DELAYS)}")
    arguments = Arguments(expression)
    try:
        delay = reader(arguments, read_samples)
    except ValueError as error:
        raise error if isinstance(error, NotationError) else expression.error(str(error)) from None
    arguments.finish()
    return delay

"""The distributions given by a formula.

A delay is its quantile function, so its percentiles are exact, a test of it needs no clock, and a prediction can use
the same function as the live stage. To make one of your own: a frozen dataclass here with `read`, `quantile`,
`cdf` and `__str__`, and its name in `delays.DELAYS`.
"""

from __future__ import annotations

import functools
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from simulator.behaviour.notation import Arguments
from simulator.units import format_duration

if TYPE_CHECKING:
    from statistics import NormalDist

# From a path as written to the whole path and the seconds in the file.
ReadSamples = Callable[[str], tuple[str, Sequence[float]]]


@functools.cache
def _normal() -> NormalDist:
    """Return the standard normal distribution."""
    from statistics import NormalDist  # noqa: PLC0415 - many stages need none, and it takes memory

    return NormalDist()


@dataclass(frozen=True)
class Delay(ABC):
    """A distribution of durations in seconds, none of them negative; `is_constant` means that it has only one value."""

    is_constant: ClassVar[bool] = False

    @abstractmethod
    def quantile(self, u: float) -> float:
        """Return the seconds that a share u of all delays does not exceed; u in (0, 1). Never decreases as u grows."""

    def under_load(self, u: float, utilisation: float) -> float:
        """Return the quantile in a stage with this share of its workers busy, 0 to 1: the same, for most delays."""
        return self.quantile(u)

    @abstractmethod
    def cdf(self, seconds: float) -> float:
        """Return the share of delays that do not exceed `seconds`, 0 to 1."""

    @abstractmethod
    def __str__(self) -> str:
        """Return the delay in the notation that `parse_delay` reads."""


@dataclass(frozen=True)
class Constant(Delay):
    """Always the same: `constant(10ms)`."""

    is_constant: ClassVar[bool] = True
    value_seconds: float

    @classmethod
    def read(cls, arguments: Arguments, _: ReadSamples) -> Constant:
        """Read the value."""
        return cls(arguments.duration("value"))

    def quantile(self, u: float) -> float:
        """Return the value."""
        return self.value_seconds

    def under_load(self, u: float, utilisation: float) -> float:
        """Return the value."""
        return self.value_seconds

    def cdf(self, seconds: float) -> float:
        """Return 0 below the value, 1 from there on."""
        return float(seconds >= self.value_seconds)

    def __str__(self) -> str:
        return f"constant({format_duration(self.value_seconds)})"


NO_DELAY = Constant(0.0)


@dataclass(frozen=True)
class Uniform(Delay):
    """Every value between two bounds with equal probability: `uniform(5ms, 50ms)`."""

    low_seconds: float
    high_seconds: float

    @classmethod
    def read(cls, arguments: Arguments, _: ReadSamples) -> Uniform:
        """Read the two bounds."""
        return cls(arguments.duration("low"), arguments.duration("high"))

    def __post_init__(self) -> None:
        _rising("low", self.low_seconds, "high", self.high_seconds)

    def quantile(self, u: float) -> float:
        """Return low + u (high - low)."""
        return self.low_seconds + u * (self.high_seconds - self.low_seconds)

    def cdf(self, seconds: float) -> float:
        """Return (t - low) / (high - low), within 0 and 1."""
        if seconds >= self.high_seconds:
            return 1.0
        return max(0.0, (seconds - self.low_seconds) / (self.high_seconds - self.low_seconds))

    def __str__(self) -> str:
        return f"uniform({format_duration(self.low_seconds)}, {format_duration(self.high_seconds)})"


@dataclass(frozen=True)
class Exponential(Delay):
    """The service time of queueing theory's M/M/c: `exponential(20ms)` has a mean of 20 ms."""

    mean_seconds: float

    @classmethod
    def read(cls, arguments: Arguments, _: ReadSamples) -> Exponential:
        """Read the mean."""
        return cls(arguments.duration("mean"))

    def __post_init__(self) -> None:
        _positive("mean", self.mean_seconds)

    def quantile(self, u: float) -> float:
        """Return -mean ln(1 - u)."""
        return -self.mean_seconds * math.log1p(-u)

    def cdf(self, seconds: float) -> float:
        """Return 1 - exp(-t / mean)."""
        return -math.expm1(-max(0.0, seconds) / self.mean_seconds)

    def __str__(self) -> str:
        return f"exponential({format_duration(self.mean_seconds)})"


@dataclass(frozen=True)
class Normal(Delay):
    """The normal distribution with 0 for negative values: `normal(20ms, 5ms)` has a standard deviation of 5 ms."""

    mean_seconds: float
    deviation_seconds: float

    @classmethod
    def read(cls, arguments: Arguments, _: ReadSamples) -> Normal:
        """Read the mean and the standard deviation."""
        return cls(arguments.duration("mean"), arguments.duration("deviation"))

    def __post_init__(self) -> None:
        _positive("deviation", self.deviation_seconds)

    def quantile(self, u: float) -> float:
        """Return mean + deviation z(u), but at least 0."""
        return max(0.0, self.mean_seconds + self.deviation_seconds * _normal().inv_cdf(u))

    def cdf(self, seconds: float) -> float:
        """Return the normal distribution's cdf, and 0 below 0 seconds."""
        return 0.0 if seconds < 0 else _normal().cdf((seconds - self.mean_seconds) / self.deviation_seconds)

    def __str__(self) -> str:
        return f"normal({format_duration(self.mean_seconds)}, {format_duration(self.deviation_seconds)})"


@dataclass(frozen=True)
class Lognormal(Delay):
    """The usual shape of a service's latency, by its median and p99: `lognormal(p50=12ms, p99=80ms, max=1s)`.

    With m = ln p50, sigma = (ln p99 - ln p50) / z(0.99). Values above `max` become `max`.
    """

    p50_seconds: float
    p99_seconds: float
    max_seconds: float | None = None

    @classmethod
    def read(cls, arguments: Arguments, _: ReadSamples) -> Lognormal:
        """Read p50, p99 and, by its key, max."""
        return cls(arguments.duration("p50"), arguments.duration("p99"), arguments.keyed_duration("max"))

    def __post_init__(self) -> None:
        _positive("p50", self.p50_seconds)
        _rising("p50", self.p50_seconds, "p99", self.p99_seconds)
        if self.max_seconds is not None:
            _rising("p50", self.p50_seconds, "max", self.max_seconds)

    @property
    def sigma(self) -> float:
        """Return the standard deviation of the logarithm."""
        return math.log(self.p99_seconds / self.p50_seconds) / _normal().inv_cdf(0.99)

    def quantile(self, u: float) -> float:
        """Return exp(m + sigma z(u)), but at most `max`."""
        return _capped(self.p50_seconds * _exp(self.sigma * _normal().inv_cdf(u)), self.max_seconds)

    def cdf(self, seconds: float) -> float:
        """Return the standard normal cdf of (ln t - m) / sigma, and 1 from `max` on."""
        if self.max_seconds is not None and seconds >= self.max_seconds:
            return 1.0
        share = seconds / self.p50_seconds
        return 0.0 if share <= 0 else _normal().cdf(math.log(share) / self.sigma)

    def __str__(self) -> str:
        points = f"p50={format_duration(self.p50_seconds)}, p99={format_duration(self.p99_seconds)}"
        return f"lognormal({points}{_max_text(self.max_seconds)})"


@dataclass(frozen=True)
class Pareto(Delay):
    """A heavy tail: `pareto(min=5ms, shape=1.5, max=5s)`; smaller shapes are heavier. Above `max` is `max`."""

    min_seconds: float
    shape: float
    max_seconds: float | None = None

    @classmethod
    def read(cls, arguments: Arguments, _: ReadSamples) -> Pareto:
        """Read min, shape and, by its key, max."""
        return cls(arguments.duration("min"), arguments.number("shape"), arguments.keyed_duration("max"))

    def __post_init__(self) -> None:
        _positive("min", self.min_seconds)
        if not 0.1 <= self.shape <= 100:
            raise ValueError(f"shape {self.shape:g} is out of range: must be between 0.1 and 100")
        if self.max_seconds is not None:
            _rising("min", self.min_seconds, "max", self.max_seconds)

    def quantile(self, u: float) -> float:
        """Return min (1 - u)^(-1 / shape), but at most `max`."""
        return _capped(self.min_seconds * _exp(-math.log1p(-u) / self.shape), self.max_seconds)

    def cdf(self, seconds: float) -> float:
        """Return 1 - (min / t)^shape, and 1 from `max` on."""
        if self.max_seconds is not None and seconds >= self.max_seconds:
            return 1.0
        return 0.0 if seconds <= self.min_seconds else 1 - (self.min_seconds / seconds) ** self.shape

    def __str__(self) -> str:
        return f"pareto(min={format_duration(self.min_seconds)}, shape={self.shape!r}{_max_text(self.max_seconds)})"


def _positive(name: str, seconds: float) -> None:
    if seconds <= 0:
        raise ValueError(f"{name} must be more than 0")


def _rising(low_name: str, low: float, high_name: str, high: float) -> None:
    if high <= low:
        raise ValueError(
            f"{high_name} must be more than {low_name}: {format_duration(high)} is not more than {format_duration(low)}"
        )


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return sys.float_info.max


def _capped(seconds: float, max_seconds: float | None) -> float:
    return seconds if max_seconds is None else min(seconds, max_seconds)


def _max_text(max_seconds: float | None) -> str:
    return "" if max_seconds is None else f", max={format_duration(max_seconds)}"

"""The distributions that are known only by points: named percentiles, and measured samples."""

from __future__ import annotations

import bisect
import math
import re
from dataclasses import dataclass

from simulator.behaviour.distributions import Delay, ReadSamples
from simulator.behaviour.notation import Arguments
from simulator.units import format_duration, format_ratio


@dataclass(frozen=True)
class Percentiles(Delay):
    """Straight lines between given percentiles: `percentiles(p50=10ms, p90=40ms, p99=200ms, max=2s)`.

    The line begins at 0, or at `p0`, and ends at `max`; without `max` nothing exceeds the last percentile.
    """

    points: tuple[tuple[float, float], ...]

    @classmethod
    def read(cls, arguments: Arguments, _: ReadSamples) -> Percentiles:
        """Read any number of percentiles and, by its key, max."""
        points = arguments.percentiles()
        last = arguments.keyed_duration("max")
        if not points:
            raise arguments.missing("percentiles, as in p50=10ms, p99=80ms")
        if points[0][0] > 0:
            points = [(0.0, 0.0), *points]
        return cls((*points, (1.0, points[-1][1] if last is None else last)))

    def __post_init__(self) -> None:
        for (low, low_seconds), (high, high_seconds) in zip(self.points, self.points[1:], strict=False):
            if high <= low or high_seconds < low_seconds:
                raise ValueError(
                    f"percentiles must rise: {_percentile(low)}={format_duration(low_seconds)} comes before "
                    f"{_percentile(high)}={format_duration(high_seconds)}"
                )

    def quantile(self, u: float) -> float:
        """Return the line's value at u, interpolated between the two points around it."""
        after = bisect.bisect_right(self.points, u, key=lambda point: point[0])
        (low, low_seconds), (high, high_seconds) = self.points[after - 1], self.points[min(after, len(self.points) - 1)]
        return low_seconds if high == low else low_seconds + (u - low) / (high - low) * (high_seconds - low_seconds)

    def cdf(self, seconds: float) -> float:
        """Return the largest share at which the line does not exceed `seconds`."""
        after = bisect.bisect_right(self.points, seconds, key=lambda point: point[1])
        if after == 0:
            return 0.0
        if after == len(self.points):
            return 1.0
        (low, low_seconds), (high, high_seconds) = self.points[after - 1], self.points[after]
        return low + (seconds - low_seconds) / (high_seconds - low_seconds) * (high - low)

    def __str__(self) -> str:
        return f"percentiles({', '.join(f'{_percentile(u)}={format_duration(s)}' for u, s in self.points)})"


@dataclass(frozen=True)
class Samples(Delay):
    """Delays that were measured elsewhere, one per line of a file: `samples(latencies.txt)`."""

    path: str
    sorted_seconds: tuple[float, ...]

    @classmethod
    def read(cls, arguments: Arguments, read_samples: ReadSamples) -> Samples:
        """Read the file that the path names."""
        path = arguments.text("FILE")
        try:
            whole_path, seconds = read_samples(path)
            return cls(whole_path, tuple(sorted(seconds)))
        except (OSError, ValueError) as error:
            raise arguments.expression.error(f"samples({path}) can't be used: {error}") from None

    def __post_init__(self) -> None:
        if not self.sorted_seconds:
            raise ValueError("the file has no samples")

    def quantile(self, u: float) -> float:
        """Return the smallest sample that a share u of the samples does not exceed."""
        # In floats 0.07 * 100 is a little more than 7; rounding gives the rank that is meant.
        rank = math.ceil(round(u * len(self.sorted_seconds), 9))
        return self.sorted_seconds[max(1, rank) - 1]

    def cdf(self, seconds: float) -> float:
        """Return the share of the samples that do not exceed `seconds`."""
        return bisect.bisect_right(self.sorted_seconds, seconds) / len(self.sorted_seconds)

    def __str__(self) -> str:
        return f'samples("{self.path}")' if re.search(r"[,()=:]", self.path) else f"samples({self.path})"


def _percentile(u: float) -> str:
    return "max" if u == 1 else f"p{format_ratio(u).rstrip('%')}"

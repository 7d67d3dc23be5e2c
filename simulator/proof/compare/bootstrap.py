"""Estimates with their standard errors, by a block bootstrap.

Messages that follow each other are correlated: they wait in the same queues. Resampling them one by one would take them
for independent, and find differences where there is only noise. So a run is cut into blocks of messages that followed
each other, and whole blocks are drawn, with replacement (Künsch, The Jackknife and the Bootstrap for General Stationary
Observations, 1989; blocks that do not overlap: Carlstein, 1986). A block is far longer than a queue's memory, or the
noise is underestimated: `blocks_of` makes a few long ones of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Values = np.ndarray[Any, Any]

_MAX_BLOCKS, _MIN_IN_A_BLOCK, MIN_BLOCKS = 40, 10, 8
_RESAMPLES = 400  # so that a standard error is known to 4 %
_BINS = 2000  # so that p99 is exact to a twentieth of a percent of the messages


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its standard error; `blocks` is from how many blocks, `count` from how many messages."""

    value: float
    error: float
    blocks: int
    count: int


def blocks_of(count: int) -> int:
    """Return into how many blocks so many messages are cut; fewer than MIN_BLOCKS say nothing of noise."""
    return min(_MAX_BLOCKS, count // _MIN_IN_A_BLOCK)


def quantile_estimates(values: Values, shares: Sequence[float], generator: np.random.Generator) -> list[Estimate]:
    """Return quantiles of values in the order of time, each with its error."""
    import numpy as np  # noqa: PLC0415 - only what judges a run needs it

    blocks, count = max(1, blocks_of(len(values))), len(values)
    order = np.sort(values)
    edges = np.unique(order[np.linspace(0, count - 1, _BINS).astype(int)])
    bins = np.searchsorted(edges, values, side="left")
    block = np.arange(count) * blocks // count
    counts = np.zeros((blocks, len(edges)))
    np.add.at(counts, (block, bins), 1)
    summed = np.cumsum(_weights(blocks, generator) @ counts, axis=1)
    found = []
    for share in shares:
        places = np.argmax(summed >= share * summed[:, -1:], axis=1)
        error = _spread(edges[places])
        found.append(
            Estimate(
                value=float(np.quantile(values, share, method="inverted_cdf")),
                error=error,
                blocks=blocks_of(count),
                count=count,
            )
        )
    return found


def ratio_estimate(parts: Values, wholes: Values, generator: np.random.Generator) -> Estimate:
    """Return the sum of parts over that of wholes, of values in the order of time; 0 of nothing."""
    import numpy as np  # noqa: PLC0415 - only what judges a run needs it

    count = len(parts)
    if not count or not wholes.sum():
        return Estimate(value=0.0, error=0.0, blocks=0, count=count)
    blocks = min(_MAX_BLOCKS, count)
    block = np.arange(count) * blocks // count
    summed = np.stack([np.bincount(block, weights=of, minlength=blocks) for of in (parts, wholes)], axis=1)
    drawn = _weights(blocks, generator) @ summed
    ratios = drawn[:, 0] / np.maximum(drawn[:, 1], 1e-12)
    return Estimate(value=float(parts.sum() / wholes.sum()), error=_spread(ratios), blocks=blocks, count=count)


def _spread(values: Values) -> float:
    """Return the standard deviation; exactly 0 if all values are the same."""
    import numpy as np  # noqa: PLC0415 - only what judges a run needs it

    return float(np.std(values, ddof=1)) if np.ptp(values) else 0.0


def _weights(blocks: int, generator: np.random.Generator) -> Values:
    """Return how often each block is drawn, a row for each resample."""
    import numpy as np  # noqa: PLC0415 - only what judges a run needs it

    weights: Values = generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=_RESAMPLES).astype(float)
    return weights

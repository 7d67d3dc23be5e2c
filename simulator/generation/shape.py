"""Who calls whom in a generated topology: stages in layers, every call going to a deeper one.

The figures are those published for systems of thousands of services:

- 13% of the services are entries, 39% leaves without calls, 48% in the middle (Winchester, Parisis, Xu, Berthouze,
  "Complexity at Scale: A Quantitative Analysis of an Alibaba Microservice Deployment", arXiv:2504.13141, table 1).
- Over 10% of the services call five others or more, and most have one caller. Call graphs are 4.27 calls deep on
  average with a standard deviation of 3.25, over 4% of them deeper than ten, and over 10% have more than 40 services
  (Luo et al., "Characterizing Microservice Dependency and Performance: Alibaba Trace Analysis", SoCC 2021, 3.1).
- A service calls 1 to 10 others at Alibaba, up to 50 at Meta (Du et al., "A Microservice Graph Generator with
  Production Characteristics", arXiv:2412.19083). Meta's 18,500 services mix all shapes, a few of them called by very
  many (Huye, Shkuro, Sambasivan, "Lifting the veil on Meta's microservice architecture", ATC 2023).

The result, for 1,000 stages and at most 20 visits per message, over twelve seeds: 13% of the callers call five or
more, 74% of the stages are called by one; messages go 3.7 calls deep with a standard deviation of 2.3, 1% of them
deeper than ten, and 5% come to more than 40 stages, half of them to five at most: the tail is lighter than published. A
topology of ten stages follows the same rules, but has too few stages for such shares.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from simulator.generation.chance import Chance

ENTRY_RATIO = 0.13
LEAF_RATIO = 0.39
MAX_CALLED = 10
# P(a stage calls k others or more) = k^-EXPONENT: 10% for k = 5, and 20% for entries, which fan out more.
_CALLED_EXPONENT = 1.43
_CALLED_BY_ENTRY_EXPONENT = 1.0
_LAYERS_PER_DECADE = 4
_MAX_DEFAULT_LAYERS = 15
# Layers get larger up to the fourth, and then smaller.
_LAYER_DECAY = 2.0
_MIN_WEIGHT = 1e-9  # thousands of layers are too deep for the exponential
# The targets of calls beyond the tree: a leaf that many others call, such as a session cache, or any deeper stage.
_HOT_SPOT_RATIO = 0.05
_TO_HOT_SPOT = 0.6


@dataclass(frozen=True)
class Shape:
    """Stages by number, in layers from the entries down, and the numbers that each of them calls."""

    layers: tuple[tuple[int, ...], ...]
    called: tuple[tuple[int, ...], ...]

    def depth_of(self) -> dict[int, int]:
        """Return the layer of each stage, 0 for an entry."""
        return {number: depth for depth, layer in enumerate(self.layers) for number in layer}


def default_layers(count: int) -> int:
    """Return how many layers `count` stages have: four for each factor of ten, from 1 to 15."""
    if count < 3:
        return count
    return max(2, min(_MAX_DEFAULT_LAYERS, round(_LAYERS_PER_DECADE * math.log10(count))))


def make_shape(count: int, layer_count: int, min_entries: int, chance: Chance) -> Shape:
    """Return the shape of `count` stages in `layer_count` layers, with at least `min_entries` in the first."""
    layers = _layers(count, layer_count, min_entries)
    leaves = _leaves(layers, count, chance)
    called: list[dict[int, None]] = [{} for _ in range(count)]
    spare = [_connect(layer, below, leaves, called, chance) for layer, below in pairwise(layers)]
    for depth, callers in enumerate(spare):
        _share(callers, _Deeper(layers, depth + 1, leaves, chance), called)
    return Shape(layers, tuple(map(tuple, called)))


def _layers(count: int, layer_count: int, min_entries: int) -> tuple[tuple[int, ...], ...]:
    if layer_count == 1:
        return (tuple(range(count)),)
    max_entries = count - (layer_count - 1)
    entries = min(max_entries, max(min_entries, round(ENTRY_RATIO * count)))
    weights = [_MIN_WEIGHT + depth**2 * math.exp(-depth / _LAYER_DECAY) for depth in range(2, layer_count + 1)]
    sizes = [entries, *_shared_out(count - entries, weights)]
    starts = [sum(sizes[:depth]) for depth in range(layer_count)]
    return tuple(tuple(range(start, start + size)) for start, size in zip(starts, sizes, strict=True))


def _shared_out(total: int, weights: Sequence[float]) -> list[int]:
    """Split `total` by weight into whole numbers, none of them 0."""
    left = total - len(weights)
    sizes = []
    for weight, weight_left in zip(weights, reversed(list(accumulate(reversed(weights)))), strict=True):
        part = round(left * weight / weight_left)
        sizes.append(1 + part)
        left -= part
    return sizes


def _leaves(layers: Sequence[Sequence[int]], count: int, chance: Chance) -> frozenset[int]:
    """Return the leaves: the whole last layer, no entry, and in between more of the deeper stages.

    Every layer keeps at least half as many callers as the next layer has stages.
    """
    leaves = set(layers[-1])
    keys = {
        number: chance.u(str(number), "leaf") / depth
        for depth, layer in enumerate(layers[1:-1], 1)
        for number in layer[math.ceil(len(layers[depth + 1]) / 2) :]
    }
    wanted = max(0, round(LEAF_RATIO * count) - len(leaves))
    return frozenset(leaves.union(sorted(keys, key=keys.__getitem__)[:wanted]))


def _connect(
    layer: Sequence[int], below: Sequence[int], leaves: frozenset[int], called: list[dict[int, None]], chance: Chance
) -> list[int]:
    """Find a caller for each stage of the layer below; return the callers with calls left, once for each call."""
    callers = [number for number in layer if number not in leaves]
    exponent = _CALLED_BY_ENTRY_EXPONENT if layer[0] == 0 else _CALLED_EXPONENT
    counts = {number: _wanted_calls(number, exponent, chance) for number in callers}
    while sum(counts.values()) < len(below):
        counts = {number: min(MAX_CALLED, count + 1) for number, count in counts.items()}
    wanted = [number for number, count in counts.items() for _ in range(count)]
    wanted = chance.shuffled(wanted, f"layer {layer[0]}", "callers")
    for caller, number in zip(wanted, below, strict=False):
        called[caller][number] = None
    return wanted[len(below) :]


def _wanted_calls(number: int, exponent: float, chance: Chance) -> int:
    u = chance.u(str(number), "how many it calls")
    return min(MAX_CALLED, int((1 - u) ** (-1 / exponent)))


class _Deeper:
    """Targets of calls beyond the tree: stages from a depth on, hot spots more often than others."""

    def __init__(self, layers: Sequence[Sequence[int]], depth: int, leaves: frozenset[int], chance: Chance) -> None:
        self._all = range(layers[depth][0], layers[-1][-1] + 1)
        hot = [number for number in self._all if number in leaves]
        self._hot = hot[-max(1, round(_HOT_SPOT_RATIO * len(self._all))) :]
        self._chance = chance

    def candidates(self, caller: int, call: int) -> Iterator[int]:
        """Yield a few targets, the first of which is usually free."""
        about = f"{caller} {call}"
        for number in range(4):
            pool = self._hot if self._chance.happens(_TO_HOT_SPOT, about, f"hot {number}") else self._all
            yield self._chance.one_of(pool, about, f"target {number}")


def _share(callers: Sequence[int], deeper: _Deeper, called: list[dict[int, None]]) -> None:
    for call, caller in enumerate(callers):
        free = (number for number in deeper.candidates(caller, call) if number not in called[caller])
        number = next(free, None)
        if number is not None:
            called[caller][number] = None

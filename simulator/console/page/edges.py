"""The lines between the cards: their points, thickness and kind."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from simulator.console.page.drawing import CardSize
from simulator.console.page.words import rate_text, share_text
from simulator.console.system.picture import Edge
from simulator.console.system.placing import Placing

_THINNEST, _THICKEST = 1.5, 7.0
# There are many lines between small cards.
_COMPACT_THICKNESS = 0.5
_BAD_FROM_RATIO = 0.001
_SHORTEST_BEND = 30.0
# Lines leave and reach a card along this part of its side, each at its own place.
_SIDE_RATIO = 0.6
_MAX_BETWEEN = 16.0
Point = tuple[float, float]
Ends = tuple[str, str]


def routed(edges: Sequence[Ends], placing: Placing, size: CardSize) -> dict[Ends, list[Point]]:
    """Return the points of each line: from the right of one card, through the columns between, to the left of another.

    A line to the left, as in a cycle of calls, passes below both cards.
    """
    leaving = _places((caller for caller, _ in edges), edges, placing, size, first=True)
    reaching = _places((called for _, called in edges), edges, placing, size, first=False)
    below = _below([edge for edge in edges if _is_back(edge, placing)], placing, size)
    return {edge: _points(edge, leaving[edge], reaching[edge], below, placing, size) for edge in edges}


def drawn_edge(key: str, edge: Edge, points: Sequence[Point], is_compact: bool) -> dict[str, Any]:
    """Return the description of a line for the script on the page."""
    is_bad = edge.error_ratio >= _BAD_FROM_RATIO
    kinds = {"quiet": not edge.rate_per_second > 0, "external": edge.is_external, "bad": is_bad}
    # The stretch of a line to the left that is below its caller has the room.
    (x, y), (to_x, to_y) = points[1:3] if points[1][0] <= points[0][0] else points[-2:]
    if is_bad:
        label = share_text(edge.error_ratio)
    else:
        label = "" if is_compact or not edge.rate_per_second > 0 else rate_text(edge.rate_per_second)
    width = _THINNEST + (_THICKEST - _THINNEST) * edge.weight
    return {
        "id": key,
        "d": path_of(points),
        "width": round(width * _COMPACT_THICKNESS if is_compact else width, 1),
        "kind": " ".join(kind for kind, holds in kinds.items() if holds),
        "label": label,
        "x": round((x + to_x) / 2),
        "y": round((y + to_y) / 2) - 6,
    }


def path_of(points: Sequence[Point]) -> str:
    """Return a line as an SVG path: curves from column to column, straight within a column.

    A line leaves to the right and arrives from the left; in between it goes where its next point is.
    """
    written = [f"M{points[0][0]:.0f},{points[0][1]:.0f}"]
    last = len(points) - 2
    for number, ((x, y), (to_x, to_y)) in enumerate(itertools.pairwise(points)):
        if number % 2:
            written.append(f"L{to_x:.0f},{to_y:.0f}")
        else:
            bend = max(_SHORTEST_BEND, abs(to_x - x) / 2)
            leaves = bend if number == 0 or to_x > x else -bend
            arrives = -bend if number == last or to_x > x else bend
            written.append(f"C{x + leaves:.0f},{y:.0f} {to_x + arrives:.0f},{to_y:.0f} {to_x:.0f},{to_y:.0f}")
    return "".join(written)


def _is_back(edge: Ends, placing: Placing) -> bool:
    caller, called = edge
    return placing.positions[called][0] <= placing.positions[caller][0]


def _below(edges: Sequence[Ends], placing: Placing, size: CardSize) -> Mapping[tuple[str, Ends], float]:
    """Return the height at which each line to the left passes below each of its cards, within the gap to the next."""
    at_card: dict[str, list[Ends]] = defaultdict(list)
    for edge in edges:
        for name in dict.fromkeys(edge):
            at_card[name].append(edge)
    return {
        (name, edge): size.top(placing.positions[name][1]) + size.height + size.row_gap * number / (len(there) + 1)
        for name, there in at_card.items()
        for number, edge in enumerate(there, 1)
    }


def _places(
    at: Iterable[str], edges: Sequence[Ends], placing: Placing, size: CardSize, first: bool
) -> Mapping[Ends, float]:
    """Return each line's height at one of its ends, from the top: those to higher cards, the last those to the left."""
    at_card: dict[str, list[Ends]] = defaultdict(list)
    for name, edge in zip(at, edges, strict=True):
        at_card[name].append(edge)
    heights: dict[Ends, float] = {}
    for name, there in at_card.items():
        middle = size.top(placing.positions[name][1]) + size.height / 2
        between = min(_MAX_BETWEEN, _SIDE_RATIO * size.height / len(there))
        for number, edge in enumerate(sorted(there, key=lambda edge: _next_row(edge, placing, first))):
            heights[edge] = middle + between * (number - (len(there) - 1) / 2)
    return heights


def _next_row(edge: Ends, placing: Placing, first: bool) -> float:
    """Return the row of the point next to one of a line's ends."""
    if _is_back(edge, placing):
        return math.inf
    route = placing.routes.get(edge, ())
    if route:
        return route[0 if first else -1][1]
    return placing.positions[edge[1 if first else 0]][1]


def _points(
    edge: Ends,
    leaves: float,
    reaches: float,
    below: Mapping[tuple[str, Ends], float],
    placing: Placing,
    size: CardSize,
) -> list[Point]:
    caller, called = edge
    from_column, to_column = placing.positions[caller][0], placing.positions[called][0]
    passed = [(column, size.top(row) + size.height / 2) for column, row in placing.routes.get(edge, ())]
    if is_back := _is_back(edge, placing):
        under = (from_column, below[caller, edge])
        passed = [under, *passed, (to_column, below[called, edge])] if caller != called else [under]
    points = [(size.left(from_column) + size.width, leaves)]
    for column, y in passed:
        sides = [(size.left(column), y), (size.left(column) + size.width, y)]
        points += reversed(sides) if is_back else sides
    return [*points, (size.left(to_column), reaches)]

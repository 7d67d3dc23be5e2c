"""The lines between the cards: their points, thickness and kind."""

from __future__ import annotations

import itertools
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
    """Return the points of each line: from the right of one card, through the columns between, to the other."""
    leaving = _places((caller for caller, _ in edges), edges, placing, size, first=True)
    reaching = _places((called for _, called in edges), edges, placing, size, first=False)
    return {edge: _points(edge, leaving[edge], reaching[edge], placing, size) for edge in edges}


def drawn_edge(key: str, edge: Edge, points: Sequence[Point], is_compact: bool) -> dict[str, Any]:
    """Return the description of a line for the script on the page."""
    is_bad = edge.error_ratio >= _BAD_FROM_RATIO
    kinds = {"quiet": not edge.rate_per_second > 0, "external": edge.is_external, "bad": is_bad}
    (x, y), (to_x, to_y) = points[-2:]
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
    """Return a line as an SVG path: curves from column to column, straight within a column."""
    written = [f"M{points[0][0]:.0f},{points[0][1]:.0f}"]
    for number, ((x, y), (to_x, to_y)) in enumerate(itertools.pairwise(points)):
        if number % 2:
            written.append(f"L{to_x:.0f},{to_y:.0f}")
        else:
            bend = max(_SHORTEST_BEND, abs(to_x - x) / 2)
            written.append(f"C{x + bend:.0f},{y:.0f} {to_x - bend:.0f},{to_y:.0f} {to_x:.0f},{to_y:.0f}")
    return "".join(written)


def _places(
    at: Iterable[str], edges: Sequence[Ends], placing: Placing, size: CardSize, first: bool
) -> Mapping[Ends, float]:
    """Return each line's height at one of its ends; lines to higher cards are above the others."""
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
    route = placing.routes.get(edge, ())
    if route:
        return route[0 if first else -1][1]
    return placing.positions[edge[1 if first else 0]][1]


def _points(edge: Ends, leaves: float, reaches: float, placing: Placing, size: CardSize) -> list[Point]:
    from_column, to_column = placing.positions[edge[0]][0], placing.positions[edge[1]][0]
    points = [(size.left(from_column) + size.width, leaves)]
    for column, row in placing.routes.get(edge, ()):
        y = size.top(row) + size.height / 2
        points += [(size.left(column), y), (size.left(column) + size.width, y)]
    return [*points, (size.left(to_column), reaches)]

"""Rows for what stands in columns in a given order: close together, and so that lines between columns run straight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

_NODE_ROOM = 1.0
_LINE_ROOM = 0.4
# Where many lines pass they stand closer, so that the picture is not much higher for its width than a screen is.
_ROWS_A_COLUMN = 1.5
_MIN_LINE_ROOM = 0.06
_SWEEPS = 12


def straight_rows(columns: Sequence[Sequence[int]], links: Sequence[tuple[int, int]], nodes: int) -> list[float]:
    """Give the row of each vertex, the first `nodes` of which are nodes and the others points of a passing line.

    `columns` has the vertices of each column in their order from above, and `links` go from a column to the next one.
    Two nodes in a column are at least 1 apart, lines less, and the less the more they are. Column by column, to and
    fro, each vertex is drawn to the middle of its neighbours and stops where it would run into the next (Gansner,
    Koutsofios, North and Vo, 1993, have the sweeps; that all of a column go to where the squares of their distances
    are least is isotonic regression).
    """
    left: dict[int, list[int]] = defaultdict(list)
    right: dict[int, list[int]] = defaultdict(list)
    for caller, called in links:
        left[called].append(caller)
        right[caller].append(called)
    enough = _ROWS_A_COLUMN * len(columns)
    offsets = [_offsets(column, nodes, enough) for column in columns]
    rows = [0.0] * sum(len(column) for column in columns)
    for column, offset in zip(columns, offsets, strict=True):
        for vertex, distance in zip(column, offset, strict=True):
            rows[vertex] = distance - offset[-1] / 2
    both = {vertex: left[vertex] + right[vertex] for column in columns for vertex in column}
    there = list(zip(columns, offsets, strict=True))
    for sweep in range(_SWEEPS):
        for column, offset in there:
            _settle(column, offset, left if sweep < _SWEEPS - 1 else both, rows)
        for column, offset in reversed(there):
            _settle(column, offset, right if sweep < _SWEEPS - 1 else both, rows)
    return rows


def _offsets(column: Sequence[int], nodes: int, rows: float) -> list[float]:
    """Give how far each vertex of a column is from the first one where they stand as close as they may.

    Lines share what the nodes of the column leave of so many `rows`, within bounds.
    """
    lines = sum(vertex >= nodes for vertex in column)
    left = rows - _NODE_ROOM * (len(column) - lines)
    line_room = min(_LINE_ROOM, max(_MIN_LINE_ROOM, left / lines)) if lines else _LINE_ROOM
    rooms = [_NODE_ROOM if vertex < nodes else line_room for vertex in column]
    return list(accumulate(((upper + lower) / 2 for upper, lower in pairwise(rooms)), initial=0.0)) if rooms else []


def _settle(
    column: Sequence[int], offsets: Sequence[float], neighbours: Mapping[int, Sequence[int]], rows: list[float]
) -> None:
    wanted = []
    for vertex, offset in zip(column, offsets, strict=True):
        beside = neighbours.get(vertex)
        middle = sum(rows[other] for other in beside) / len(beside) if beside else rows[vertex]
        wanted.append(middle - offset)
    for vertex, offset, row in zip(column, offsets, _never_falling(wanted), strict=True):
        rows[vertex] = row + offset


def _never_falling(values: Sequence[float]) -> list[float]:
    """Give the never falling sequence nearest to the values: whatever falls is pooled and gets its mean."""
    pools: list[tuple[float, int]] = []
    for value in values:
        total, count = value, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, number = pools.pop()
            total, count = total + before, count + number
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]

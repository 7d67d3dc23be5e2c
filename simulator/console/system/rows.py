"""Rows for the vertices of columns in a given order: close together, with straight lines between the columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

_NODE_ROOM = 1.0
_LINE_ROOM = 0.4
# Many parallel lines are closer together, so that the picture keeps about the proportions of a screen.
_ROWS_A_COLUMN = 1.5
_MIN_LINE_ROOM = 0.06
_SWEEPS = 12


def straight_rows(columns: Sequence[Sequence[int]], links: Sequence[tuple[int, int]], nodes: int) -> list[float]:
    """Return the row of each vertex: the first `nodes` are nodes, the others points of passing lines.

    `columns` has the vertices of each column in their order from the top, and `links` go from a column to the next.
    Two nodes in a column are at least 1 apart, lines less, depending on their number. Column by column, back and
    forth, each vertex moves to the mean of its neighbours, but not past the vertex beside it. (The sweeps are those of
    Gansner, Koutsofios, North and Vo, 1993; moving a whole column so that the squares of the distances are minimal is
    isotonic regression.)
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
    """Return each vertex's distance from the first one of its column if all are as close as allowed.

    Lines share what the column's nodes leave of the `rows`, within bounds.
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
    for vertex, offset, row in zip(column, offsets, _nondecreasing(wanted), strict=True):
        rows[vertex] = row + offset


def _nondecreasing(values: Sequence[float]) -> list[float]:
    """Return the nondecreasing sequence nearest to the values: decreasing runs are pooled and get their mean."""
    pools: list[tuple[float, int]] = []
    for value in values:
        total, count = value, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, number = pools.pop()
            total, count = total + before, count + number
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]

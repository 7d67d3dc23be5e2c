"""Where each stage is drawn: columns by layers from left to right, rows so that few lines cross and most are straight.

The order within each column is that of igraph's Sugiyama layout. Its distances are not used: it gives a line that
passes a column as much room as a stage, and a picture of sixty stages would be twice as high as it has to be.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import igraph

from simulator.console.system.rows import straight_rows
from simulator.topology.graph import calls_from_entries

Edge = tuple[str, str]
Point = tuple[int, float]


@dataclass(frozen=True)
class Placing:
    """A layout: `positions` are (column, row), both from 0; the whole is `columns` wide and `rows` high.

    `routes` has for each edge the points that its line passes between its ends: one in each column that it crosses.
    An edge to the left, as in a cycle of calls, has its points from right to left; one from a node to itself has none.
    """

    columns: int
    rows: float
    positions: Mapping[str, Point]
    routes: Mapping[Edge, tuple[Point, ...]]


def place(nodes: Sequence[str], edges: Sequence[Edge]) -> Placing:
    """Return the layout, each node to the right of all its callers except where the calls form a cycle.

    The same nodes and edges in the same order always give the same picture. Both ends of an edge must be nodes.
    """
    names = tuple(dict.fromkeys(nodes))
    forward = _without_cycles(names, edges)
    graph = _in_steps(names, forward)
    rows = straight_rows(_order(graph), graph.links, len(names))
    top = min(rows, default=0.0)
    points = [(column, round(row - top, 3)) for column, row in zip(graph.columns, rows, strict=True)]
    return Placing(
        columns=max(graph.columns, default=-1) + 1,
        rows=max((row + 1 for _, row in points), default=0.0),
        positions=dict(zip(names, points, strict=False)),
        routes={edge: tuple(points[vertex] for vertex in _passed(graph, edge)) for edge in edges},
    )


@dataclass(frozen=True)
class _Steps:
    """A graph with links only from a column to the next: the nodes first, then the points of longer edges."""

    columns: tuple[int, ...]
    links: tuple[tuple[int, int], ...]
    passed: Mapping[Edge, tuple[int, ...]]


def _without_cycles(names: Sequence[str], edges: Sequence[Edge]) -> tuple[Edge, ...]:
    """Return the edges, with those that close a cycle reversed and those from a node to itself left out."""
    followers: dict[str, list[str]] = {name: [] for name in names}
    for start, end in dict.fromkeys(edges):
        followers[start].append(end)
    forward: dict[Edge, None] = {}
    for caller, called, leads_back in calls_from_entries(followers):
        if caller != called:
            forward[(called, caller) if leads_back else (caller, called)] = None
    return tuple(forward)


def _columns(names: Sequence[str], forward: Sequence[Edge]) -> dict[str, int]:
    """Return each node's column: the number of calls on the longest path to it."""
    callers: dict[str, list[str]] = {name: [] for name in names}
    for caller, called in forward:
        callers[called].append(caller)
    columns: dict[str, int] = {}
    for name in graphlib.TopologicalSorter(callers).static_order():
        columns[name] = max((columns[caller] + 1 for caller in callers[name]), default=0)
    return columns


def _in_steps(names: Sequence[str], forward: Sequence[Edge]) -> _Steps:
    column_of = _columns(names, forward)
    number = {name: index for index, name in enumerate(names)}
    columns = [column_of[name] for name in names]
    links: list[tuple[int, int]] = []
    passed: dict[Edge, tuple[int, ...]] = {}
    for caller, called in forward:
        between = range(column_of[caller] + 1, column_of[called])
        passed[caller, called] = tuple(range(len(columns), len(columns) + len(between)))
        columns += between
        chain = (number[caller], *passed[caller, called], number[called])
        links += pairwise(chain)
    return _Steps(tuple(columns), tuple(links), passed)


def _order(graph: _Steps) -> list[list[int]]:
    """Return the vertices of each column from the top, in an order in which few links cross."""
    if not graph.columns:
        return []
    drawn = igraph.Graph(n=len(graph.columns), edges=graph.links, directed=True)
    places = [place for place, _ in drawn.layout_sugiyama(layers=graph.columns)]
    order: list[list[int]] = [[] for _ in range(max(graph.columns) + 1)]
    for vertex in sorted(range(len(places)), key=lambda vertex: (places[vertex], vertex)):
        order[graph.columns[vertex]].append(vertex)
    return order


def _passed(graph: _Steps, edge: Edge) -> Iterator[int]:
    """Yield the vertices between the ends of an edge, which may have been reversed."""
    caller, called = edge
    if edge in graph.passed:
        yield from graph.passed[edge]
    else:
        yield from reversed(graph.passed.get((called, caller), ()))

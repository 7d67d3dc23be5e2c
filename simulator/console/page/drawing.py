"""The places of everything in the system's picture, in pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from simulator.console.system.picture import SystemPicture
from simulator.console.system.placing import Placing, place

_COMPACT_FROM, _BRIEF_FROM = 18, 200


@dataclass(frozen=True)
class CardSize:
    """The dimensions of a drawing, in pixels.

    A compact card shows less, and a brief one consists of no more than that, so that a thousand of them are no burden.
    """

    width: int
    height: int
    column_gap: int
    row_gap: int
    is_compact: bool
    is_brief: bool = False

    def left(self, column: float) -> float:
        """Return the left edge of a column."""
        return column * (self.width + self.column_gap)

    def top(self, row: float) -> float:
        """Return the top edge of a row."""
        return row * (self.height + self.row_gap)


FULL = CardSize(width=244, height=150, column_gap=92, row_gap=28, is_compact=False)
COMPACT = CardSize(width=172, height=54, column_gap=56, row_gap=12, is_compact=True)
BRIEF = replace(COMPACT, is_brief=True)


@dataclass(frozen=True)
class Drawing:
    """The layout of a picture; `name` identifies it."""

    name: str
    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    placing: Placing
    size: CardSize

    def fits(self, picture: SystemPicture) -> bool:
        """Return whether a picture has the nodes and edges of this drawing."""
        return (self.nodes, self.edges) == _wiring(picture)


def draw(picture: SystemPicture) -> Drawing:
    """Return the drawing of a picture; pictures of the same nodes and edges have the same one."""
    nodes, edges = _wiring(picture)
    name = hashlib.blake2b(repr((nodes, edges)).encode(), digest_size=8).hexdigest()
    size = BRIEF if len(nodes) >= _BRIEF_FROM else COMPACT if len(nodes) >= _COMPACT_FROM else FULL
    return Drawing(name, nodes, edges, place(nodes, edges), size)


def _wiring(picture: SystemPicture) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    return tuple(node.name for node in picture.nodes), tuple((edge.caller, edge.called) for edge in picture.edges)

"""What a section of the page is made of: sentences, a chart, a table, waterfalls, a text to be read as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Cell = str | float | int


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows below headings; a column whose heading begins with > has figures. `marked` are the rows that are wrong."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    marked: frozenset[int] = frozenset()

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Return each heading, and whether its column has figures."""
        return [(heading.removeprefix(">"), heading.startswith(">")) for heading in self.headings]


@dataclass(frozen=True, kw_only=True)
class BarSegment:
    """A part of a bar: what it is (a class of the style sheet), and where, in percent of the waterfall."""

    kind: str
    left: float
    width: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A line of a waterfall: one visit. `wrong` says how it ended if it did not succeed."""

    name: str
    depth: int
    left: float
    width: float
    took: str
    segments: Sequence[BarSegment] = ()
    wrong: str = ""


@dataclass(frozen=True, kw_only=True)
class TracePicture:
    """A waterfall, with its title and the moments on its axis."""

    title: str
    about: str
    ticks: Sequence[str]
    bars: Sequence[Bar]
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section; `name` is its anchor. `says` are sentences in front of what follows, `chart` is for Plotly."""

    name: str
    title: str
    says: Sequence[str] = ()
    chart: Mapping[str, Any] | None = None
    tables: Sequence[Table] = ()
    pictures: Sequence[TracePicture] = field(default=())
    text: str = ""

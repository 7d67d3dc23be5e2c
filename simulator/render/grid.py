"""The layout of a dashboard: lines of panels from top to bottom, in rows that can be folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.render.panel_parts import Panel

WIDTH = 24  # of Grafana's grid


@dataclass(frozen=True)
class Line:
    """Panels side by side, equally wide; `heading` starts a new row that can be folded."""

    panels: tuple[Panel, ...]
    height: int = 8
    heading: str = ""


def arranged(lines: Sequence[Line]) -> list[Panel]:
    """Return all panels with their places in the grid, from top to bottom, and their ids."""
    placed: list[Panel] = []
    top = 0
    for line in lines:
        if line.heading:
            placed.append({**_row(line.heading), "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": top}})
            top += 1
        width = WIDTH // len(line.panels)
        for index, panel in enumerate(line.panels):
            placed.append({**panel, "gridPos": {"h": line.height, "w": width, "x": index * width, "y": top}})
        top += line.height
    return [{"id": number, **panel} for number, panel in enumerate(placed, 1)]


def _row(title: str) -> Panel:
    """Return the heading of a row that can be folded."""
    return {"type": "row", "title": title, "collapsed": False, "panels": []}

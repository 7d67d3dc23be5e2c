"""Charts, as plain descriptions for Plotly; text and lines get their colours from the page's style sheet."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.units import human_duration

_PIXELS = 300
_UNITS = ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))
_CLOCK_UNITS = ((1.0, "s"), (60.0, "min"), (3600.0, "h"))
_MAX_IN_A_UNIT = 180


@dataclass(frozen=True)
class TimeUnit:
    """A unit of time for an axis."""

    seconds: float
    suffix: str

    def of(self, values: Sequence[float | None]) -> list[float | None]:
        """Return seconds in this unit, in five digits."""
        return [None if value is None else float(f"{value / self.seconds:.5g}") for value in values]


def unit_of_durations(longest_seconds: float) -> TimeUnit:
    """Return the unit in which a duration is a number that people read: µs, ms, s."""
    return TimeUnit(*next((unit for unit in reversed(_UNITS) if longest_seconds >= unit[0]), _UNITS[0]))


def unit_of_moments(run_seconds: float) -> TimeUnit:
    """Return the unit of an axis as long as a run: s, min or h."""
    fits = (unit for unit in _CLOCK_UNITS if run_seconds <= _MAX_IN_A_UNIT * unit[0])
    return TimeUnit(*next(fits, _CLOCK_UNITS[-1]))


def text(words: str) -> str:
    """Return a text from outside for Plotly, which would take some tags and entities in it for its own."""
    return html.escape(words)


def line(xs: Sequence[Any], ys: Sequence[Any], name: str, colour: str, **more: Any) -> dict[str, Any]:
    """Return a curve; where a y is None it is interrupted."""
    style = {"color": colour, "width": 2, **more.pop("line", {})}
    return {"type": "scatter", "mode": "lines", "x": list(xs), "y": list(ys), "name": name, "line": style, **more}


def figure(curves: Sequence[Mapping[str, Any]], pixels: int = _PIXELS, **layout: Any) -> dict[str, Any]:
    """Return a chart of a height; `xaxis`, `yaxis` and whatever else is of Plotly's layout."""
    whole: dict[str, Any] = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 64, "r": 16, "t": 8, "b": 40},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "#2b3542"},
        "showlegend": True,
        "font": {"size": 12},
        "height": pixels,
        **layout,
    }
    for axis in ("xaxis", "yaxis"):
        whole[axis] = {"zeroline": False, "automargin": True, **layout.get(axis, {})}
    return {"data": list(curves), "layout": whole}


def duration_text(seconds: float | None) -> str:
    """Return a duration for people; "-" for None."""
    if seconds is None:
        return "-"
    return "0" if abs(seconds) < 5e-7 else human_duration(seconds)


def count_text(count: float) -> str:
    """Return a count for people."""
    return f"{count:,.0f}"


def share_text(part: float, whole: float) -> str:
    """Return a share for people: 0 %, 0.42 %, 12 %; "-" of nothing."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent == 0 or percent >= 9.95 else f"{max(0.01, percent):.2g} %"

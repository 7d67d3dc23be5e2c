"""A comparison as a table for the terminal, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from simulator.proof.compare.judgement import Change, Comparison
from simulator.proof.compare.measures import QUANTILES, RATE, WHOLE
from simulator.proof.report.figures import duration_text
from simulator.quoting import printable

_HEADINGS = ("what", "figure", "before", "after", "change", "between", "verdict")
_STYLES = {Change.REGRESSION: "bold red", Change.IMPROVEMENT: "green", Change.WITHIN: "yellow"}
_MAX_LISTED = 50


def worth_showing(found: Sequence[Comparison]) -> list[Comparison]:
    """Return what is shown to people: everything of the whole, and of the stages what changed."""
    return [one for one in found if one.figure.subject == WHOLE or one.change in _STYLES]


def summary(found: Sequence[Comparison]) -> str:
    """Return what came out, in one line."""
    counts = {change: sum(one.change is change for one in found) for change in Change}
    said = [f"{count} {_noun(change, count)}" for change, count in counts.items() if count]
    return f"{len(found)} figures: {', '.join(said)}." if found else "The runs have no figure in common."


def comparison_table(found: Sequence[Comparison]) -> Table:
    """Return the table for the terminal."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in ("what", "figure", "verdict") else "right", no_wrap=True)
    for one in worth_showing(found):
        subject, *cells, verdict = _cells(one)
        style = _STYLES.get(one.change, "")
        table.add_row(Text(subject, style="bold"), *map(Text, cells), Text(verdict, style=style))
    return table


def markdown(found: Sequence[Comparison], differences: Sequence[str]) -> str:
    """Return a comment for a pull request."""
    worse = sum(one.change is Change.REGRESSION for one in found)
    title = f"{worse} {_noun(Change.REGRESSION, worse)}" if worse else "No regression"
    lines = [f"### {title}", "", summary(found), ""]
    lines += [f"| {' | '.join(_HEADINGS)} |", "|---|---|--:|--:|--:|--:|---|"]
    for one in worth_showing(found):
        cells = [_markdown_text(cell) for cell in _cells(one)]
        if one.change is Change.REGRESSION:
            cells[-1] = f"**{cells[-1]}**"
        lines.append(f"| {' | '.join(cells)} |")
    if differences:
        lines += ["", "Configuration:", "", *(f"- {_markdown_text(line)}" for line in listed(differences))]
    return "\n".join(lines) + "\n"


def comparison_json(found: Sequence[Comparison], differences: Sequence[str]) -> Mapping[str, Any]:
    """Return the comparison for programs: seconds, ratios, and per second."""
    return {
        "regressions": sum(one.change is Change.REGRESSION for one in found),
        "configuration": list(differences),
        "figures": [
            {
                "subject": one.figure.subject,
                "metric": one.figure.metric,
                "before": one.before,
                "after": one.after,
                "difference": one.difference,
                "low": one.low,
                "high": one.high,
                "verdict": str(one.change),
            }
            for one in found
        ],
    }


def listed(lines: Sequence[str]) -> list[str]:
    """Return the first lines, printable, and how many more there are."""
    shown = [printable(line) for line in lines[:_MAX_LISTED]]
    return [*shown, f"and {len(lines) - _MAX_LISTED} more"] if len(lines) > _MAX_LISTED else shown


def _noun(change: Change, count: int) -> str:
    return f"{change}s" if change in (Change.REGRESSION, Change.IMPROVEMENT) and count != 1 else str(change)


def _cells(one: Comparison) -> list[str]:
    metric = one.figure.metric
    values = [_value(metric, value) for value in (one.before, one.after)]
    between = f"{_relative(one, one.low)} to {_relative(one, one.high)}"
    return [printable(one.figure.subject), metric, *values, _relative(one, one.difference), between, str(one.change)]


def _value(metric: str, value: float) -> str:
    if metric in QUANTILES:
        return duration_text(value)
    return f"{value:,.1f}/s" if metric == RATE else f"{100 * value:.2f} %"


def _relative(one: Comparison, difference: float) -> str:
    """Return a difference relative to the first run; of shares in points, of times that were 0 as a time."""
    if one.figure.metric in QUANTILES or one.figure.metric == RATE:
        if one.before:
            return f"{100 * difference / one.before:+.1f} %"
        return duration_text(difference) if difference >= 0 else f"-{duration_text(-difference)}"
    return f"{100 * difference:+.2f} pp"


def _markdown_text(text: str) -> str:
    """Return a text from outside that Markdown shows as it is."""
    escaped = html.escape(text, quote=False)
    return "".join(f"\\{char}" if char in "\\`*_[]|#~" else char for char in escaped)

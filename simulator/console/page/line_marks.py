"""Marks on a trace's waterfall: where log lines were written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from dash import html

from simulator.console.logs.line import ShownLine
from simulator.console.page.log_lines import severity_class
from simulator.console.page.words import short
from simulator.console.traces.waterfall import Waterfall, WaterfallRow

_MAX_MARKS = 50


class LineMarks:
    """The lines of a trace by their spans, to be marked on the rows of its waterfall."""

    def __init__(self, lines: Sequence[ShownLine], waterfall: Waterfall) -> None:
        self._waterfall = waterfall
        self._lines: dict[str, list[ShownLine]] = defaultdict(list)
        for line in lines:
            if line.span_id:
                self._lines[line.span_id].append(line)

    def of(self, row: WaterfallRow) -> list[html.I]:
        """Return the marks of the lines of a row's spans, those folded into it included."""
        spans = (row.span, *row.folded)
        lines = [line for span in spans for line in self._lines.get(span.span_id, ())]
        return [self._mark(line, row) for line in lines[:_MAX_MARKS]]

    def _mark(self, line: ShownLine, row: WaterfallRow) -> html.I:
        place = self._place(line)
        if not 0 <= place <= 1:
            # The clock of its service is wrong: it was within its span all the same.
            place = min(max(place, row.start_ratio), row.start_ratio + row.length_ratio)
        title = f"{line.level} {short(line.event, 120)}".strip()
        return html.I(
            className=f"mark {severity_class(line.level)}".strip(), style={"left": f"{100 * place:.3f}%"}, title=title
        )

    def _place(self, line: ShownLine) -> float:
        """Return when a line was written, 0 to 1 from the first start to the last end."""
        since_seconds = line.unix_seconds - self._waterfall.start_unix_ns / 1e9
        return since_seconds / max(1e-9, self._waterfall.duration_seconds)

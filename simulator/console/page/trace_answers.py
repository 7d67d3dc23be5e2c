"""The server's side of the views of the traces."""

from __future__ import annotations

from typing import Any

from dash import html, no_update

from simulator.console.logs.files import lines_of_trace
from simulator.console.logs.line import ShownLine
from simulator.console.logs.merging import merged
from simulator.console.page.operations_panel import span_name
from simulator.console.page.paths import parameter_of
from simulator.console.page.trace_view import trace_box, trace_view
from simulator.console.page.traces_view import Search, trace_rows, traces_view
from simulator.console.page.words import short
from simulator.console.traces.spans import Span
from simulator.console.traces.summary import TraceSummary
from simulator.console.traces.waterfall import waterfall
from simulator.console.watching import Watching

_MAX_LINES = 200
_MAX_QUERY = 8000
_MAX_SUGGESTIONS = 500


class TraceAnswers:
    """The traces of the watched run."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching

    def list_view(self, search: str) -> Any:
        """Return the search of an address."""
        stages = self._watching.topology.stages.values()
        spans = {span_name(stage, each) for stage in stages for each in stage.operations}
        services = {*self._watching.store.services(), *self._spanless()}
        return traces_view(Search.of(search), sorted(services), sorted(spans)[:_MAX_SUGGESTIONS])

    def rows(self, search: Search, asked: Any) -> Any:
        """Return the `rows` that match a search and what was `asked`, unless the same was asked before."""
        now = {"search": short(search.query_string, _MAX_QUERY), "found": "", "wrong": ""}
        found: list[TraceSummary] = []
        try:
            found = self._watching.store.find(search.query(self._watching.unix_ns(), self._spanless()))
        except ValueError as error:
            now["wrong"] = str(error)
        now["found"] = " ".join(f"{summary.trace_id}:{summary.spans}" for summary in found)
        if now == asked:
            return no_update
        if now["wrong"]:
            return {"rows": [html.Div(now["wrong"], className="empty bad")], "asked": now}
        return {"rows": trace_rows(found, search), "asked": now}

    def trace_view(self, trace_id: str, search: str) -> Any:
        """Return the view of a trace."""
        trace_id = _as_written(trace_id)
        spans, shown = self._watching.spans(trace_id), self._parts(trace_id)
        return trace_view(self._box(trace_id, spans, search), shown)

    def trace_again(self, trace_id: str, search: str, shown: Any) -> tuple[Any, Any]:
        """Return a trace again if it has more spans or received log records than are shown."""
        trace_id = _as_written(trace_id)
        present = self._parts(trace_id)
        if not trace_id or present == shown:
            return no_update, no_update
        return self._box(trace_id, self._watching.spans(trace_id), search), present

    def _parts(self, trace_id: str) -> list[int]:
        """Return the numbers of spans and of received log records of a trace."""
        return [self._watching.store.size([trace_id]).spans, self._watching.logs.count_of_trace(trace_id)]

    def _spanless(self) -> frozenset[str]:
        """Return the stages that have no spans of their own: databases, caches, most external services."""
        stages = self._watching.topology.stages
        spanless = (name for name, stage in stages.items() if not stage.has_server_span)
        return frozenset(spanless) - frozenset(self._watching.store.services())

    def _box(self, trace_id: str, spans: list[Span], search: str) -> Any:
        every = parameter_of(search, "every") == "1"
        fall = waterfall(spans, every) if spans else None
        return trace_box(trace_id, fall, self._lines(trace_id, spans), every, len(spans))

    def _lines(self, trace_id: str, spans: list[Span]) -> list[ShownLine]:
        """Return the lines with a trace's id: of the stages in it, from their files, and of any service, by OTLP."""
        received = self._watching.logs.of_trace(trace_id, _MAX_LINES)
        if not spans:
            return received
        ours = dict.fromkeys(span.service for span in spans if span.service in self._watching.topology.stages)
        stages = {label: name for name in ours for label in self._watching.labels(name)}
        files = {label: self._watching.files.log(label) for label in stages}
        start = min(span.start_unix_ns for span in spans) / 1e9
        end = max(span.end_unix_ns for span in spans) / 1e9
        written = lines_of_trace(files, trace_id, start, end, _MAX_LINES, self._watching.turns)
        return merged(written, received, stages)[:_MAX_LINES]


def _as_written(trace_id: str) -> str:
    """Return an id as logs and links write it: somebody may have typed it."""
    return trace_id.strip().lower()

"""The received traces: a search, and a list with the newest first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

from dash import dcc, html

from simulator.console.page.paths import trace_path
from simulator.console.page.typed import MAX_SEARCH_CHARACTERS, check_length
from simulator.console.page.words import MAX_NAME, aria, clock_text, counted, short, time_text
from simulator.console.traces.search import TraceQuery
from simulator.console.traces.summary import TraceSummary
from simulator.units import parse_duration

_ROWS = 30
_SETTLED_SECONDS = 1.5
_IDS_SHOWN = 3
_STAGES_SHOWN = 12


@dataclass(frozen=True)
class Search:
    """A search as it was typed; "" for a field left open."""

    text: str = ""
    stage: str = ""
    longer: str = ""
    shorter: str = ""
    errors: bool = False
    operation: str = ""

    @classmethod
    def of(cls, query_string: str) -> Search:
        """Return the search in a page's address."""
        given = {key: values[-1] for key, values in parse_qs(query_string.lstrip("?")).items()}
        texts = {key: given.get(key, "") for key in ("text", "stage", "longer", "shorter", "operation")}
        return cls(**texts, errors=given.get("errors") == "1")

    @property
    def query_string(self) -> str:
        """Return the search as a query string from which `of` reads it."""
        given = {key: value for key, value in vars(self).items() if value}
        return f"?{urlencode({**given, **({'errors': '1'} if self.errors else {})}, errors='replace')}" if given else ""

    def query(self, now_unix_ns: int, spanless: Collection[str] = ()) -> TraceQuery:
        """Return the query. Raise ValueError, which says what is allowed, for a wrong duration or too long a text.

        The spans of a stage in `spanless`, which makes none, are those of the calls of it.
        Without an id the very latest traces are left out, because some of their spans are still on their way.
        """
        for text in (self.text, self.stage, self.longer, self.shorter, self.operation):
            check_length(text, MAX_SEARCH_CHARACTERS, "the search")
        settled = now_unix_ns - int(_SETTLED_SECONDS * 1e9)
        return TraceQuery(
            service="" if self.stage in spanless else self.stage,
            peer=self.stage if self.stage in spanless else "",
            operation=self.operation.strip(),
            text=self.text.strip(),
            min_duration_seconds=_seconds(self.longer),
            max_duration_seconds=_seconds(self.shorter),
            errors_only=self.errors,
            start_max_unix_ns=None if self.text.strip() else settled,
            limit=_ROWS,
        )


def _seconds(text: str) -> float | None:
    return parse_duration(text.strip()) if text.strip() else None


def traces_view(search: Search, services: Sequence[str], operations: Sequence[str] = ()) -> html.Div:
    """Return the search; the list is loaded afterwards, and again with every tick. `operations` are suggestions."""
    options = [{"label": "any", "value": ""}, *({"label": short(name, MAX_NAME), "value": name} for name in services)]
    return html.Div(
        [
            html.H1("Traces", className="visually-hidden"),
            html.Div(
                [
                    _labelled(
                        "Message id or trace id",
                        dcc.Input(
                            id="search-text",
                            value=search.text,
                            type="text",
                            debounce=False,
                            placeholder="the whole id, or its beginning",
                        ),
                        "wide",
                    ),
                    _labelled("Stage", _select("search-stage", options, search.stage)),
                    _labelled(
                        "Operation",
                        dcc.Input(
                            id="search-operation",
                            value=search.operation,
                            type="text",
                            debounce=True,
                            placeholder="GET /carts/{id}",
                            list="search-operations",
                        ),
                        "operation",
                    ),
                    html.Datalist([html.Option(value=name) for name in operations], id="search-operations"),
                    _labelled(
                        "Longer than",
                        dcc.Input(
                            id="search-longer", value=search.longer, type="text", debounce=True, placeholder="100ms"
                        ),
                    ),
                    _labelled(
                        "Shorter than",
                        dcc.Input(
                            id="search-shorter", value=search.shorter, type="text", debounce=True, placeholder="2s"
                        ),
                    ),
                    dcc.Checklist(
                        id="search-errors",
                        options=[{"label": " only with errors", "value": "1"}],
                        value=["1"] if search.errors else [],
                        className="tick",
                    ),
                    html.A(
                        "Download all",
                        href="/download/traces.json",
                        className="button",
                        title="OTLP JSON, which Jaeger's page takes by upload",
                    ),
                ],
                className="search",
                role="search",
            ),
            html.Div(id="trace-list", className="list", role="region", **aria(label="Traces")),
            *(dcc.Store(id=name) for name in ("list-tick", "rows-found", "search-asked", "search-noted")),
        ]
    )


def trace_rows(found: Sequence[TraceSummary], search: Search) -> list[Any]:
    """Return the rows of the list."""
    if not found:
        asked = "No trace matches the search." if search != Search() else "No traces yet."
        return [html.Div(asked, className="empty")]
    heads = ("when", "begins at", "stages", "message", "spans", "took")
    head = html.Div(
        [html.Span(text, className="right" if text in ("spans", "took") else "") for text in heads],
        className="list-row head",
    )
    return [head, *(_row(summary) for summary in found)]


def _row(summary: TraceSummary) -> Any:
    marks = [html.Span(counted(summary.errors, "error"), className="badge bad")] if summary.errors else []
    marks += [html.Span(short(fault, 30), className="badge fault") for fault in summary.faults[:_IDS_SHOWN]]
    ids = ", ".join(short(message_id, 80) for message_id in summary.message_ids[:_IDS_SHOWN]) or summary.trace_id
    names = [short(name, 40) for name, _ in summary.services[:_STAGES_SHOWN]]
    left = len(summary.services) - len(names)
    stages = ", ".join([*names, f"and {left:,} more"] if left else names)
    return dcc.Link(
        [
            html.Span(clock_text(summary.start_unix_ns), className="mono"),
            html.Span(
                [
                    html.B(short(summary.root_service, 40)),
                    " ",
                    html.Span(short(summary.root_name, 60), className="soft"),
                    " ",
                    *marks,
                ]
            ),
            html.Span(stages, className="ids soft", title=stages),
            html.Span(ids, className="ids mono", title=ids),
            html.Span(str(summary.spans), className="right"),
            html.B(time_text(summary.duration_seconds), className="right"),
        ],
        href=trace_path(summary.trace_id),
        className="list-row",
    )


def _labelled(text: str, field: Any, kind: str = "") -> html.Label:
    return html.Label([html.Span(text), field], className=kind)


def _select(element: str, options: Sequence[Mapping[str, str]], value: str) -> Any:
    return dcc.Dropdown(
        id=element, options=list(options), value=value, clearable=False, searchable=False, style={"minWidth": "150px"}
    )

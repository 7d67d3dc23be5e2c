"""The controls: change a stage while it runs, and see the effect."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dash import dcc, html

from simulator.console.page.news import News
from simulator.console.page.paths import controls_path
from simulator.console.page.stage_view import figures_text, stage_picker
from simulator.console.system.picture import Node
from simulator.net.remote import read_value
from simulator.topology.model import Load, Role

MAX_STAGES = 12
_TEXTS = {
    "delay": ("Delay", "lognormal(p50=12ms, p99=80ms)"),
    "faults": ("Faults", "error(503, 5%); hang(2s, 1%)"),
    "workers": ("Workers", "8"),
    "queue": ("Queue", "64"),
    "rate": ("Rate", "20/s"),
    "arrivals": ("Arrivals", "poisson or constant"),
}
_LOAD_KEYS = ("rate", "arrivals")
_FIELDS = {"rate": "rate", "p50": "p50", "p99": "p99", "errors": "errors"}


@dataclass(frozen=True)
class Controlled:
    """A stage and its settings as it reports them; `trouble` says why it does not."""

    node: Node
    settings: Mapping[str, Any]
    trouble: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys to show: an injector has a load, any other stage workers and a queue."""
        if self.node.role != Role.INJECTOR:
            return ("delay", "faults", "workers", "queue")
        return ("delay", *(_LOAD_KEYS if (self.settings.get("load") or {}).get("rate") else ()))

    def text(self, key: str) -> str:
        """Return the present value of a key, as it is typed."""
        load = {"arrivals": str(Load().arrivals), **(self.settings.get("load") or {})}
        value = load.get(key) if key in _LOAD_KEYS else self.settings.get(key)
        return "; ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def controls_view(names: Sequence[str], chosen: str, shown: Sequence[tuple[int, Controlled]], may: bool) -> html.Div:
    """Return the controls of the shown stages, each with its index in `names`."""
    notice = "Changing anything needs the token: open the address that `run` printed, which has it."
    return html.Div(
        [
            html.H1("Controls", className="visually-hidden"),
            *([] if may else [html.Div(notice, className="notice", role="alert")]),
            stage_picker(names, chosen, controls_path),
            html.Div([_control(number, stage, may) for number, stage in shown], className="controls"),
        ]
    )


def _control(number: int, stage: Controlled, may: bool) -> html.Section:
    news = News(None)
    update_control(news, number, stage.node)
    figures = [
        html.Div([html.B(news.texts[f"c{number}-{key}"], id=f"c{number}-{key}"), html.Span(text)], className="figure")
        for key, text in _FIELDS.items()
    ]
    head = html.Div([html.H2(stage.node.name), html.Div(figures, className="live")])
    if stage.trouble:
        return html.Section([head, html.Div(stage.trouble, className="result bad")], className="panel control")
    fields = [part for key in stage.keys for part in _field(number, key, stage.text(key), may)]
    apply = html.Button(
        "Apply", id={"type": "apply", "stage": number}, className="primary", disabled=not may, n_clicks=0
    )
    outcome = html.Span(id={"type": "result", "stage": number}, className="result", role="status")
    return html.Section(
        [head, html.Div(fields, className="fields"), html.Div([apply, outcome], className="apply")],
        className="panel control",
    )


def _field(number: int, key: str, text: str, may: bool) -> tuple[Any, Any]:
    name, example = _TEXTS[key]
    element = {"type": "control", "stage": number, "key": key}
    written = json.dumps(element, sort_keys=True, separators=(",", ":"))  # as Dash writes it in the page
    box = dcc.Input(
        id=element, value=text, type="text", placeholder=example, className="mono", disabled=not may, n_submit=0
    )
    return html.Label(name, htmlFor=written), box


def update_control(news: News, number: int, node: Node) -> None:
    """Set the figures beside a stage's controls."""
    for key, text in figures_text(node.figures).items():
        news.text(f"c{number}-{key}", text)


def patch_of(typed: Mapping[str, str], present: Controlled) -> dict[str, Any]:
    """Return the changes for /control: only what is typed differently from the present settings."""
    patch: dict[str, Any] = {}
    for key, text in typed.items():
        if text.strip() == present.text(key):
            continue
        if key in _LOAD_KEYS:
            patch.setdefault("load", {})[key] = text.strip() or None
        else:
            patch[key] = read_value(key, text.strip())
    return patch

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
from simulator.topology.catalogue import keys_of, live_keys
from simulator.topology.changes import OPERATIONS, patch_of, read_value, typed_value
from simulator.topology.kinds import Kind
from simulator.topology.load import Load
from simulator.topology.model import Operation, Role, Stage
from simulator.topology.structure import in_order

MAX_STAGES = 12
_FIELDS = {"rate": "rate", "p50": "p50", "p99": "p99", "errors": "errors"}


@dataclass(frozen=True)
class Controlled:
    """A stage and its settings as it reports them; `trouble` says why it does not."""

    node: Node
    settings: Mapping[str, Any]
    trouble: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys to show, as a change names them: all that can be changed, of an injector delay and load."""
        if self.node.role == Role.INJECTOR:
            return (
                "delay",
                *(f"load.{key}" for key in live_keys(Load) if self._is_paced),
            )
        operations = self.settings.get(OPERATIONS) or {}
        return (*_plain_keys(Stage), *(f"{name}.{key}" for name in operations for key in _plain_keys(Operation)))

    @property
    def _is_paced(self) -> bool:
        load = self.settings.get("load") or {}
        return bool(load.get("rate") or load.get("profile"))

    def text(self, key: str) -> str:
        """Return the present value of a key, as it is typed."""
        first, _, last = key.rpartition(".")
        if first == "load":
            whole: Mapping[str, Any] = {"arrivals": str(Load().arriving), **(self.settings.get("load") or {})}
        else:
            whole = (self.settings.get(OPERATIONS) or {}).get(first, {}) if first else self.settings
        return typed_value(whole.get(last))

    def is_changed(self, key: str, text: str) -> bool:
        """Return whether what was typed differs from the present value."""
        return text.strip() != self.text(key)


def _plain_keys(record: type[Any]) -> tuple[str, ...]:
    return tuple(key for key in in_order(live_keys(record)) if keys_of(record)[key].is_plain)


def controls_view(
    stages: Mapping[str, Kind], chosen: str, shown: Sequence[tuple[int, Controlled]], may: bool
) -> html.Div:
    """Return the controls of the shown stages, each with its index in `stages`."""
    notice = "Changing anything needs the token: open the address that `run` printed, which has it."
    return html.Div(
        [
            html.H1("Controls", className="visually-hidden"),
            *([] if may else [html.Div(notice, className="notice", role="alert")]),
            stage_picker(stages, chosen, controls_path),
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
    first, _, last = key.rpartition(".")
    name = last.replace("_", " ").capitalize() if first in ("", "load") else f"{first}: {last.replace('_', ' ')}"
    example = typed_value(read_value(last, keys_of(Load if first == "load" else Stage)[last].about.example))
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


def typed_patch(typed: Mapping[str, str], present: Controlled) -> dict[str, Any]:
    """Return the patch for /control: only what is typed differently from the present settings.

    Raise ConfigurationError for what is not a change.
    """
    return patch_of(f"{key}={text}" for key, text in typed.items() if present.is_changed(key, text))

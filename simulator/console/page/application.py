"""The page: its layout, and what it asks of the server. Every callback is listed in `make_page`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from dash import ALL, MATCH, ClientsideFunction, Dash, Input, Output, State, no_update
from flask import Flask

from simulator.console.page.frame_answers import FrameAnswers
from simulator.console.page.paths import item_of
from simulator.console.page.shell import shell
from simulator.console.page.stage_view import CHARTS
from simulator.console.page.system_view import CHARTS as WHOLE_CHARTS
from simulator.console.page.system_view import whole_charts
from simulator.console.page.traces_view import Search
from simulator.console.page.typed import address_of, mapping_of, text_of
from simulator.console.page.unknown import answer_unknown

_ASSETS = Path(__file__).parent / "assets"
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M3 8h10' "
    "stroke='%233577d4' stroke-width='2'/%3E%3Ccircle cx='3' cy='8' r='2.5' fill='%233577d4'/%3E%3Ccircle cx='13' "
    "cy='8' r='2.5' fill='%231a8a52'/%3E%3C/svg%3E"
)
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>{{%metas%}}<title>{{%title%}}</title><link rel="icon" href="{_ICON}">{{%css%}}</head>
<body>{{%app_entry%}}<footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer></body>
</html>"""
_SEARCH = ("text", "stage", "longer", "shorter", "errors", "operation")


def make_page(server: Flask, answers: FrameAnswers) -> Dash:
    """Return the page, installed on a Flask application."""
    app = Dash(
        "simulator.console",
        server=cast(Any, server),
        title=f"{answers.run_name} - Web service simulator",
        update_title=cast(Any, None),  # the title stays while a callback runs
        assets_folder=str(_ASSETS),
        index_string=_PAGE,
        serve_locally=True,
        suppress_callback_exceptions=True,  # the parts of a view exist only while it is open
        add_log_handler=False,
    )
    answer_unknown(server)
    app.layout = shell(answers.run_name)
    _script_callbacks(app)
    _frame_callbacks(app, answers)
    _trace_callbacks(app, answers)
    _stage_callbacks(app, answers)
    _control_callbacks(app, answers)
    return app


def _script_callbacks(app: Dash) -> None:
    """Register the callbacks that the script on the page handles by itself."""

    def by_script(name: str, *places: Any) -> None:
        app.clientside_callback(ClientsideFunction("console", name), *places)  # type: ignore[no-untyped-call]

    by_script(
        "tick",
        Output("tick", "data"),
        Input("timer", "n_intervals"),
        State("tick", "data"),
        State("answered", "data"),
    )
    by_script("theme", Output("theme", "children"), Input("theme", "n_clicks"))
    by_script("show", Output("shown", "data"), Input("news", "data"))
    by_script("list_tick", Output("list-tick", "data"), Input("timer", "n_intervals"), State("list-tick", "data"))
    by_script("lines_tick", Output("lines-tick", "data"), Input("timer", "n_intervals"), State("lines-tick", "data"))
    by_script(
        "show_rows",
        Output("trace-list", "children"),
        Output("search-asked", "data"),
        Input("rows-found", "data"),
        State("search-asked", "data"),
    )
    by_script(
        "reported_tick", Output("reported-tick", "data"), Input("timer", "n_intervals"), State("reported-tick", "data")
    )
    by_script("show_lines", Output("reported", "children"), Input("reported-found", "data"), State("reported", "id"))
    by_script("show_lines", Output("stage-lines", "children"), Input("lines-found", "data"))
    by_script("trace_tick", Output("trace-tick", "data"), Input("timer", "n_intervals"), State("trace-tick", "data"))
    by_script("charts_tick", Output("charts-tick", "data"), Input("timer", "n_intervals"), State("charts-tick", "data"))
    by_script("charts_tick", Output("whole-tick", "data"), Input("timer", "n_intervals"), State("whole-tick", "data"))
    by_script("once", Output("whole-shown", "data"), Input("shown", "data"), State("whole-shown", "data"))
    by_script("note_search", Output("search-noted", "data"), Input("search-asked", "data"))


def _frame_callbacks(app: Dash, answers: FrameAnswers) -> None:
    app.callback(
        Output("view", "children"),
        Output("laid", "data"),
        Input("place", "pathname"),
        Input("place", "search"),
        Input("stale", "data"),
    )(lambda path, search, _: answers.view(address_of(path) or "/", address_of(search)))
    app.callback(
        Output("news", "data"),
        Output("stale", "data"),
        Output("answered", "data"),
        Input("tick", "data"),
        Input("laid", "data"),
        State("place", "pathname"),
        State("place", "search"),
        State("shown", "data"),
    )(
        lambda tick, laid, path, search, shown: (
            *answers.news(address_of(path) or "/", address_of(search), mapping_of(laid), shown),
            tick,
        )
    )


def _trace_callbacks(app: Dash, answers: FrameAnswers) -> None:
    app.callback(
        Output("rows-found", "data"),
        Input("list-tick", "data"),
        *(Input(f"search-{key}", "value") for key in _SEARCH),
        State("search-asked", "data"),
    )(
        lambda _, text, stage, longer, shorter, errors, operation, asked: answers.traces.rows(
            Search(text_of(text), text_of(stage), text_of(longer), text_of(shorter), bool(errors), text_of(operation)),
            asked,
        )
    )
    app.callback(
        Output("trace-box", "children"),
        Output("trace-shown", "data"),
        Input("trace-tick", "data"),
        State("trace-shown", "data"),
        State("place", "pathname"),
        State("place", "search"),
        prevent_initial_call=True,
    )(lambda _, shown, path, search: answers.traces.trace_again(item_of(address_of(path)), address_of(search), shown))


def _stage_callbacks(app: Dash, answers: FrameAnswers) -> None:
    app.callback(
        *(Output(element, "figure") for element in CHARTS),
        Output("delay-note", "children"),
        Input("charts-tick", "data"),
        State("place", "pathname"),
        State("place", "search"),
    )(lambda _, path, search: answers.stages.charts(item_of(address_of(path)), address_of(search)))
    app.callback(Output("whole-charts", "children"), Input("whole-shown", "data"), prevent_initial_call=True)(
        lambda _: whole_charts()
    )
    app.callback(*(Output(element, "figure") for element in WHOLE_CHARTS), Input("whole-tick", "data"))(
        lambda _: answers.stages.whole_charts()
    )
    app.callback(Output("lines-found", "data"), Input("lines-tick", "data"), State("place", "pathname"))(
        lambda _, path: answers.stages.lines(item_of(address_of(path)))
    )
    app.callback(Output("reported-found", "data"), Input("reported-tick", "data"), State("place", "pathname"))(
        lambda _, path: answers.stages.reported(item_of(address_of(path)))
    )


def _control_callbacks(app: Dash, answers: FrameAnswers) -> None:
    def apply(
        clicks: int, submits: list[int], values: list[str | None], ids: list[Any], button: Any
    ) -> tuple[Any, Any]:
        if not clicks and not any(submits):  # the fields were only just created
            return no_update, no_update
        keys = [text_of(mapping_of(place).get("key")) for place in ids]
        typed = dict(zip(keys, map(text_of, values), strict=True))
        return answers.controls.apply(mapping_of(button).get("stage"), typed)

    result, button = {"type": "result", "stage": MATCH}, {"type": "apply", "stage": MATCH}
    boxes = {"type": "control", "stage": MATCH, "key": ALL}
    app.callback(
        Output(result, "children"),
        Output(result, "className"),
        Input(button, "n_clicks"),
        Input(boxes, "n_submit"),
        State(boxes, "value"),
        State(boxes, "id"),
        State(button, "id"),
        prevent_initial_call=True,
    )(apply)

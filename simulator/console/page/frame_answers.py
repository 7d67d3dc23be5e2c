"""The server's side of the frame: the view of an address, and its news."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from dash import no_update

from simulator.console.page.control_answers import ControlAnswers
from simulator.console.page.controls_view import update_control
from simulator.console.page.drawing import Drawing, draw
from simulator.console.page.news import News
from simulator.console.page.paths import item_of, view_of
from simulator.console.page.shell import ConsoleStatus, update_status
from simulator.console.page.stage_answers import StageAnswers
from simulator.console.page.stage_view import update_stage
from simulator.console.page.system_view import system_view, update_system
from simulator.console.page.trace_answers import TraceAnswers
from simulator.console.page.words import counted
from simulator.console.traces.forwarding import Forwarder
from simulator.console.watching import Watching


class FrameAnswers:
    """The page as a whole; `forwarder` of None means that spans are not forwarded."""

    def __init__(
        self,
        watching: Watching,
        forwarder: Forwarder | None,
        traces: TraceAnswers,
        stages: StageAnswers,
        controls: ControlAnswers,
    ) -> None:
        self.run_name = str(watching.topology.name)
        self.traces = traces
        self.stages = stages
        self.controls = controls
        self._watching = watching
        self._forwarder = forwarder
        self._drawing = draw(watching.snapshot.picture)

    def view(self, path: str, search: str) -> tuple[Any, dict[str, Any]]:
        """Return the view of an address, and data that identifies it."""
        self._watching.look_soon()
        laid = {"path": path, "search": search}
        item = item_of(path)
        match view_of(path):
            case "traces":
                view = self.traces.trace_view(item, search) if item else self.traces.list_view(search)
            case "stages":
                view = self.stages.view(item, search)
            case "controls":
                view = self.controls.view(search)
            case _:
                snapshot, drawing = self._watching.snapshot, self._current_drawing()
                laid["drawing"] = drawing.name
                view = system_view(snapshot.picture, snapshot.whole, snapshot.requests, drawing)
        return view, laid

    def news(self, path: str, search: str, laid: Mapping[str, Any], shown: Any) -> tuple[Any, Any]:
        """Return what is new since `shown`, and the name of a drawing that the page does not have yet."""
        self._watching.seen()
        snapshot = self._watching.snapshot
        version = [snapshot.number, self._watching.store.version, path, search, laid.get("drawing")]
        if version == shown or (laid.get("path"), laid.get("search")) != (path, search):
            return no_update, no_update
        news, stale = News(version), cast(Any, no_update)
        update_status(news, self._status(), path)
        match view_of(path):
            case "system":
                drawing = self._current_drawing()
                # A large picture is not sent again with each trace that comes in.
                if not isinstance(shown, list) or [shown[0], *shown[2:]] != [version[0], *version[2:]]:
                    update_system(news, snapshot.picture, snapshot.whole, snapshot.requests, drawing)
                stale = drawing.name if laid.get("drawing") != drawing.name else no_update
            case "stages":
                update_stage(news, self.stages.node(item_of(path)))
            case "controls":
                for number, node in self.controls.shown(search):
                    update_control(news, number, node)
        return news.as_plain(), stale

    def _current_drawing(self) -> Drawing:
        picture = self._watching.snapshot.picture
        if not self._drawing.fits(picture):
            self._drawing = draw(picture)
        return self._drawing

    def _status(self) -> ConsoleStatus:
        store = self._watching.store.status()
        return ConsoleStatus(
            traces=store.traces,
            spans=store.spans_taken,
            spans_refused=store.spans_refused,
            traces_evicted=store.traces_evicted,
            forwarding=self._forwarder.status() if self._forwarder is not None else None,
            other_losses=tuple(self._other_losses()),
        )

    def _other_losses(self) -> Iterator[str]:
        """Yield what became of log records and data points for which there was no room."""
        logs, metrics = self._watching.logs.status(), self._watching.reported.status()
        if logs.records_dropped:
            yield f"made room: {counted(logs.records_dropped, 'older log record')}"
        if logs.records_refused:
            yield f"refused: {counted(logs.records_refused, 'log record')}"
        if metrics.points_refused:
            yield f"refused: {counted(metrics.points_refused, 'data point')} of series for which there is no room"

"""What the frame gets when it asks: the view that an address stands for, and the news for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from dash import no_update

from simulator.console.page.control_answers import ControlAnswers
from simulator.console.page.controls_view import tell_control
from simulator.console.page.drawing import Drawing, draw
from simulator.console.page.news import News
from simulator.console.page.paths import item_of, view_of
from simulator.console.page.shell import ConsoleStanding, tell_standing
from simulator.console.page.stage_answers import StageAnswers
from simulator.console.page.stage_view import tell_stage
from simulator.console.page.system_view import system_view, tell_system
from simulator.console.page.trace_answers import TraceAnswers
from simulator.console.traces.passing import Passer
from simulator.console.watching import Watching


class FrameAnswers:
    """Answer for the page as a whole; `passer` of None means that spans are not passed on."""

    def __init__(
        self,
        watching: Watching,
        passer: Passer | None,
        traces: TraceAnswers,
        stages: StageAnswers,
        controls: ControlAnswers,
    ) -> None:
        self.run_name = str(watching.topology.name)
        self.traces = traces
        self.stages = stages
        self.controls = controls
        self._watching = watching
        self._passer = passer
        self._drawing = draw(watching.moment.picture)

    def lay_out(self, path: str, search: str) -> tuple[Any, dict[str, Any]]:
        """Lay out the view that an address stands for, and say which it is."""
        self._watching.look_soon()
        laid = {"path": path, "search": search}
        item = item_of(path)
        match view_of(path):
            case "traces":
                view = self.traces.lay_out_trace(item, search) if item else self.traces.lay_out_list(search)
            case "stages":
                view = self.stages.lay_out(item)
            case "controls":
                view = self.controls.lay_out(search)
            case _:
                moment, drawing = self._watching.moment, self._current_drawing()
                laid["drawing"] = drawing.name
                view = system_view(moment.picture, moment.whole, drawing)
        return view, laid

    def news(self, path: str, search: str, laid: Mapping[str, Any], shown: Any) -> tuple[Any, Any]:
        """Give what is new since `shown`, and the name of a drawing that the page does not have yet."""
        self._watching.seen()
        moment = self._watching.moment
        version = [moment.number, self._watching.store.version, path, search, laid.get("drawing")]
        if version == shown or (laid.get("path"), laid.get("search")) != (path, search):
            return no_update, no_update
        news, stale = News(version), cast(Any, no_update)
        tell_standing(news, self._standing(), path)
        match view_of(path):
            case "system":
                drawing = self._current_drawing()
                tell_system(news, moment.picture, moment.whole, drawing)
                stale = drawing.name if laid.get("drawing") != drawing.name else no_update
            case "stages":
                tell_stage(news, self._watching.node(item_of(path)))
            case "controls":
                for number, node in self.controls.shown(search):
                    tell_control(news, number, node)
        return news.as_plain(), stale

    def _current_drawing(self) -> Drawing:
        picture = self._watching.moment.picture
        if not self._drawing.fits(picture):
            self._drawing = draw(picture)
        return self._drawing

    def _standing(self) -> ConsoleStanding:
        store = self._watching.store.standing()
        return ConsoleStanding(
            traces=store.traces,
            spans=store.spans_taken,
            spans_refused=store.spans_refused,
            traces_evicted=store.traces_evicted,
            passing=self._passer.standing() if self._passer is not None else None,
        )

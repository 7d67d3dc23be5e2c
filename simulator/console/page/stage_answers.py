"""What the view of a stage gets when it asks, and the charts of the whole system."""

from __future__ import annotations

import math
from typing import Any

from simulator.behaviour.delays import Growing, no_samples, parse_delay
from simulator.behaviour.distributions import Delay
from simulator.console.logs import last_lines
from simulator.console.metrics.agreement import explained_by_chance, largest_gap
from simulator.console.metrics.figures import StageFigures
from simulator.console.page.charts import delay_chart, latency_chart, outcomes_chart
from simulator.console.page.log_lines import log_lines
from simulator.console.page.stage_view import agreement_text, stage_view
from simulator.console.watching import Watching

# Each line is some ten parts that a browser has to make anew every two seconds.
_MOST_LINES = 40


class StageAnswers:
    """Answer for the stages of the run that is watched; a name that no stage has means the first one."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching

    def lay_out(self, name: str) -> Any:
        """Lay out the view of a stage."""
        return stage_view(list(self._watching.topology.stages), self._watching.node(name))

    def charts(self, name: str) -> tuple[Any, ...]:
        """Give the charts of a stage, and how well configured and injected agree."""
        node = self._watching.node(name)
        spec = node.figures.delay if isinstance(node.figures, StageFigures) else ""
        configured = self._configured(node.name, spec)
        samples = self._watching.store.delays.samples(node.name, spec)
        drawn = [sample.drawn_seconds for sample in samples]
        # A delay that grows with the load has no one distribution that its draws could be compared with.
        is_fixed = configured is not None and not isinstance(configured, Growing)
        gap = largest_gap(drawn, configured) if configured is not None and is_fixed else math.nan
        timeline = self._watching.timeline(node.name)
        return (
            delay_chart(configured, drawn, [sample.took_seconds for sample in samples]),
            latency_chart(timeline.times, timeline.p50_seconds, timeline.p99_seconds),
            outcomes_chart(timeline.times, timeline.outcomes),
            agreement_text(spec, gap, len(drawn), explained_by_chance(len(drawn))),
        )

    def whole_charts(self) -> tuple[Any, Any]:
        """Give the charts of the whole way, from an entry and back."""
        timeline = self._watching.timeline()
        return (
            latency_chart(timeline.times, timeline.p50_seconds, timeline.p99_seconds),
            outcomes_chart(timeline.times, timeline.outcomes),
        )

    def lines(self, name: str) -> list[Any]:
        """Give the last log lines of a stage, the newest first."""
        files = [self._watching.files.log(label) for label in self._watching.labels(self._watching.node(name).name)]
        lines = [line for file in files for line in last_lines(file, _MOST_LINES)]
        lines.sort(key=lambda line: line.unix_seconds)
        return log_lines(lines[: -_MOST_LINES - 1 : -1], "It has said nothing yet.")

    def _configured(self, name: str, spec: str) -> Delay | None:
        """Give the delay that a notation stands for; None where it needs a file that is not at hand here."""
        written = self._watching.topology.stages[name].delay
        if spec == str(written):
            return written
        try:
            return parse_delay(spec, no_samples) if spec else None
        except ValueError:
            return None

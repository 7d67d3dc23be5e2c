"""The server's side of the view of a stage, and the charts of the whole system."""

from __future__ import annotations

import math
from typing import Any

from simulator.behaviour.delays import Growing, no_samples, parse_delay
from simulator.behaviour.distributions import Delay
from simulator.console.logs import last_lines
from simulator.console.metrics.agreement import largest_gap, sampling_error
from simulator.console.metrics.figures import StageFigures
from simulator.console.page.charts import delay_chart, latency_chart, outcomes_chart
from simulator.console.page.log_lines import log_lines
from simulator.console.page.stage_view import agreement_text, stage_view
from simulator.console.watching import Watching

# Each line is about ten elements that a browser has to create again every two seconds.
_MAX_LINES = 40


class StageAnswers:
    """The stages of the watched run; an unknown name means the first stage."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching

    def view(self, name: str) -> Any:
        """Return the view of a stage."""
        topology, node = self._watching.topology, self._watching.node(name)
        kinds = {name: stage.kind for name, stage in topology.started.items()}
        return stage_view(kinds, node, topology.stages[node.name].operations)

    def charts(self, name: str) -> tuple[Any, ...]:
        """Return the charts of a stage, and how well configured and injected delays agree."""
        node = self._watching.node(name)
        spec = node.figures.delay if isinstance(node.figures, StageFigures) else ""
        configured = self._configured(node.name, spec)
        samples = self._watching.store.delays.samples(node.name, spec)
        drawn = [sample.drawn_seconds for sample in samples]
        # A delay that grows with the load has no single distribution to compare its draws with.
        is_fixed = configured is not None and not isinstance(configured, Growing)
        gap = largest_gap(drawn, configured) if configured is not None and is_fixed else math.nan
        timeline = self._watching.timeline(node.name)
        return (
            delay_chart(configured, drawn, [sample.took_seconds for sample in samples]),
            latency_chart(timeline.times, timeline.p50_seconds, timeline.p99_seconds),
            outcomes_chart(timeline.times, timeline.outcomes),
            agreement_text(spec, gap, len(drawn), sampling_error(len(drawn))),
        )

    def whole_charts(self) -> tuple[Any, Any]:
        """Return the charts of the whole path, from an entry and back."""
        timeline = self._watching.timeline()
        return (
            latency_chart(timeline.times, timeline.p50_seconds, timeline.p99_seconds),
            outcomes_chart(timeline.times, timeline.outcomes),
        )

    def lines(self, name: str) -> list[Any]:
        """Return the last log lines of a stage, newest first."""
        files = [self._watching.files.log(label) for label in self._watching.labels(self._watching.node(name).name)]
        lines = [line for file in files for line in last_lines(file, _MAX_LINES)]
        lines.sort(key=lambda line: line.unix_seconds)
        return log_lines(lines[: -_MAX_LINES - 1 : -1], "No log lines yet.")

    def _configured(self, name: str, spec: str) -> Delay | None:
        """Return the delay of a notation; None if it needs a file that is not available here."""
        written = self._watching.topology.stages[name].delay
        if spec == str(written):
            return written
        try:
            return parse_delay(spec, no_samples) if spec else None
        except ValueError:
            return None

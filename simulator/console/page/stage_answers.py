"""The server's side of the view of a stage, and the charts of the whole system."""

from __future__ import annotations

import math
from typing import Any

from simulator.behaviour.delays import Growing, no_samples, parse_delay
from simulator.behaviour.distributions import Delay
from simulator.console.logs.files import last_lines
from simulator.console.logs.merging import merged
from simulator.console.metrics.agreement import largest_gap, sampling_error
from simulator.console.metrics.figures import StageFigures
from simulator.console.page.charts import delay_chart, latency_chart, outcomes_chart
from simulator.console.page.log_lines import log_lines
from simulator.console.page.paths import parameter_of
from simulator.console.page.reported_panel import reported_metrics
from simulator.console.page.service_view import service_view
from simulator.console.page.stage_view import agreement_text, no_spans_text, stage_view
from simulator.console.system.picture import Node
from simulator.console.watching import Watching
from simulator.topology.model import Stage

# Each line is about ten elements that a browser has to create again every two seconds.
_MAX_LINES = 40


class StageAnswers:
    """The stages of the watched run; an unknown name means the first stage."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching

    def view(self, name: str, search: str) -> Any:
        """Return the view of a stage, where `search` may choose one of its operations, or of an external service."""
        topology, external = self._watching.topology, self._watching.external(name)
        kinds = {name: stage.kind for name, stage in topology.started.items()}
        if external is not None:
            return service_view(kinds, external)
        node = self._watching.node(name)
        stage = topology.stages[node.name]
        return stage_view(kinds, node, stage, _operation(stage, search))

    def charts(self, name: str, search: str) -> tuple[Any, ...]:
        """Return the charts of a stage, and how well configured and injected delays agree.

        The delays are those of the operation that `search` chooses.
        """
        node = self._watching.node(name)
        stage = self._watching.topology.stages[node.name]
        operation = _operation(stage, search)
        spec = self._spec(node, stage, operation)
        configured = _configured(stage.all_operations[operation].delay, spec)
        samples = self._watching.store.delays.samples(node.name, spec, operation)
        drawn = [sample.drawn_seconds for sample in samples]
        # A delay that grows with the load has no single distribution to compare its draws with.
        is_fixed = configured is not None and not isinstance(configured, Growing)
        gap = largest_gap(drawn, configured) if configured is not None and is_fixed else math.nan
        timeline = self._watching.timeline(node.name)
        if stage.has_server_span:
            note = agreement_text(spec, gap, len(drawn), sampling_error(len(drawn)))
        else:
            note = no_spans_text(spec, node.noun)
        return (
            delay_chart(configured, drawn, [sample.took_seconds for sample in samples]),
            latency_chart(timeline.times, timeline.p50_seconds, timeline.p99_seconds),
            outcomes_chart(timeline.times, timeline.outcomes),
            f"{operation}, {note}" if operation else note,
        )

    def whole_charts(self) -> tuple[Any, Any]:
        """Return the charts of the whole path, from an entry and back."""
        timeline = self._watching.timeline()
        return (
            latency_chart(timeline.times, timeline.p50_seconds, timeline.p99_seconds),
            outcomes_chart(timeline.times, timeline.outcomes),
        )

    def lines(self, name: str) -> list[Any]:
        """Return the last log lines of a stage, newest first: of its files, and what it sent by OTLP besides."""
        if self._watching.external(name) is not None:
            lines = self._watching.logs.last(name, _MAX_LINES)
            return log_lines(lines[::-1], "It has sent no log records to /v1/logs of this console.")
        stage = self._watching.node(name).name
        stages = dict.fromkeys(self._watching.labels(stage), stage)
        written = [line for label in stages for line in last_lines(self._watching.files.log(label), _MAX_LINES)]
        lines = merged(written, self._watching.logs.last(stage, _MAX_LINES), stages)
        return log_lines(lines[: -_MAX_LINES - 1 : -1], "No log lines yet.")

    def reported(self, name: str) -> list[Any]:
        """Return the metrics that an external service reports about itself."""
        return reported_metrics(self._watching.metric_rows(name))

    def node(self, name: str) -> Node:
        """Return what the view of a name shows: an external service, a stage, or the first stage."""
        return self._watching.external(name) or self._watching.node(name)

    def _spec(self, node: Node, stage: Stage, operation: str) -> str:
        """Return the notation of the delay that a stage or its operation has now, "" for none.

        A stage tells its own in its metrics; that of an operation is in its latest spans, and before them the file's.
        """
        if not operation:
            return node.figures.delay if isinstance(node.figures, StageFigures) else ""
        written = stage.operations[operation].delay
        return self._watching.store.delays.latest_spec(node.name, operation) or str(written or "")


def _operation(stage: Stage, search: str) -> str:
    """Return the operation that a search chooses, by default the first; "" if the stage is its only one."""
    chosen = parameter_of(search, "operation")
    return chosen if chosen in stage.operations else next(iter(stage.operations), "")


def _configured(written: Delay | None, spec: str) -> Delay | None:
    """Return the delay of a notation; None if it needs a file that is not available here."""
    if spec == str(written):
        return written
    try:
        return parse_delay(spec, no_samples) if spec else None
    except ValueError:
        return None

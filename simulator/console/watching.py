"""The run that a console watches: its figures, updated about once a second for all viewers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from simulator.console.logs.store import LogStore
from simulator.console.metrics.figures import stage_figures
from simulator.console.metrics.scraper import Scraper, ScrapeTarget, one_by_one
from simulator.console.metrics.timeline import Timeline, Track
from simulator.console.otlp.refusals import Refusals
from simulator.console.reported.figures import MetricRow, metric_rows
from simulator.console.reported.store import ReportedMetrics
from simulator.console.system.others import OtherServices
from simulator.console.system.picture import Node, SystemPicture, picture, silent_node
from simulator.console.traces.spans import Span, read_spans
from simulator.console.traces.store import TraceStore
from simulator.console.turns import Turns
from simulator.telemetry.clock import Clock
from simulator.telemetry.end_to_end import (
    NO_FIGURES,
    Durations,
    Whole,
    WholeSnapshot,
    WholeWindow,
    end_to_end_durations,
)
from simulator.telemetry.run_files import RunFiles, labels
from simulator.telemetry.standing import RollingWindow, StageSnapshot
from simulator.telemetry.tally import Tallies, TallyReader
from simulator.topology.graph import entries
from simulator.topology.model import Topology
from simulator.topology.requests import accepting, request_kinds

# Short, so that a change shows within a second or two; rates over a little longer, so that they are steady.
LATENCY_WINDOW_SECONDS = 1.5
PATIENT_WINDOW_SECONDS = 10.0
RATE_WINDOW_SECONDS = 4.0
_NOTHING = StageSnapshot(
    rate_per_second=math.nan,
    p50_seconds=math.nan,
    p95_seconds=math.nan,
    p99_seconds=math.nan,
    in_flight=0,
    queue_depth=0,
    outcomes={},
)


@dataclass(frozen=True)
class Snapshot:
    """The state of the whole run; `number` identifies a snapshot.

    `whole` has the messages at the entries, with the percentiles of what requests took from end to end; `requests` has
    those of each kind that begins there, and of accepted work.
    """

    number: int
    picture: SystemPicture
    whole: StageSnapshot
    requests: WholeSnapshot


class _WatchedTallies:
    """One source of counts: its present figures, and those of the last minutes.

    `durations()` returns those whose percentiles are taken, by default the durations of handling messages.
    """

    def __init__(self, source: Tallies, durations: Callable[[], Durations] | None = None) -> None:
        self.track = Track(source, durations)
        self._watch = RollingWindow(source, LATENCY_WINDOW_SECONDS, durations)
        self._patient = RollingWindow(source, PATIENT_WINDOW_SECONDS, durations)

    def look(self, monotonic: float, unix_seconds: float) -> StageSnapshot:
        """Return the present figures; percentiles reach further back if nothing was handled lately."""
        self.track.record(unix_seconds)
        now, longer = self._watch.snapshot(monotonic), self._patient.snapshot(monotonic)
        # An operation is less busy than its stage: its percentiles are those of the longer window.
        now = replace(now, operations=longer.operations)
        if not math.isnan(now.p50_seconds):
            return now
        return replace(
            now, p50_seconds=longer.p50_seconds, p95_seconds=longer.p95_seconds, p99_seconds=longer.p99_seconds
        )


class Watching:
    """The figures of the run that has these files.

    `scraper` fetches from its processes, `store` and `logs` receive traces and log records, `reported` the metrics of
    services that are not its stages, and `nudge()` makes the next look happen immediately. Long work takes `turns`.
    """

    def __init__(
        self,
        topology: Topology,
        files: RunFiles,
        store: TraceStore,
        scraper: Scraper,
        clock: Clock,
        nudge: Callable[[], None],
        turns: Turns | None = None,
        logs: LogStore | None = None,
        reported: ReportedMetrics | None = None,
    ) -> None:
        self.topology = topology
        self.files = files
        self.store = store
        self.logs = logs or LogStore(turns=turns)
        self.reported = reported or ReportedMetrics(topology.started.__contains__, turns=turns)
        self.nudge = nudge
        self.turns = turns or Turns()
        self._scraper = scraper
        self._clock = clock
        parts = {
            name: [TallyReader(files.tally(label)) for label in labels(name, stage.instances)]
            for name, stage in topology.started.items()
        }
        self._tallies = {name: Tallies(some) for name, some in parts.items()}
        self._watched = {name: _WatchedTallies(source) for name, source in self._tallies.items()}
        self._kinds = request_kinds(topology)
        self._by_request = WholeWindow(self._tallies, self._kinds, PATIENT_WINDOW_SECONDS)
        self._requests: Durations = {}  # of the last look: a thousand tallies are not read for each page
        begun = dict.fromkeys(kind for name in entries(topology) for kind in self._kinds[name])
        self._no_requests = Whole(
            every=NO_FIGURES,
            requests=dict.fromkeys(begun, NO_FIGURES),
            accepted=dict.fromkeys(accepting(topology), NO_FIGURES),
        )
        at_entries = Tallies([part for name in entries(topology) for part in parts[name]])
        self._whole = _WatchedTallies(at_entries, lambda: self._requests)
        self._others = OtherServices(topology, store, self.logs, self.reported, clock, self.spans)
        self.snapshot = Snapshot(0, picture(topology, {}), _NOTHING, self._no_requests)

    def look(
        self, for_each: Callable[[Callable[[ScrapeTarget], None], Iterable[ScrapeTarget]], object] = one_by_one
    ) -> None:
        """Ask every process, and make a new snapshot; `for_each` may ask them concurrently."""
        self._scraper.round(for_each)
        monotonic, unix_seconds = self._clock.now(), self._clock.unix_ns() / 1e9
        figures = {
            name: stage_figures(
                self._scraper.histories(name), watched.look(monotonic, unix_seconds), RATE_WINDOW_SECONDS
            )
            for name, watched in self._watched.items()
        }
        found = end_to_end_durations(self._tallies, self._kinds)
        self._requests = found.every
        self._others.look()
        drawn = picture(self.topology, figures, self._others.traced, self._others.reporting)
        whole = self._whole.look(monotonic, unix_seconds)
        requests = self._in_order(self._by_request.snapshot(monotonic, found))
        self.snapshot = Snapshot(self.snapshot.number + 1, drawn, whole, requests)

    def _in_order(self, found: WholeSnapshot) -> WholeSnapshot:
        """Return figures in the order of the topology, so that a row of the page keeps its place."""
        expected = self._no_requests
        return Whole(
            every=found.every,
            requests={kind: found.requests.get(kind, NO_FIGURES) for kind in expected.requests},
            accepted={name: found.accepted.get(name, NO_FIGURES) for name in expected.accepted},
        )

    def timeline(self, stage: str | None = None) -> Timeline:
        """Return a stage's figures over the last minutes; None means those of the whole, as in `Snapshot`."""
        watched = self._whole if stage is None else self._watched[stage]
        return watched.track.timeline(self._clock.unix_ns() / 1e9)

    def seen(self) -> None:
        """Called when a page is open, so that figures stay fresh."""
        self._scraper.watched()

    def look_soon(self) -> None:
        """Called when a page is opened, which should not wait for figures."""
        self.seen()
        self.nudge()

    def hurry(self) -> None:
        """Called when a setting was changed, so that its effect shows soon."""
        self._scraper.hurry()
        self.nudge()

    def due_in_seconds(self) -> float:
        """Return the time until the next look."""
        return self._scraper.due_in_seconds()

    def unix_ns(self) -> int:
        """Return the time, in nanoseconds since 1970."""
        return self._clock.unix_ns()

    def node(self, name: str) -> Node:
        """Return a stage with its figures; an unknown name means the first stage."""
        nodes = {node.name: node for node in self.snapshot.picture.nodes if not node.is_external}
        return nodes.get(name) or next(iter(nodes.values()))

    def external(self, name: str) -> Node | None:
        """Return a service that the run did not start, with its figures; None if there is none of that name.

        One that was heard of, but not lately, is in no picture and has no figures.
        """
        found = next((node for node in self.snapshot.picture.nodes if node.name == name), None)
        if found is not None:
            return found if found.is_external else None
        return silent_node(name) if self._others.has_heard_of(name) else None

    def take_logs(self, request: ExportLogsServiceRequest) -> Refusals:
        """Store received log records."""
        return self.logs.add(request, self._clock.unix_ns())

    def take_metrics(self, request: ExportMetricsServiceRequest) -> Refusals:
        """Store received metrics."""
        return self.reported.add(request, self._clock.now())

    def metric_rows(self, service: str) -> list[MetricRow]:
        """Return the metrics that a service reports about itself, by name."""
        return metric_rows(self.reported, service, self._clock.now())

    def spans(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace; none if it is not stored."""
        return [span for piece in self.store.pieces(trace_id) for span in read_spans(piece)]

    def labels(self, stage: str) -> list[str]:
        """Return the labels of a stage's processes."""
        return labels(stage, self.topology.stages[stage].instances)

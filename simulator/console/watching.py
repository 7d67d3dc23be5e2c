"""The run that a console watches: its figures, drawn up about once a second for all who look."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from simulator.console.metrics.figures import stage_figures
from simulator.console.metrics.scraper import Scraper, Target, one_by_one
from simulator.console.metrics.timeline import Timeline, Track
from simulator.console.system.foreign import MOST_NAME_CHARACTERS, NOTHING_FOREIGN, Foreign, foreign_system
from simulator.console.system.picture import Node, Picture, picture
from simulator.console.traces.search import Query
from simulator.console.traces.spans import Span, read_spans
from simulator.console.traces.store import TraceStore
from simulator.console.turns import Turns
from simulator.telemetry.record import Clock
from simulator.telemetry.run_files import RunFiles, labels
from simulator.telemetry.standing import Standing, Watch
from simulator.telemetry.tally import Tallies, TallyReader
from simulator.topology.graph import entries
from simulator.topology.model import Topology

# Short, so that a change is seen within a second or two; rates over a little longer, so that they stand still.
LATENCY_WINDOW_SECONDS = 1.5
PATIENT_WINDOW_SECONDS = 10.0
RATE_WINDOW_SECONDS = 4.0
_FOREIGN_TRACES = 200
# In all of them together: each is read from its bytes.
_MAX_FOREIGN_SPANS = 10_000
_FOREIGN_EVERY_SECONDS = 2.0
_FOREIGN_WINDOW_SECONDS = 60.0
_NOTHING = Standing(math.nan, math.nan, math.nan, math.nan, 0, 0, {})


@dataclass(frozen=True)
class Moment:
    """How everything stands; `number` tells one moment from the next. `whole` is the way from an entry and back."""

    number: int
    picture: Picture
    whole: Standing


class _Course:
    """How one source of counts goes: now, and over the last minutes."""

    def __init__(self, source: Tallies) -> None:
        self.track = Track(source)
        self._watch = Watch(source, LATENCY_WINDOW_SECONDS)
        self._patient = Watch(source, PATIENT_WINDOW_SECONDS)

    def look(self, monotonic: float, unix_seconds: float) -> Standing:
        """Read the source; percentiles reach further back where nothing was handled lately."""
        self.track.note(unix_seconds)
        now, longer = self._watch.look(monotonic), self._patient.look(monotonic)
        if not math.isnan(now.p50_seconds):
            return now
        return replace(
            now, p50_seconds=longer.p50_seconds, p95_seconds=longer.p95_seconds, p99_seconds=longer.p99_seconds
        )


class Watching:
    """Watch the run whose files these are.

    `scraper` fetches from its processes, traces come to `store`, and `nudge()` has the next look come at once. Long
    work is done in `turns`.
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
    ) -> None:
        self.topology = topology
        self.files = files
        self.store = store
        self.nudge = nudge
        self.turns = turns or Turns()
        self._scraper = scraper
        self._clock = clock
        parts = {
            name: [TallyReader(files.tally(label)) for label in labels(name, stage.instances)]
            for name, stage in topology.stages.items()
        }
        self._courses = {name: _Course(Tallies(some)) for name, some in parts.items()}
        self._whole = _Course(Tallies([part for name in entries(topology) for part in parts[name]]))
        self._foreign: Foreign = NOTHING_FOREIGN
        self._foreign_at = -math.inf
        self.moment = Moment(0, picture(topology, {}), _NOTHING)

    def look(self, for_each: Callable[[Callable[[Target], None], Iterable[Target]], object] = one_by_one) -> None:
        """Ask every process, and draw up the moment; `for_each` may ask them at the same time."""
        self._scraper.round(for_each)
        monotonic, unix_seconds = self._clock.monotonic(), self._clock.unix_ns() / 1e9
        figures = {
            name: stage_figures(
                self._scraper.histories(name), course.look(monotonic, unix_seconds), RATE_WINDOW_SECONDS
            )
            for name, course in self._courses.items()
        }
        drawn = picture(self.topology, figures, self._foreign_now(monotonic))
        self.moment = Moment(self.moment.number + 1, drawn, self._whole.look(monotonic, unix_seconds))

    def timeline(self, stage: str | None = None) -> Timeline:
        """Give how a stage did over the last minutes; None means the whole way, from an entry and back."""
        course = self._whole if stage is None else self._courses[stage]
        return course.track.timeline(self._clock.unix_ns() / 1e9)

    def seen(self) -> None:
        """Note that somebody looks, so that figures are kept fresh."""
        self._scraper.watched()

    def look_soon(self) -> None:
        """Note that somebody has come to look, who should not wait for figures."""
        self.seen()
        self.nudge()

    def hurry(self) -> None:
        """Note that somebody has changed something, and waits for what comes of it."""
        self._scraper.hurry()
        self.nudge()

    def due_in_seconds(self) -> float:
        """Give how long it is until the next look."""
        return self._scraper.due_in_seconds()

    def unix_ns(self) -> int:
        """Give the time."""
        return self._clock.unix_ns()

    def node(self, name: str) -> Node:
        """Give how a stage stands; a name that no stage has means the first one."""
        nodes = {node.name: node for node in self.moment.picture.nodes if not node.is_foreign}
        return nodes.get(name) or next(iter(nodes.values()))

    def spans(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace; none where it is not here."""
        return [span for piece in self.store.pieces(trace_id) for span in read_spans(piece)]

    def labels(self, stage: str) -> list[str]:
        """Give the labels of a stage's processes."""
        return labels(stage, self.topology.stages[stage].instances)

    def _foreign_now(self, monotonic: float) -> Foreign:
        if monotonic - self._foreign_at < _FOREIGN_EVERY_SECONDS:
            return self._foreign
        self._foreign_at = monotonic
        known = frozenset(self.topology.stages)
        strangers = [n for n in self.store.services() if n not in known and len(n) <= MOST_NAME_CHARACTERS]
        if not strangers:
            self._foreign = NOTHING_FOREIGN
            return self._foreign
        now = self._clock.unix_ns()
        since, most = now - int(_FOREIGN_WINDOW_SECONDS * 1e9), max(1, _FOREIGN_TRACES // len(strangers))
        found: dict[str, int] = {}
        for name in strangers[:_FOREIGN_TRACES]:
            for summary in self.store.find(Query(service=name, start_min_unix_ns=since, limit=most)):
                if sum(found.values()) + summary.spans <= _MAX_FOREIGN_SPANS:
                    found[summary.trace_id] = summary.spans
        self._foreign = foreign_system(map(self.spans, found), known, now / 1e9)
        return self._foreign

"""The services around a run, which it did not start: from their spans, metrics and log records, every two seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from simulator.console.logs.store import LogStore
from simulator.console.reported.figures import OwnFigures, own_figures
from simulator.console.reported.store import ReportedMetrics
from simulator.console.system.external import (
    MAX_NAME_CHARACTERS,
    NO_EXTERNAL_SERVICES,
    ExternalServices,
    external_services,
)
from simulator.console.traces.search import TraceQuery
from simulator.console.traces.spans import Span
from simulator.console.traces.store import TraceStore
from simulator.telemetry.clock import Clock
from simulator.topology.graph import edges
from simulator.topology.model import Topology

_EVERY_SECONDS = 2.0
_WINDOW_SECONDS = 60.0
_MAX_TRACES = 200
# Over all of them: each is read from its bytes.
_MAX_SPANS = 10_000


class OtherServices:
    """What is known of the services that are not among a topology's started stages; `spans(trace_id)` reads a trace."""

    def __init__(
        self,
        topology: Topology,
        traces: TraceStore,
        logs: LogStore,
        reported: ReportedMetrics,
        clock: Clock,
        spans: Callable[[str], Sequence[Span]],
    ) -> None:
        self._traces = traces
        self._logs = logs
        self._reported = reported
        self._clock = clock
        self._spans = spans
        self._ours = frozenset(topology.started)
        self._callers_of_urls = dict.fromkeys(
            caller for caller, called in edges(topology.stages) if topology.stages[called].url is not None
        )
        self._at = -math.inf
        self.traced: ExternalServices = NO_EXTERNAL_SERVICES
        self.reporting: Mapping[str, OwnFigures | None] = {}

    def look(self) -> None:
        """Update `traced`, the services in recent traces, and `reporting`, those that send metrics or log records.

        Of the latter these are the figures of their requests, if they report them.
        """
        monotonic = self._clock.now()
        if monotonic - self._at < _EVERY_SECONDS:
            return
        self._at = monotonic
        self.traced = self._in_traces()
        names = {*self._reported.services(monotonic), *self._logs.services()}
        self.reporting = {
            name: own_figures(self._reported, name, monotonic) for name in sorted(names) if self._is_shown(name)
        }

    def has_heard_of(self, name: str) -> bool:
        """Return whether there are spans or log records of a service, however old."""
        return name in self._traces.services() or name in self._logs.services()

    def _is_shown(self, name: str) -> bool:
        return name not in self._ours and len(name) <= MAX_NAME_CHARACTERS

    def _in_traces(self) -> ExternalServices:
        external = list(filter(self._is_shown, self._traces.services()))
        # A service at a URL may have no spans of its own: how long it takes is known from those of its callers.
        external += [name for name in self._callers_of_urls if name not in external]
        if not external:
            return NO_EXTERNAL_SERVICES
        now = self._clock.unix_ns()
        since, limit = now - int(_WINDOW_SECONDS * 1e9), max(1, _MAX_TRACES // len(external))
        found: dict[str, int] = {}
        for name in external[:_MAX_TRACES]:
            for summary in self._traces.find(TraceQuery(service=name, start_min_unix_ns=since, limit=limit)):
                if sum(found.values()) + summary.spans <= _MAX_SPANS:
                    found[summary.trace_id] = summary.spans
        return external_services(map(self._spans, found), self._ours, now / 1e9)

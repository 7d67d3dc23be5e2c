"""Reading the traces of a run from Jaeger's API, `/api/v3`.

The traces are found by windows of time, which are halved when an answer is full; a trace of the run that no window has,
because its first service is missing or its times were moved, is asked for by its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from simulator.proof.backends.held import BackendError, Held, HeldSpan
from simulator.proof.backends.readers.fetching import BackendClient, TooLarge
from simulator.proof.backends.readers.otlp_parts import read_held_spans
from simulator.telemetry.otlp_signal import Signal

_TRACES_PER_ANSWER = 500
_MIN_WINDOW_SECONDS = 0.001
# Spans that begin before the run, or after it, by clocks that differ.
_MARGIN_SECONDS = 10.0
# As they are stored: otherwise Jaeger removes doubled spans, and corrects clocks if it is configured to.
_RAW = {"raw_traces": "true"}


@dataclass(frozen=True, kw_only=True)
class RunSought:
    """The run to look for: its traces, the services in which they begin, and its time, in seconds since 1970."""

    trace_ids: Collection[str]
    entries: Collection[str]
    start_unix_seconds: float
    end_unix_seconds: float


def read_jaeger(client: BackendClient, sought: RunSought) -> Held:
    """Return the spans of a run; those of other traces in the same time are counted. Raise BackendError."""
    reading = _Reading(client, sought)
    known = set(reading.services())
    for service in sought.entries:
        if service in known:
            reading.window(
                service, sought.start_unix_seconds - _MARGIN_SECONDS, sought.end_unix_seconds + _MARGIN_SECONDS
            )
    reading.one_by_one(trace_id for trace_id in sought.trace_ids if trace_id not in reading.found)
    return Held(
        name=f"jaeger {client.shown}",
        signals=frozenset({Signal.TRACES}),
        spans=[span for trace_id in sought.trace_ids for span in reading.found.get(trace_id, ())],
        others={"traces": len(reading.found.keys() - set(sought.trace_ids))},
        unreadable=reading.unreadable,
    )


class _Reading:
    """The spans that have been found so far, by the ids of their traces."""

    def __init__(self, client: BackendClient, sought: RunSought) -> None:
        self._client = client
        self._sought = sought
        self.found: dict[str, list[HeldSpan]] = {}
        self.unreadable: Counter[str] = Counter()

    def services(self) -> list[str]:
        content = self._client.get("/api/v3/services", {}).content
        services = content.get("services") if isinstance(content, dict) else None
        if services is None and content != {}:
            raise BackendError(f"{self._client.shown}: this is not Jaeger's API: /api/v3/services has no services")
        return [str(service) for service in services or ()]

    def window(self, service: str, start: float, end: float) -> None:
        """Read the traces of a service in a time, in halves if they do not fit into an answer."""
        parameters = {
            "query.service_name": service,
            "query.start_time_min": _rfc3339(start),
            "query.start_time_max": _rfc3339(end),
            "query.num_traces": str(_TRACES_PER_ANSWER),
            "query.search_depth": str(_TRACES_PER_ANSWER),
            "query.raw_traces": "true",
        }
        is_divisible = end - start > _MIN_WINDOW_SECONDS
        try:
            content = self._client.get("/api/v3/traces", parameters).content
        except TooLarge:
            if not is_divisible:
                raise
            content = None
        traces = {} if content is None else self._traces(content)
        if is_divisible and (content is None or len(traces) >= _TRACES_PER_ANSWER):
            middle = (start + end) / 2
            self.window(service, start, middle)
            self.window(service, middle, end)
            return
        for trace_id, spans in traces.items():
            # A trace that is in two windows is whole in both.
            self.found.setdefault(trace_id, spans)

    def one_by_one(self, trace_ids: Iterable[str]) -> None:
        """Read traces by their ids; a status of 404 means that there is none."""
        for trace_id in trace_ids:
            answer = self._client.get(f"/api/v3/traces/{trace_id}", _RAW)
            if answer.status == 200:
                self.found.update(self._traces(answer.content))

    def _traces(self, content: object) -> dict[str, list[HeldSpan]]:
        traces: dict[str, list[HeldSpan]] = {}
        result = content.get("result", {}) if isinstance(content, dict) else None
        if not isinstance(result, dict):
            self.unreadable["answers"] += 1
            return traces
        for span in read_held_spans(result, self.unreadable):
            traces.setdefault(span.trace_id, []).append(span)
        return traces


def _rfc3339(unix_seconds: float) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

"""Services and calls that traces tell of and the topology does not."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.console.metrics.figures import CallFigures
from simulator.console.traces.spans import CLIENT, CONSUMER, PRODUCER, SERVER, Span

PEER = "peer.service"
# A client may send any names; a picture with more would show nothing.
MOST_SERVICES = 50
# A longer name of a service is none that anybody could read, and would travel to every page that looks.
MOST_NAME_CHARACTERS = 200
_SHORTEST_SECONDS = 1.0


@dataclass(frozen=True)
class ForeignFigures:
    """How a service stands that is no stage: requests per second, percentiles in seconds, the share that went wrong."""

    rate_per_second: float
    p50_seconds: float
    p99_seconds: float
    error_ratio: float


@dataclass(frozen=True)
class Foreign:
    """Services that are no stages, by name, and calls at an end of which there is one, by (caller, called)."""

    services: Mapping[str, ForeignFigures] = field(default_factory=dict)
    calls: Mapping[tuple[str, str], CallFigures] = field(default_factory=dict)


NOTHING_FOREIGN = Foreign()


def foreign_system(
    traces: Iterable[Sequence[Span]],
    known: frozenset[str],
    until_unix_seconds: float,
    most_services: int = MOST_SERVICES,
) -> Foreign:
    """Find the services and calls that `known` does not name, the `most_services` busiest.

    A request of a service is a span whose parent is another service's or that has none; that of a service without
    spans is seen in the clients that name it as their `peer.service`. A service with a name of more than
    MOST_NAME_CHARACTERS is left out with all its spans. The rate of each is over the time from its own first request
    to `until_unix_seconds`, a second at least: of a busy one the traces may reach less far back than of a quiet one.
    """
    requests: dict[str, list[Span]] = defaultdict(list)
    calls: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for trace in traces:
        for caller, called, span in _requests(trace):
            requests[called].append(span)
            if caller and caller != called:
                calls[caller, called].append(span)
    busiest = Counter({name: len(spans) for name, spans in requests.items() if name not in known})
    shown = known | {name for name, _ in busiest.most_common(most_services)}
    return Foreign(
        services={name: _service_figures(requests[name], until_unix_seconds) for name in busiest if name in shown},
        calls={
            call: CallFigures(_rate(spans, until_unix_seconds), _error_ratio(spans))
            for call, spans in calls.items()
            if not known.issuperset(call) and shown.issuperset(call)
        },
    )


def _requests(trace: Sequence[Span]) -> Iterator[tuple[str, str, Span]]:
    """Give every request in a trace as (caller or "", called, the span that tells of it)."""
    spans = {span.span_id: span for span in trace if len(span.service) <= MOST_NAME_CHARACTERS}
    answered = set()
    for span in spans.values():
        parent = spans.get(span.parent_id)
        if parent is not None and parent.service != span.service:
            answered.add(span.parent_id)
            yield parent.service, span.service, span
        # The parent of an inner span may yet come, for it ends later; that of a server's may be a client without spans.
        elif parent is None and (not span.parent_id or span.kind in (SERVER, CONSUMER)):
            yield "", span.service, span
    for span in spans.values():
        peer = _peer(span)
        if peer and span.span_id not in answered:
            yield span.service, peer, span


def _peer(span: Span) -> str:
    """Give the name that a client has for the other side; "" where it has none that could be shown."""
    peer = span.attributes.get(PEER) if span.kind in (CLIENT, PRODUCER) else None
    return peer if isinstance(peer, str) and len(peer) <= MOST_NAME_CHARACTERS else ""


def _service_figures(spans: Sequence[Span], until_unix_seconds: float) -> ForeignFigures:
    return ForeignFigures(
        rate_per_second=_rate(spans, until_unix_seconds),
        p50_seconds=_percentile(spans, 0.5),
        p99_seconds=_percentile(spans, 0.99),
        error_ratio=_error_ratio(spans),
    )


def _rate(spans: Sequence[Span], until_unix_seconds: float) -> float:
    first = min(span.start_unix_ns for span in spans) / 1e9
    return len(spans) / max(_SHORTEST_SECONDS, until_unix_seconds - first)


def _percentile(spans: Sequence[Span], q: float) -> float:
    ranked = sorted(span.duration_seconds for span in spans)
    return ranked[math.ceil(q * len(ranked)) - 1]


def _error_ratio(spans: Sequence[Span]) -> float:
    return sum(span.is_error for span in spans) / len(spans)

"""Services and calls that appear in traces but not in the topology."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.console.metrics.figures import CallFigures
from simulator.console.traces.spans import CLIENT, CONSUMER, PEER_ATTRIBUTES, PRODUCER, SERVER, Span

# A client may send any names; a picture with more services would be unreadable.
MAX_SERVICES = 50
# A longer name is unreadable, and would be sent to every open page.
MAX_NAME_CHARACTERS = 200
_SHORTEST_SECONDS = 1.0


@dataclass(frozen=True)
class ExternalFigures:
    """The figures of an external service: requests per second, percentiles in seconds, the share that failed."""

    rate_per_second: float
    p50_seconds: float
    p99_seconds: float
    error_ratio: float


@dataclass(frozen=True)
class ExternalServices:
    """External services by name, and the calls from or to them, by (caller, called)."""

    services: Mapping[str, ExternalFigures] = field(default_factory=dict)
    calls: Mapping[tuple[str, str], CallFigures] = field(default_factory=dict)


NO_EXTERNAL_SERVICES = ExternalServices()


def external_services(
    traces: Iterable[Sequence[Span]],
    known: frozenset[str],
    until_unix_seconds: float,
    max_services: int = MAX_SERVICES,
) -> ExternalServices:
    """Return the services and calls that `known` does not name, limited to the `max_services` busiest.

    A service's requests are its spans without a parent, or with a parent of another service; the requests to a service
    without spans are the client spans that name it as their peer. A service with a name of more than
    MAX_NAME_CHARACTERS is left out with all its spans. Each rate is over the time from the service's own first request
    to `until_unix_seconds`, at least a second, because the traces of a busy service may reach back less far.
    """
    requests: dict[str, list[Span]] = defaultdict(list)
    calls: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for trace in traces:
        for caller, called, span in _requests(trace):
            requests[called].append(span)
            if caller and caller != called:
                calls[caller, called].append(span)
    busiest = Counter({name: len(spans) for name, spans in requests.items() if name not in known})
    shown = known | {name for name, _ in busiest.most_common(max_services)}
    return ExternalServices(
        services={name: _service_figures(requests[name], until_unix_seconds) for name in busiest if name in shown},
        calls={
            call: CallFigures(_rate(spans, until_unix_seconds), _error_ratio(spans))
            for call, spans in calls.items()
            if not known.issuperset(call) and shown.issuperset(call)
        },
    )


def _requests(trace: Sequence[Span]) -> Iterator[tuple[str, str, Span]]:
    """Yield every request in a trace as (caller or "", called, its span)."""
    spans = {span.span_id: span for span in trace if len(span.service) <= MAX_NAME_CHARACTERS}
    answered = set()
    for span in spans.values():
        parent = spans.get(span.parent_id)
        if parent is not None and parent.service != span.service:
            answered.add(span.parent_id)
            yield parent.service, span.service, span
        # An inner span's parent may still arrive, because it ends later; a server's may be a client without spans.
        elif parent is None and (not span.parent_id or span.kind in (SERVER, CONSUMER)):
            yield "", span.service, span
    for span in spans.values():
        peer = _peer(span)
        if peer and span.span_id not in answered:
            yield span.service, peer, span


def _peer(span: Span) -> str:
    """Return a client's name for the other side; "" if it has none that can be shown."""
    if span.kind not in (CLIENT, PRODUCER):
        return ""
    names = [span.attributes.get(attribute) for attribute in PEER_ATTRIBUTES]
    return next((name for name in names if isinstance(name, str) and 0 < len(name) <= MAX_NAME_CHARACTERS), "")


def _service_figures(spans: Sequence[Span], until_unix_seconds: float) -> ExternalFigures:
    return ExternalFigures(
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

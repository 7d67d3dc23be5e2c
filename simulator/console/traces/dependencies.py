"""Which services call which, counted over stored traces as Jaeger counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from simulator.console.traces.search import TraceQuery
from simulator.console.traces.spans import has_parent, service_of
from simulator.console.traces.store import TraceStore

_ALL = 10**9


def dependencies(store: TraceStore, start_unix_ns: int, end_unix_ns: int) -> Mapping[tuple[str, str], int]:
    """Return the number of spans by (service of the parent, own service), over the traces that start in a period.

    A span whose parent is missing does not count, and one whose parent is in its own service counts, too.
    """
    found: Counter[tuple[str, str]] = Counter()
    query = TraceQuery(start_min_unix_ns=start_unix_ns, start_max_unix_ns=end_unix_ns, limit=_ALL)
    for summary in store.find(query):
        services: dict[bytes, str] = {}
        children: list[tuple[bytes, str]] = []
        for piece in store.pieces(summary.trace_id):
            for group in piece:
                service = service_of(group.resource)
                for span in (span for scope_spans in group.scope_spans for span in scope_spans.spans):
                    services[span.span_id] = service
                    if has_parent(span):
                        children.append((span.parent_span_id, service))
        found.update((services[parent], service) for parent, service in children if parent in services)
    return found

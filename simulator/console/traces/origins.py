"""The origin of spans and log records: resource and scope, which thousands of them share and which are stored once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from sys import getsizeof
from typing import TypeVar

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from simulator.console.traces.spans import service_of

Scoped = TypeVar("Scoped", ScopeSpans, ScopeLogs)
_Resource = tuple[bytes, str]  # serialized, and the URL of its schema
_Scope = tuple[bytes, str]
_OVERHEAD_BYTES = 450  # Python's memory for an Origin, its two tuples and its dict entry


class Origin:
    """A resource and a scope, both serialized; `uses` is the number of stored spans or records that have it."""

    __slots__ = ("bytes", "resource", "scope", "service", "uses")

    def __init__(self, resource: _Resource, scope: _Scope) -> None:
        self.resource = resource
        self.scope = scope
        self.service = service_of(Resource.FromString(resource[0]))
        self.uses = 0
        self.bytes = _OVERHEAD_BYTES + sum(map(getsizeof, (*resource, *scope, self.service)))

    def attributes(self) -> Iterator[KeyValue]:
        """Return the attributes of the resource and of the scope."""
        yield from Resource.FromString(self.resource[0]).attributes
        yield from InstrumentationScope.FromString(self.scope[0]).attributes


class Origins:
    """The origins of what a store holds. An origin is dropped with its last use, so what is stored bounds them."""

    def __init__(self) -> None:
        self._known: dict[tuple[_Resource, _Scope], Origin] = {}
        self.bytes = 0

    def of(self, resource_spans: ResourceSpans) -> Iterator[tuple[Origin, ScopeSpans]]:
        """Yield each scope that has spans with their origin, which is held while the caller works on it."""
        yield from self._of(resource_spans, [scope for scope in resource_spans.scope_spans if scope.spans])

    def of_logs(self, resource_logs: ResourceLogs) -> Iterator[tuple[Origin, ScopeLogs]]:
        """Yield each scope that has log records with their origin, which is held while the caller works on it."""
        yield from self._of(resource_logs, [scope for scope in resource_logs.scope_logs if scope.log_records])

    def _of(self, group: ResourceSpans | ResourceLogs, filled: Sequence[Scoped]) -> Iterator[tuple[Origin, Scoped]]:
        if not filled:
            return
        resource = (group.resource.SerializeToString(), group.schema_url)
        for scoped in filled:
            scope = (scoped.scope.SerializeToString(), scoped.schema_url)
            origin = self._known.get((resource, scope))
            if origin is None:
                origin = self._known[resource, scope] = Origin(resource, scope)
                self.bytes += origin.bytes
            origin.uses += 1
            try:
                yield origin, scoped
            finally:
                self.release(origin)

    def release(self, origin: Origin) -> None:
        """Drop one use of an origin."""
        origin.uses -= 1
        if origin.uses == 0:
            del self._known[origin.resource, origin.scope]
            self.bytes -= origin.bytes


def grouped(spans: Iterable[tuple[Origin, bytes]]) -> list[ResourceSpans]:
    """Return serialized spans as messages again, each resource once, and each scope once within it."""
    resources: dict[_Resource, ResourceSpans] = {}
    scopes: dict[Origin, ScopeSpans] = {}
    for origin, serialized in spans:
        if origin not in scopes:
            scopes[origin] = _open_scope(resources, origin)
        scopes[origin].spans.add().MergeFromString(serialized)
    return list(resources.values())


def _open_scope(resources: dict[_Resource, ResourceSpans], origin: Origin) -> ScopeSpans:
    if origin.resource not in resources:
        serialized, schema_url = origin.resource
        resources[origin.resource] = ResourceSpans(resource=Resource.FromString(serialized), schema_url=schema_url)
    serialized, schema_url = origin.scope
    opened = resources[origin.resource].scope_spans.add()
    opened.scope.MergeFromString(serialized)
    opened.schema_url = schema_url
    return opened

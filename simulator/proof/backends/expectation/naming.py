"""The names and attributes of the spans of a topology that do not depend on the message."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from simulator.proof.backends.expectation.records import ANY_VALUE
from simulator.telemetry.traces import peer
from simulator.topology.addresses import Route, routes_of
from simulator.topology.model import Answering, Topology


class SpanNames:
    """The names of a topology's spans; "" is the name of one that has the request's own method."""

    def __init__(self, topology: Topology) -> None:
        self._stages = topology.stages
        self._route = lru_cache(maxsize=None)(self._find_route)

    def server(self, stage: str, operation: str) -> tuple[str, Mapping[str, Any]]:
        """Return the name of the span of a request to an operation, and its attributes."""
        model = self._stages[stage]
        found = model.all_operations[operation]
        if model.takes_any_path:
            return found.span or "", {"http.request.method": ANY_VALUE}
        method = str(found.method)
        attributes = {"http.request.method": method, "http.route": found.route, "url.scheme": "http"}
        return found.span or f"{method} {found.route}", attributes

    def client(self, stage: str, operation: str, called: str, of: str) -> tuple[str, dict[str, Any]]:
        """Return the name of the span of an attempt at the operation `of` of `called`, and its attributes."""
        route = self._route(called, of)
        attributes: dict[str, Any] = dict(peer(called))
        if route is None:
            return "", attributes
        if route.database is not None:
            return route.span or route.database.span_name, attributes | dict(route.database.attributes)
        if self._relays(stage, operation, called):
            return "", attributes
        attributes |= {"http.request.method": str(route.method), "url.full": ANY_VALUE}
        if route.path:
            attributes["url.template"] = route.path
        name = f"{route.method} {route.path}" if route.path else str(route.method)
        return route.span or name, attributes

    def call(self, called: str, operation: str) -> tuple[str, dict[str, Any]]:
        """Return the name of the span around the attempts of a call, and its attributes."""
        route = self._route(called, operation)
        database = {} if route is None or route.database is None else dict(route.database.attributes)
        named = {"simulator.downstream.operation": operation} if operation else {}
        return f"call {called}", peer(called) | database | named

    def is_database(self, called: str, operation: str) -> bool:
        """Return whether an operation is seen as a database's by its callers."""
        route = self._route(called, operation)
        return route is not None and route.database is not None

    def _find_route(self, called: str, operation: str) -> Route | None:
        model = self._stages.get(called)
        return None if model is None else routes_of(model).get(operation)

    def _relays(self, stage: str, operation: str, called: str) -> bool:
        """Return whether a stage passes on its client's own request, whatever method it has."""
        relays = self._stages[stage].all_operations[operation].answer is Answering.DOWNSTREAM
        return relays and self._stages[called].url is not None

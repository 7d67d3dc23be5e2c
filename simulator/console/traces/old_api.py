"""Jaeger's older API, which its own page, Grafana's data source and many scripts read.

Every answer is {"data": ..., "total": ..., "limit": 0, "offset": 0, "errors": ...}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import orjson
from flask import Response, request

from simulator.console.traces.api_answers import JSON, check_size, json_answer
from simulator.console.traces.api_parameters import BadParameter, read_trace_id
from simulator.console.traces.dependencies import dependencies
from simulator.console.traces.jaeger_form import TraceProcesses, shown_trace_id, spans_of
from simulator.console.traces.old_parameters import read_old_query, read_period
from simulator.console.traces.store import TraceStore

_NOT_FOUND = {"code": 404, "msg": "trace not found"}


class OldApi:
    """The handlers of the older API; `unix_ns()` returns the time."""

    def __init__(self, store: TraceStore, unix_ns: Callable[[], int]) -> None:
        self._store = store
        self._unix_ns = unix_ns

    def routes(self) -> dict[str, Callable[..., Response]]:
        """Return the handler of each path."""
        routes: dict[str, Callable[..., Response]] = {
            "/api/services": self._services,
            "/api/services/<path:service>/operations": self._operation_names,
            "/api/operations": self._operations,
            "/api/traces": self._find,
            "/api/traces/<trace_id>": self._trace,
            "/api/dependencies": self._dependencies,
        }
        return {path: _with_errors(handler) for path, handler in routes.items()}

    def _services(self) -> Response:
        return _listed(self._store.services())

    def _operation_names(self, service: str) -> Response:
        return _listed(list(dict.fromkeys(name for name, _ in self._store.operations(service))))

    def _operations(self) -> Response:
        service, wanted = request.args.get("service", ""), request.args.get("spanKind", "")
        if not service:
            raise BadParameter("parameter 'service' is required")
        found = self._store.operations(service)
        return _listed([{"name": name, "spanKind": kind} for name, kind in found if wanted in ("", kind)])

    def _find(self) -> Response:
        asked = read_old_query(request.args, self._unix_ns())
        if asked.trace_ids:
            known = [trace_id for trace_id in dict.fromkeys(asked.trace_ids) if self._store.has(trace_id)]
            missing = [trace_id for trace_id in asked.trace_ids if trace_id not in known]
        else:
            known, missing = [summary.trace_id for summary in self._store.find(asked.query)], []
        check_size(self._store.size(known), f"{len(known):,} traces", "ask for fewer with limit")
        errors = [
            {"msg": _NOT_FOUND["msg"], "traceID": shown_trace_id(bytes.fromhex(trace_id))} for trace_id in missing
        ]
        return self._traces(known, errors or None)

    def _trace(self, trace_id: str) -> Response:
        full_id = read_trace_id(trace_id)
        if not self._store.has(full_id):
            return _answer(None, errors=[_NOT_FOUND], status=404)
        check_size(self._store.size([full_id]), "this trace", f"it is whole at /download/traces/{full_id}.json")
        return self._traces([full_id], None)

    def _dependencies(self) -> Response:
        found = dependencies(self._store, *read_period(request.args, self._unix_ns()))
        service = request.args.get("service", "")
        links = [
            {"parent": parent, "child": child, "callCount": count}
            for (parent, child), count in sorted(found.items())
            if service in ("", parent, child)
        ]
        return _answer(links)

    def _traces(self, trace_ids: Sequence[str], errors: object) -> Response:
        rest = orjson.dumps({"total": 0, "limit": 0, "offset": 0, "errors": errors})
        return Response(self._written(trace_ids, rest), mimetype=JSON)

    def _written(self, trace_ids: Sequence[str], rest: bytes) -> Iterator[bytes]:
        """Yield an answer of traces, piece by piece; those evicted meanwhile are left out."""
        yield b'{"data":['
        separator = b""
        for trace_id in trace_ids:
            if not self._store.has(trace_id):
                continue
            yield separator + b'{"traceID":"' + shown_trace_id(bytes.fromhex(trace_id)).encode() + b'","spans":'
            processes = TraceProcesses()
            yield from self._spans(trace_id, processes)
            yield b',"processes":' + orjson.dumps(processes.as_plain()) + b',"warnings":null}'
            separator = b","
        yield b"]," + rest.removeprefix(b"{")

    def _spans(self, trace_id: str, processes: TraceProcesses) -> Iterator[bytes]:
        """Yield the list of a trace's spans; meanwhile `processes` gets those that they refer to."""
        yield b"["
        separator = b""
        for piece in self._store.pieces(trace_id):
            for group in piece:
                for span in spans_of(group, processes):
                    yield separator + orjson.dumps(span)
                    separator = b","
        yield b"]"


def _with_errors(handler: Callable[..., Response]) -> Callable[..., Response]:
    """Return a handler that answers an invalid parameter in the format of this API."""

    def handle(**parts: str) -> Response:
        try:
            return handler(**parts)
        except BadParameter as error:
            return _answer(None, errors=[{"code": 400, "msg": str(error)}], status=400)

    return handle


def _listed(found: Sequence[object]) -> Response:
    """Return an answer with a list, empty where Jaeger answers null, which not every reader expects."""
    return _answer(found, total=len(found))


def _answer(data: object, total: int = 0, errors: object = None, status: int = 200) -> Response:
    return json_answer({"data": data, "total": total, "limit": 0, "offset": 0, "errors": errors}, status)

"""Jaeger's APIs over the console's own store, so that Jaeger's clients can read it; and downloads of traces.

Here are version 3, whose bodies are OTLP's JSON, and the downloads; the older one is in `old_api`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from simulator.console.otlp.json_form import as_json
from simulator.console.traces.api_answers import JSON, allow_headers, check_size, json_answer
from simulator.console.traces.api_parameters import (
    BadParameter,
    read_boolean,
    read_optional,
    read_query,
    read_time,
    read_trace_id,
)
from simulator.console.traces.old_api import OldApi
from simulator.console.traces.store import TraceStore

PREFIXES = ("/api", "/download")


def make_api(store: TraceStore, unix_ns: Callable[[], int] = time.time_ns) -> Flask:
    """Return the application that answers under PREFIXES; `unix_ns()` returns the time.

    It has /api/v3/services, operations, traces and traces/{id}, the older paths of Jaeger's API, and /download/traces.
    Answers and errors are Jaeger's: 400 for an invalid parameter and for an answer that would be too large, 404 for a
    missing trace and any other path, 405 for another method. Traces are encoded while they are sent.
    """
    api = Flask("simulator.console.api", static_folder=None)
    handlers = _Handlers(store)
    routes: dict[str, Callable[..., Response]] = {
        "/api/v3/services": handlers.services,
        "/api/v3/operations": handlers.operations,
        "/api/v3/traces": handlers.find,
        "/api/v3/traces/<trace_id>": handlers.trace,
        "/download/traces.json": handlers.download_all,
        "/download/traces/<trace_id>.json": handlers.download,
        **OldApi(store, unix_ns).routes(),
    }
    for path, view in routes.items():
        api.add_url_rule(path, path, view, methods=["GET"], provide_automatic_options=False)
    api.register_error_handler(BadParameter, lambda error: _error(400, str(error)))
    api.register_error_handler(HTTPException, _http_error)
    return api


class _Handlers:
    """The handlers of the routes."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    def services(self) -> Response:
        return json_answer({"services": self._store.services()})

    def operations(self) -> Response:
        found = self._store.operations(request.args.get("service", ""))
        wanted = request.args.get("span_kind") or request.args.get("spanKind")
        chosen = [{"name": name, "spanKind": kind} for name, kind in found if wanted in (None, "", kind)]
        return json_answer({"operations": chosen})

    def find(self) -> Response:
        found = [summary.trace_id for summary in self._store.find(read_query(request.args))]
        check_size(self._store.size(found), f"{len(found):,} traces", "ask for fewer with query.num_traces")
        return self._result(found)

    def trace(self, trace_id: str) -> Response:
        full_id = read_trace_id(trace_id)
        # Jaeger, too, only checks that they are times: a trace is always returned as a whole.
        read_optional(request.args, "start_time", read_time)
        read_optional(request.args, "end_time", read_time)
        read_optional(request.args, "raw_traces", read_boolean)
        check_size(self._store.size([full_id]), "this trace", f"it is whole at /download/traces/{full_id}.json")
        return self._result([full_id])

    def download(self, trace_id: str) -> Response:
        full_id = read_trace_id(trace_id)
        return self._file([full_id], f"trace-{full_id}.json") if self._store.has(full_id) else _no_traces()

    def download_all(self) -> Response:
        return self._file(self._store.trace_ids(), "traces.json")

    def _result(self, trace_ids: Sequence[str]) -> Response:
        if not any(map(self._store.has, trace_ids)):
            return _no_traces()
        return Response(_wrapped(b'{"result":', self._written(trace_ids), b"}"), mimetype=JSON)

    def _file(self, trace_ids: Sequence[str], name: str) -> Response:
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(self._written(trace_ids), mimetype=JSON, headers=headers)

    def _written(self, trace_ids: Iterable[str]) -> Iterator[bytes]:
        """Yield traces as one OTLP document, piece by piece; those evicted meanwhile are left out."""
        yield b'{"resourceSpans":['
        separator = b""
        for trace_id in trace_ids:
            for piece in self._store.pieces(trace_id):
                for resource_spans in piece:
                    (written,) = as_json([resource_spans])["resourceSpans"]
                    yield separator + orjson.dumps(written)
                    separator = b","
        yield b"]}"


def _wrapped(before: bytes, pieces: Iterator[bytes], after: bytes) -> Iterator[bytes]:
    yield before
    yield from pieces
    yield after


def _error(status: int, message: str) -> Response:
    return json_answer({"error": {"httpCode": status, "message": message}}, status)


def _http_error(error: HTTPException) -> Response:
    """Return the answer to a request that Flask refuses; for a wrong method with the allowed ones."""
    answer = _error(error.code or 500, error.description or error.name)
    answer.headers.extend(allow_headers(error))
    return answer


def _no_traces() -> Response:
    return _error(404, "No traces found")

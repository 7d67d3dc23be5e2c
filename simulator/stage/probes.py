"""The probes of a stage: `/healthz`, `/readyz` and `/metrics`.

They are beside the application that takes messages, never behind it: not delayed, faulted, queued, traced or logged.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from werkzeug.exceptions import HTTPException

from simulator.net.problems import http_problem

# This saves most of the bytes, at a fraction of the time that messages would have to wait for the rest.
_GZIP_LEVEL = 1
PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


def make_probes(registry: CollectorRegistry, roll: Callable[[], None], ready: Callable[[], bool]) -> Flask:
    """Return the application that answers PATHS; `roll` updates the metrics before they are read."""
    app = Flask("simulator.probes", static_folder=None)

    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    def readyz() -> Response:
        return Response("ready\n" if ready() else "not ready\n", 200 if ready() else 503, mimetype="text/plain")

    def metrics() -> Response:
        roll()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        names = request.args.getlist("name[]")
        text = encode(registry.restricted_registry(names) if names else registry)
        answer = Response(text, content_type=content_type, headers={"Vary": "Accept, Accept-Encoding"})
        if request.accept_encodings.best_match(["gzip", "identity"]) == "gzip":
            answer.data = gzip.compress(text, _GZIP_LEVEL, mtime=0)
            answer.headers["Content-Encoding"] = "gzip"
        return answer

    views = (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics))
    for path, view in views:
        app.add_url_rule(path, view_func=view)
    app.register_error_handler(HTTPException, http_problem)
    return app


def beside(others: Mapping[str, WSGIApplication], messages: WSGIApplication) -> WSGIApplication:
    """Return an application that passes the paths of `others` to those and everything else to `messages`."""

    def dispatch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        chosen: Any = others.get(environ.get("PATH_INFO", ""), messages)
        return chosen(environ, start_response)  # type: ignore[no-any-return]

    return dispatch

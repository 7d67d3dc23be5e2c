"""What a stage tells whoever watches it, `/healthz`, `/readyz` and `/metrics`, and its callers: `/injected`.

They stand beside the application that takes messages, never behind it: not delayed, faulted, queued, traced or logged.
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
from simulator.stage import injections
from simulator.stage.message import is_of_the_run

RECEIVED_AT = "simulator.received_at"  # the key in the WSGI environment: when the request came, monotonic
# Most of what can be saved, at a fraction of the time that messages would have to wait for the rest.
_GZIP_LEVEL = 1
PATHS = frozenset({"/healthz", "/readyz", "/metrics", injections.PATH})


def make_probes(
    registry: CollectorRegistry,
    roll: Callable[[], None],
    ready: Callable[[], bool],
    is_on_purpose: Callable[[str, str], bool],
    secret: str = "",
) -> Flask:
    """Make the application that answers PATHS.

    `roll` brings the metrics up to date before they are read; `is_on_purpose(message_id, visit)` tells whether a fault
    keeps that visit of a message from its answer, which is told to those who know the run's secret, where it has one.
    """
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

    def injected() -> Response:
        may_know = is_of_the_run(request.headers, secret)
        yes = may_know and is_on_purpose(request.args.get("message_id", ""), request.args.get("visit", ""))
        return Response("on purpose\n" if yes else "no\n", 200 if yes else 404, mimetype="text/plain")

    views = (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics), (injections.PATH, injected))
    for path, view in views:
        app.add_url_rule(path, view_func=view)
    app.register_error_handler(HTTPException, http_problem)
    return app


def beside(
    others: Mapping[str, WSGIApplication], messages: WSGIApplication, monotonic: Callable[[], float]
) -> WSGIApplication:
    """Send the paths of `others` there and everything else to `messages`, noting when it came."""

    def dispatch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[RECEIVED_AT] = monotonic()
        chosen: Any = others.get(environ.get("PATH_INFO", ""), messages)
        return chosen(environ, start_response)  # type: ignore[no-any-return]

    return dispatch

"""What a stage tells whoever watches it, `/healthz`, `/readyz` and `/metrics`, and its callers: `/injected`.

They stand beside the application that takes messages, never behind it: not delayed, faulted, queued, traced or logged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from simulator.stage import injections

RECEIVED_AT = "simulator.received_at"  # the key in the WSGI environment: when the request came, monotonic
PATHS = frozenset({"/healthz", "/readyz", "/metrics", injections.PATH})


def make_probes(
    registry: CollectorRegistry,
    roll: Callable[[], None],
    ready: Callable[[], bool],
    is_on_purpose: Callable[[str, str], bool],
) -> Flask:
    """Make the application that answers PATHS.

    `roll` brings the metrics up to date before they are read; `is_on_purpose(message_id, visit)` tells whether a fault
    keeps that visit of a message from its answer.
    """
    app = Flask("simulator.probes", static_folder=None)

    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    def readyz() -> Response:
        return Response("ready\n" if ready() else "not ready\n", 200 if ready() else 503, mimetype="text/plain")

    def metrics() -> Response:
        roll()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type)

    def injected() -> Response:
        yes = is_on_purpose(request.args.get("message_id", ""), request.args.get("visit", ""))
        return Response("on purpose\n" if yes else "no\n", 200 if yes else 404, mimetype="text/plain")

    views = (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics), (injections.PATH, injected))
    for path, view in views:
        app.add_url_rule(path, view_func=view)
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

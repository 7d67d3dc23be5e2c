"""The routes of the console: what is received, the trace API, downloads, paths of other APIs, and the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Response

from simulator.net.problems import problem

HEALTH = "/healthz"
# The paths of what a client may take the console for. Each gets 404 in JSON, even where a browser asks.
OTHER_APIS = ("/metrics", "/jaeger", "/prometheus", "/loki", "/zipkin")
_READ = ("GET", "HEAD")


def by_path(others: Mapping[str, WSGIApplication], page: WSGIApplication) -> WSGIApplication:
    """Return the application that sends each path to the one with its prefix, and all others to the page."""

    def dispatch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        chosen: Any = next((app for prefix, app in others.items() if _is_under(path, prefix)), page)
        return chosen(environ, start_response)  # type: ignore[no-any-return]

    return dispatch


def health(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a health check: the console is up."""
    if environ.get("REQUEST_METHOD", "GET") not in _READ:
        answer = problem(405, "Method Not Allowed", "a health check is a GET")
        answer.headers["Allow"] = ", ".join(_READ)
        return answer(environ, start_response)
    return Response("ok\n", content_type="text/plain")(environ, start_response)


def no_such_api(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a client of an API that the console does not have."""
    reason = "The console has no such API. It has /v1 (OTLP), /api (Jaeger's) and /download."
    return problem(404, "Not Found", reason)(environ, start_response)


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")

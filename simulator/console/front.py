"""The routes of the console: received spans, the trace API, downloads, and the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Response

HEALTH = "/healthz"


def by_path(others: Mapping[str, WSGIApplication], page: WSGIApplication) -> WSGIApplication:
    """Return the application that sends each path to the one with its prefix, and all others to the page."""

    def dispatch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        chosen: Any = next((app for prefix, app in others.items() if _is_under(path, prefix)), page)
        return chosen(environ, start_response)  # type: ignore[no-any-return]

    return dispatch


def health(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a health check: the console is up."""
    return Response("ok\n", content_type="text/plain")(environ, start_response)


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")

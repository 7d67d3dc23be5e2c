"""Errors as RFC 9457 problem details."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

CONTENT_TYPE = "application/problem+json"
_MAX_DETAIL_CHARACTERS = 500


def problem(status: int, title: str, detail: str, **more: Any) -> Response:
    """Return the answer that tells a client what went wrong; an empty title means HTTP's name of the status."""
    body = {
        "type": "about:blank",
        "title": title or HTTP_STATUS_CODES.get(status, "Error"),
        "status": status,
        "detail": detail[:_MAX_DETAIL_CHARACTERS],
        **more,
    }
    return Response(orjson.dumps(body) + b"\n", status, content_type=CONTENT_TYPE)


def http_problem(error: HTTPException) -> Response:
    """Return the answer to a request that HTTP itself refuses: a wrong path, a wrong method."""
    answer = problem(error.code or 500, error.name, error.description or "")
    for name, value in error.get_headers():
        if name == "Allow":
            answer.headers[name] = value
    return answer

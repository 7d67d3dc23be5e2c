"""The answer where there is no page: 404, as a page for people and as problem details for programs.

The page's own script chooses the view by the path, so the server would answer every path with the page. A client of
some API, or a probe, would take that for success.
"""

from __future__ import annotations

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException

from simulator.console.page.paths import is_page
from simulator.net.problems import problem

# Dash's catch-all route.
_EVERY_PATH = "/<path:path>"
_NOT_HERE = "There is no page at this address."
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Not found</title></head>
<body><h1>Not found</h1><p>{_NOT_HERE}</p><p><a href="/">To the system</a></p></body>
</html>
"""


def answer_unknown(server: Flask) -> None:
    """Make a server refuse every path without a page, and answer every error in the format that the client accepts."""
    server.before_request(_refuse_unknown)
    server.register_error_handler(HTTPException, _answer)


def _refuse_unknown() -> None:
    rule = request.url_rule
    if rule is not None and rule.rule == _EVERY_PATH and not is_page(request.path):
        abort(404)


def _answer(error: HTTPException) -> Response:
    status = error.code or 500
    if status == 404 and request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html":
        return Response(_PAGE, status, content_type="text/html; charset=utf-8")
    answer = problem(status, error.name, _NOT_HERE if status == 404 else error.description or error.name)
    answer.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
    return answer

"""`/control`: what a running stage does, and a way to change it, for those who may."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from flask import Flask, Request, Response, request
from structlog.typing import FilteringBoundLogger
from werkzeug.exceptions import HTTPException

from simulator.engine.json_text import without_mark
from simulator.engine.live import LiveStage
from simulator.errors import ConfigurationError
from simulator.net.loopback import host_of, is_loopback
from simulator.net.problems import http_problem, problem
from simulator.net.request_body import BodyTooLarge, read_body
from simulator.topology.layers import CONTROL_TOKEN_VARIABLE

PATH = "/control"
_MOST_BYTES = 64 * 1024
_JSON_TYPES = ("application/json", "application/merge-patch+json")


def make_control(
    live: LiveStage, token: str | None, logger: FilteringBoundLogger, record: Callable[[str], None]
) -> Flask:
    """Make the application that answers PATH.

    With a `token` it answers whoever bears it, without one whoever asks on the loopback interface. `record(result)`
    counts every request: `read`, `changed`, `invalid` or `refused`.
    """
    app = Flask("simulator.control", static_folder=None)

    def control() -> Response:
        reason = _refusal(request, token)
        if reason:
            record("refused")
            logger.warning("control.refused", client=request.remote_addr, method=request.method, reason=reason)
            answer = problem(403, "Forbidden", reason)
            if token:
                answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        if request.method != "PATCH":
            record("read")
            return _json(live.settings())
        try:
            changes = live.change(_patch(request))
        except ConfigurationError as error:
            record("invalid")
            mistakes = error.shown()
            return problem(400, "Invalid change", "nothing was changed: " + "; ".join(mistakes), problems=mistakes)
        record("changed")
        for key, (before, after) in changes.items():
            logger.info("control.changed", client=request.remote_addr, key=key, before=before, after=after)
        return _json(live.settings())

    app.add_url_rule(PATH, view_func=control, methods=["GET", "PATCH"], provide_automatic_options=False)
    app.register_error_handler(HTTPException, http_problem)
    return app


def _json(content: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n", content_type="application/json")


def _refusal(current: Request, token: str | None) -> str:
    """Say why a client may not; "" where it may."""
    if token:
        given = current.headers.get("Authorization", "").encode("latin-1", "replace")
        # Compared in constant time, so that how long it takes tells nothing about how much of it is right.
        right = hmac.compare_digest(given, f"Bearer {token}".encode())
        return "" if right else f"the token of {CONTROL_TOKEN_VARIABLE} is needed"
    if not is_loopback(current.remote_addr or ""):
        return f"without {CONTROL_TOKEN_VARIABLE} only this machine itself is answered"
    # A page from elsewhere whose name suddenly leads to this machine still bears its own name.
    if not is_loopback(host_of(current.headers.get("Host", ""))):
        return "the Host header names another machine than this"
    return ""


def _patch(current: Request) -> Mapping[str, Any]:
    # Any other type could be sent by a form on a page from elsewhere.
    if current.mimetype not in _JSON_TYPES:
        raise ConfigurationError.of(f"the content type must be {_JSON_TYPES[0]}")
    announced = 0 if current.content_length is None else current.content_length
    in_chunks = "Transfer-Encoding" in current.headers
    try:
        body = read_body(current.environ["wsgi.input"], None if in_chunks else announced, _MOST_BYTES)
        patch = orjson.loads(without_mark(body))
    except BodyTooLarge:
        raise ConfigurationError.of(f"a change has at most {_MOST_BYTES} bytes") from None
    except OSError as error:
        raise ConfigurationError.of(f"the body can't be read: {error}") from None
    except orjson.JSONDecodeError as error:
        raise ConfigurationError.of(f"not JSON: {error}") from None
    if not isinstance(patch, dict) or not patch:
        raise ConfigurationError.of('write an object of keys to change, as in {"delay": "constant(1s)"}')
    return patch

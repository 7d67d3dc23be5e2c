"""`/control`: reading and changing the settings of a running stage, for authorized clients."""

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
from simulator.topology.variables import CONTROL_TOKEN_VARIABLE

PATH = "/control"
_MAX_BYTES = 64 * 1024
_JSON_TYPES = ("application/json", "application/merge-patch+json")


def make_control(
    live: LiveStage, token: str | None, logger: FilteringBoundLogger, record: Callable[[str], None]
) -> Flask:
    """Return the application that answers PATH.

    With a `token` it answers clients that send it, without one those on the loopback interface. `record(result)`
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
    """Return why a client is refused; "" if it is not."""
    if token:
        given = current.headers.get("Authorization", "").encode("latin-1", "replace")
        # Compared in constant time, so that the duration does not reveal how much of it is right.
        right = hmac.compare_digest(given, f"Bearer {token}".encode())
        return "" if right else f"the token of {CONTROL_TOKEN_VARIABLE} is needed"
    if not is_loopback(current.remote_addr or ""):
        return f"without {CONTROL_TOKEN_VARIABLE} only this machine itself is answered"
    # A page from elsewhere whose name suddenly resolves to this machine still sends its own name (DNS rebinding).
    if not is_loopback(host_of(current.headers.get("Host", ""))):
        return "the Host header names a machine other than this one"
    return ""


def _patch(current: Request) -> Mapping[str, Any]:
    # A form on a page from elsewhere could send any other type.
    if current.mimetype not in _JSON_TYPES:
        raise ConfigurationError.of(f"the content type must be {_JSON_TYPES[0]}")
    announced = 0 if current.content_length is None else current.content_length
    in_chunks = "Transfer-Encoding" in current.headers
    try:
        body = read_body(current.environ["wsgi.input"], None if in_chunks else announced, _MAX_BYTES)
        patch = orjson.loads(without_mark(body))
    except BodyTooLarge:
        raise ConfigurationError.of(f"a change must have at most {_MAX_BYTES} bytes") from None
    except OSError as error:
        raise ConfigurationError.of(f"the body can't be read: {error}") from None
    except orjson.JSONDecodeError as error:
        raise ConfigurationError.of(f"not JSON: {error}") from None
    if not isinstance(patch, dict) or not patch:
        raise ConfigurationError.of('write an object of keys to change, as in {"delay": "constant(1s)"}')
    return patch

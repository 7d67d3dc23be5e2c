"""The Flask application of a stage: every route is listed in `create_app`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Response, request
from opentelemetry import trace
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from simulator.behaviour.draws import FIRST_VISIT
from simulator.engine.handling import Handling
from simulator.engine.message import Message
from simulator.engine.relay import RelayedRequest
from simulator.engine.runtime import Runtime
from simulator.errors import InvalidMessage
from simulator.net.problems import problem
from simulator.stage.exchange import HEADER_TEXT, RECEIVED_AT, RECEIVED_UNIX_NS, TARGET, HttpExchange
from simulator.stage.flask_app import StageApp
from simulator.stage.intake import TRANSFER_ENCODING, HeldBodies, Intake
from simulator.stage.message_headers import (
    CALLER,
    DEFAULT_CONTENT_TYPE,
    DUE,
    caller_from,
    deadline_from,
    decisions_from,
    is_of_the_run,
    message_id_from,
    visit_from,
    wsgi_key,
)
from simulator.stage.relaying import relayed_request
from simulator.stage.travel import RunIdentity, read_due
from simulator.telemetry.metrics import Metrics
from simulator.telemetry.record import NO_DECISIONS, OUTSIDE, TraceIds, Via
from simulator.topology.model import Answering, Forward, Operation, Stage
from simulator.topology.paths import matches

_CALLER, _DUE = wsgi_key(CALLER), wsgi_key(DUE)


@dataclass(frozen=True, kw_only=True)
class Front:
    """What the application needs of its stage.

    Without a secret in `identity` every caller is believed to be what it says.
    """

    stage: str
    max_body_bytes: int
    held: HeldBodies
    callers: frozenset[str]
    handling: Handling
    metrics: Metrics
    runtime: Runtime
    new_message_id: Callable[[], str]
    current_trace: Callable[[], TraceIds]
    draining: Callable[[], bool] = field(default=lambda: False)
    identity: RunIdentity = field(default_factory=RunIdentity)


def create_app(front: Front) -> StageApp:
    """Return the application that takes the messages of one stage."""
    app = StageApp()

    def refuse(error: HTTPException) -> Response:
        return _refuse(front, error)

    for name, operation in front.handling.behaviour.operations.items():
        _add_route(app, front, name, operation.model)
    app.register_error_handler(HTTPException, refuse)
    return app


def _add_route(app: StageApp, front: Front, name: str, operation: Operation) -> None:
    def take_message(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if operation.span is not None:
            trace.get_current_span().update_name(operation.span)
        return _handle(front, name, environ, start_response)

    takes_any = isinstance(operation, Stage) and operation.takes_any_path
    rule = app.add_route(
        f"{operation.base}/<rest:rest>"
        if isinstance(operation, Stage) and takes_any
        else operation.path.replace("{", "<").replace("}", ">"),
        name or "messages",
        take_message,
        methods=[operation.method],
        provide_automatic_options=False,
        # No redirection for a slash too many or too few: its sender would lose the message.
        strict_slashes=not operation.path.endswith("/"),
    )
    # Without the HEAD that comes with each GET.
    rule.methods = None if takes_any else {operation.method.value}
    rule.rule = operation.route  # the instrumentation names the span, and http.route, by it


def _handle(front: Front, operation: str, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Handle a message and answer it. It is sent by this: what returns a response returns before anything is sent."""
    model = front.handling.behaviour.operations[operation].model
    relayed = None if model.answer is Answering.OWN else _to_relay(model, environ)
    message = _message(front, operation, relayed, environ, start_response)
    if model.forward is Forward.ACCEPT:
        front.handling.accept(message)
    else:
        front.handling.handle(message)
    return ()


def _message(
    front: Front,
    operation: str,
    relayed: RelayedRequest | None,
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> Message:
    """Return the message; what is wrong with its headers is raised when the body is read, inside the handling."""
    complaint: InvalidMessage | None = None
    try:
        message_id = message_id_from(environ)
    except InvalidMessage as error:
        message_id, complaint = None, error
    message_id = message_id or front.new_message_id()
    received_at, received_unix_ns = environ.get(RECEIVED_AT), environ.get(RECEIVED_UNIX_NS)
    now = front.runtime.now() if received_at is None else received_at
    now_unix_seconds = (front.runtime.unix_ns() if received_unix_ns is None else received_unix_ns) / 1e9
    # Anybody may send these headers, but only a stage of the run is believed.
    believed = is_of_the_run(environ, front.identity.secret)
    by_stage = believed and _CALLER in environ
    intake = Intake(environ, front.max_body_bytes, front.held, complaint)
    exchange = HttpExchange(
        environ,
        start_response,
        intake,
        front.runtime,
        stage=front.stage,
        message_id=message_id,
        trace_id=front.current_trace().trace_id,
        by_stage=by_stage,
        is_draining=front.draining,
    )
    return Message(
        message_id=message_id,
        visit=visit_from(environ) if believed else FIRST_VISIT,
        caller=caller_from(environ, front.callers) if believed else OUTSIDE,
        via=Via.HTTP,
        content_type=environ.get("CONTENT_TYPE", DEFAULT_CONTENT_TYPE),
        body_bytes=None if TRANSFER_ENCODING in environ else intake.announced or 0,
        due=read_due(environ.get(_DUE) if believed else None, front.identity.clock_id, now, now_unix_seconds),
        exchange=exchange,
        deadline_seconds=deadline_from(environ) if believed else None,
        content_encoding=environ.get("HTTP_CONTENT_ENCODING", ""),
        received_at=received_at,
        received_unix_ns=received_unix_ns,
        operation=operation,
        begins_here=not by_stage,
        request=relayed,
        decisions=decisions_from(environ) if believed else NO_DECISIONS,
    )


def _to_relay(model: Operation, environ: WSGIEnvironment) -> RelayedRequest:
    base = model.base if isinstance(model, Stage) else ""
    return relayed_request(environ["REQUEST_METHOD"], environ[TARGET], environ[HEADER_TEXT], base)


def _refuse(front: Front, error: HTTPException) -> Response:
    """Answer what is not a message: a wrong path or method, or an error of this program."""
    code = error.code or 500
    response = problem(code, error.name, error.description or "", stage=front.stage)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    if not isinstance(error, InternalServerError):  # which has been observed as a message
        begin = request.environ.get(RECEIVED_AT, front.runtime.now())
        route = _route(front, request.path) if isinstance(error, MethodNotAllowed) else ""
        front.metrics.record_unrouted_request(request.method, route, code, front.runtime.now() - begin)
    return response


def _route(front: Front, path: str) -> str:
    """Return the template that a path matches, "" if there is none."""
    templates = (operation.model.path for operation in front.handling.behaviour.operations.values())
    return next((template for template in templates if matches(template, path)), "")

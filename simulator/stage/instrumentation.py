"""The instrumentations of Flask and requests, which make the spans of a stage's requests, in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask
from opentelemetry import context, propagate
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.wsgi import wsgi_getter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util.types import AttributeValue

from simulator.net.loopback import host_of
from simulator.stage.exchange import HOST, RECEIVED_UNIX_NS
from simulator.stage.flask_app import StageApp
from simulator.stage.http_wire import OutgoingRequest
from simulator.stage.short_spans import shortened_flask, shortened_requests
from simulator.telemetry.at_work import AtWork, ProviderAtWork
from simulator.telemetry.traces import peer

_SPAN_START = "opentelemetry-flask.starttime_key"


def instrument_app(app: StageApp, provider: TracerProvider) -> None:
    """Let the Flask instrumentation make its spans with the stage's provider."""
    app.wsgi_app = _as_conventions_ask(app.wsgi_app)  # type: ignore[method-assign,assignment]
    instrument: Callable[..., None] = FlaskInstrumentor.instrument_app
    with shortened_flask(app):
        instrument(app, tracer_provider=provider, meter_provider=NoOpMeterProvider(), enable_commenter=False)


def instrument_requests(at_work: AtWork) -> None:
    """Let the instrumentation of requests make the spans of the stage that sends the request.

    It replaces a method of `requests.Session` for the whole process.
    """
    with shortened_requests(described):
        RequestsInstrumentor().instrument(
            tracer_provider=ProviderAtWork(at_work), meter_provider=NoOpMeterProvider(), request_hook=_describe
        )


def continue_traces(app: Flask) -> None:
    """Make the application's work part of its caller's span, without a span of its own."""
    application = app.wsgi_app

    def dispatch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        token = context.attach(propagate.extract(environ, getter=wsgi_getter))
        try:
            return application(environ, start_response)
        finally:
            context.detach(token)

    app.wsgi_app = dispatch  # type: ignore[method-assign]


def described(request: Any) -> tuple[str, dict[str, AttributeValue]]:
    """Return what a request's span is called, "" for its method alone, and what the span says of the call."""
    if not isinstance(request, OutgoingRequest):
        return "", {}
    attributes: dict[str, AttributeValue] = {**peer(request.downstream)}
    name = request.span
    if request.template:
        attributes["url.template"] = request.template
        name = name or f"{request.method} {request.template}"
    if request.attempt > 1:
        attributes["http.request.resend_count"] = request.attempt - 1
    return name, attributes


def _describe(span: Any, request: Any) -> None:
    name, attributes = described(request)
    span.set_attributes(attributes)
    if name:
        span.update_name(name)


def _as_conventions_ask(application: WSGIApplication) -> WSGIApplication:
    """Start the server's span when the request's first byte arrived, and add url.path and server.address."""
    host_without_port = lru_cache(maxsize=128)(host_of)

    def dispatch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # The instrumentation has set it to now; the key is not public, and the version is pinned.
        environ[_SPAN_START] = environ.get(RECEIVED_UNIX_NS, environ.get(_SPAN_START))
        # It leaves out url.path if the server does not tell the target, and takes all of Host for server.address.
        environ["REQUEST_URI"] = environ["PATH_INFO"]
        environ[HOST] = host = environ.get("HTTP_HOST", "")
        environ["HTTP_HOST"] = host_without_port(host) or host
        return application(environ, start_response)

    return dispatch

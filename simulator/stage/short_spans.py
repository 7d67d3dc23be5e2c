"""Shorter ways for what the instrumentations do with each request, with the same spans.

The packages collect the attributes of a request several times, for metrics that nobody takes and for names that nobody
wants, read environment variables and attach contexts: a quarter of what a message took in a stage. What is replaced
here is private to the packages: it is known for one version of them, and for the settings that a stage has unless its
user changes them. With any other version or setting the packages' own functions are used. A test, test_short_spans.py,
compares the spans of both ways.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial, wraps
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import opentelemetry.instrumentation.flask as flask_package
import opentelemetry.instrumentation.requests as requests_package
import requests
from flask.globals import request_ctx
from opentelemetry import context, propagate, trace
from opentelemetry.instrumentation._semconv import _StabilityMode
from opentelemetry.instrumentation.flask.version import __version__ as flask_version
from opentelemetry.instrumentation.propagators import get_global_response_propagator
from opentelemetry.instrumentation.requests.version import __version__ as requests_version
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled
from opentelemetry.instrumentation.wsgi import wsgi_getter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.http import detect_synthetic_user_agent, redact_url, sanitize_method
from opentelemetry.util.types import AttributeValue
from werkzeug.routing import Rule

from simulator.stage.flask_app import StageApp
from simulator.telemetry.current_context import attach, get_current
from simulator.telemetry.late_spans import late_spans
from simulator.telemetry.light_spans import SPAN_KEY
from simulator.telemetry.propagation import VerbatimPropagation

KNOWN_VERSION = "0.66b1"
# Headers in spans are the packages' matter.
_CAPTURE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
_NOT_CAPTURE = f"{_CAPTURE}SANITIZE_FIELDS"
_SPAN, _TOKEN, _STATUS = "simulator.span", "simulator.span_token", "simulator.status"
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
# A longer one is looked at again for each request: anybody may send any.
_MAX_KEPT_CHARACTERS = 256

# The keys of a context that may say that a request is not instrumented.
_SUPPRESSING = (
    context._SUPPRESS_INSTRUMENTATION_KEY,
    context._SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    "suppress_instrumentation",
)

Attributes = dict[str, AttributeValue]
# Returns the name of a request's span, "" for that of the package, and what is added to its attributes.
Described = Callable[[Any], tuple[str, Attributes]]


@contextmanager
def shortened_flask(app: StageApp) -> Iterator[None]:
    """Let an application that is instrumented in the body of the `with` have the short way, if it is known."""
    names = ("_rewrapped_app", "_wrapped_before_request", "_wrapped_teardown_request")
    app.around = None
    if flask_version != KNOWN_VERSION or not all(hasattr(flask_package, name) for name in names):
        yield
        return
    own = [getattr(flask_package, name) for name in names]
    ways = _FlaskWays(*own)
    try:
        for name, way in zip(names, (ways.app, ways.before, ways.teardown), strict=True):
            setattr(flask_package, name, way)
        yield
        app.around = ways.spans
    finally:
        for name, way in zip(names, own, strict=True):
            setattr(flask_package, name, way)


@contextmanager
def shortened_requests(described: Described) -> Iterator[None]:
    """Let the instrumentation of requests in the body of the `with` have the short way, if it is known."""
    if requests_version != KNOWN_VERSION or not hasattr(requests_package, "_instrument"):
        yield
        return
    own = requests_package._instrument

    def instrument(tracer: Tracer, *histograms: Any, **settings: Any) -> None:
        wrapped = requests.Session.send
        own(tracer, *histograms, **settings)
        if _is_usual(settings) and not settings["captured_request_headers"] + settings["captured_response_headers"]:
            requests.Session.send = _short_send(wrapped, tracer, described)  # type: ignore[method-assign]

    try:
        requests_package._instrument = instrument
        yield
    finally:
        requests_package._instrument = own


def _is_usual(settings: dict[str, Any]) -> bool:
    """Return whether spans have the names of today, and all requests have one."""
    excluded = settings["excluded_urls"]
    # The list of what is excluded is not public; one that can't be seen excludes something.
    excludes = excluded is not None and bool(getattr(excluded, "_excluded_urls", True))
    return settings["sem_conv_opt_in_mode"] is _StabilityMode.HTTP and not excludes


class _FlaskWays:
    """What the Flask instrumentation calls to make its three functions: the short ones, or its own."""

    def __init__(self, app: Any, before: Any, teardown: Any) -> None:
        self._app, self._before, self._teardown = app, before, teardown
        self._is_short = False
        self.spans: _ServerSpans | None = None

    def app(self, wsgi_app: WSGIApplication, *metrics: Any, **settings: Any) -> WSGIApplication:
        """Return the application with its answers described in their spans."""
        captures = any(name.startswith(_CAPTURE) and name != _NOT_CAPTURE for name in os.environ)
        propagates = get_global_response_propagator() is not None  # type: ignore[no-untyped-call]
        self._is_short = _is_usual(settings) and not (captures or propagates or settings["response_hook"])
        if self._is_short:
            return _answers_described(wsgi_app)
        own: WSGIApplication = self._app(wsgi_app, *metrics, **settings)
        return own

    def before(self, request_hook: Any, tracer: Tracer, **settings: Any) -> Callable[[], None]:
        """Return the function that starts the span."""
        if self._is_short and request_hook is None and not settings["enable_commenter"]:
            self.spans = spans = _ServerSpans(tracer)
            return lambda: spans.start(request_ctx.request.environ, request_ctx.request.url_rule)
        own: Callable[[], None] = self._before(request_hook, tracer, **settings)
        return own

    def teardown(self, **settings: Any) -> Callable[[BaseException | None], None]:
        """Return the function that ends the span."""
        if (spans := self.spans) is not None:
            return lambda error: spans.end(request_ctx.request.environ, error)
        own: Callable[[BaseException | None], None] = self._teardown(**settings)
        return own


def _answers_described(wsgi_app: WSGIApplication) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            # The span says it when it ends: then the answer has left.
            environ[_STATUS] = status
            return start_response(status, headers, *more)

        return wsgi_app(environ, start)

    return app


def _answered(span: Any, code: str, first_error: int) -> None:
    status = int(code)
    span.set_attribute("http.response.status_code", status)
    if status >= first_error or status < 100:
        span.set_attribute("error.type", code)
        if span.status.is_unset:  # one that is set already says more than the code
            span.set_status(Status(StatusCode.ERROR))


class _ServerSpans:
    """The spans of requests that come to a stage."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        propagation = propagate.get_global_textmap()
        self._propagation = propagation if type(propagation) is VerbatimPropagation else None
        self._late_spans = late_spans(tracer)

    def start(self, environ: WSGIEnvironment, rule: Rule | None) -> None:
        """Start the span of a request, and make it the current one; if it can be, it is made after the answer."""
        started_at = environ.get(flask_package._ENVIRON_STARTTIME_KEY)
        around = get_current()
        span = None if around else self._late(environ, rule, started_at)
        if span is not None:
            inside = context.Context({SPAN_KEY: span})
        else:
            kind = SpanKind.INTERNAL
            if trace.get_current_span(around) is trace.INVALID_SPAN:
                kind, around = SpanKind.SERVER, propagate.extract(environ, getter=wsgi_getter)
            name, attributes = _described(environ, rule)
            span = self._tracer.start_span(name, around, kind, attributes, start_time=started_at)
            inside = trace.set_span_in_context(span, around)
        environ[_SPAN] = span
        environ[_TOKEN] = attach(inside)

    def _late(self, environ: WSGIEnvironment, rule: Rule | None, started_at: int | None) -> Span | None:
        """Return a span that is made later, None if it can't be."""
        propagation, spans, get = self._propagation, self._late_spans, environ.get
        if propagation is None or spans is None:
            return None
        parent = propagation.usual_parent(get("HTTP_TRACEPARENT"), get("HTTP_TRACESTATE"), get("HTTP_BAGGAGE"))
        return None if parent is None else spans.start(parent, partial(_described, environ, rule), started_at)

    def end(self, environ: WSGIEnvironment, error: BaseException | None = None) -> None:
        """End the span of a request, if it has one."""
        span, token = environ.pop(_SPAN, None), environ.pop(_TOKEN, None)
        if span is None:
            return
        context.detach(token)
        if (status := environ.get(_STATUS)) is not None and span.is_recording():
            _answered(span, status.partition(" ")[0], _SERVER_ERROR)
        _record(span, error)
        span.end()


def _record(span: Span, error: BaseException | None) -> None:
    if isinstance(error, Exception) and span.is_recording():
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))


def _described(environ: WSGIEnvironment, rule: Rule | None) -> tuple[str, Attributes]:
    """Return the name and the attributes of the span of a request."""
    attributes = {**_method_attributes(environ["REQUEST_METHOD"]), **_request_attributes(environ)}
    known = attributes["http.request.method"]
    if rule is None:
        return f"{known} {environ['PATH_INFO'].strip()}" if known != "_OTHER" else "HTTP", attributes
    attributes["http.route"] = rule.rule
    return f"{known if known != '_OTHER' else 'HTTP'} {rule.rule}", attributes


def _request_attributes(environ: WSGIEnvironment) -> Attributes:
    attributes: Attributes = {"url.scheme": environ["wsgi.url_scheme"]}
    if host := environ.get("HTTP_HOST"):
        attributes["server.address"] = host
    if port := environ.get("SERVER_PORT"):
        attributes["server.port"] = int(port)
    if path := environ.get("PATH_INFO"):
        attributes["url.path"] = path
        if query := environ.get("QUERY_STRING"):
            attributes["url.query"] = query
    if address := environ.get("REMOTE_ADDR"):
        attributes["client.address"] = address
    if port := environ.get("REMOTE_PORT"):
        attributes["client.port"] = int(port)
    if user_agent := environ.get("HTTP_USER_AGENT"):
        attributes |= _user_agent_attributes(user_agent)
    attributes["network.protocol.version"] = environ["SERVER_PROTOCOL"].removeprefix("HTTP/")
    return attributes


@lru_cache(maxsize=64)
def _method_attributes(method: str) -> Attributes:
    known = sanitize_method(method)
    original: Attributes = {} if known == method else {"http.request.method_original": method}
    return {**original, "http.request.method": known}


def _user_agent_attributes(user_agent: str) -> Attributes:
    is_short = len(user_agent) <= _MAX_KEPT_CHARACTERS
    return (_kept_user_agent_attributes if is_short else _kept_user_agent_attributes.__wrapped__)(user_agent)


@lru_cache(maxsize=64)
def _kept_user_agent_attributes(user_agent: str) -> Attributes:
    kind = detect_synthetic_user_agent(user_agent)
    return {"user_agent.original": user_agent, **({"user_agent.synthetic.type": kind} if kind else {})}


def _short_send(wrapped: Callable[..., requests.Response], tracer: Tracer, described: Described) -> Any:
    @wraps(wrapped)
    def send(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        around = get_current()
        if any(key in around for key in _SUPPRESSING) and not is_http_instrumentation_enabled():
            return wrapped(self, request, **options)
        name, more = described(request)
        known = _method_attributes(request.method or "")
        method = str(known["http.request.method"])
        attributes = {**known, **_url_attributes(request.url or ""), **more}
        if user_agent := request.headers.get("User-Agent"):
            attributes |= _user_agent_attributes(user_agent)
        name = name or (method if method != "_OTHER" else "HTTP")
        span = tracer.start_span(name, around, SpanKind.CLIENT, attributes)
        parent = trace.set_span_in_context(span, around)
        token = attach(parent)
        try:
            propagate.inject(request.headers, parent)
            response = wrapped(self, request, **options)
            if span.is_recording():
                _answered(span, str(response.status_code), _CLIENT_ERROR)
                if version := getattr(response.raw, "version", None):
                    span.set_attribute("network.protocol.version", "1.1" if version == 11 else "1.0")
            return response
        except Exception as error:
            if span.is_recording():
                span.set_attribute("error.type", type(error).__qualname__)
            _record(span, error)
            raise
        finally:
            context.detach(token)
            span.end()

    send.opentelemetry_instrumentation_requests_applied = True  # type: ignore[attr-defined]
    return send


def _url_attributes(url: str) -> Attributes:
    # Each message may have a path of its own.
    return (_kept_url_attributes if len(url) <= _MAX_KEPT_CHARACTERS else _kept_url_attributes.__wrapped__)(url)


@lru_cache(maxsize=1024)
def _kept_url_attributes(url: str) -> Attributes:
    shown = redact_url(url)
    attributes: Attributes = {"url.full": shown}
    with suppress(ValueError):
        parts = urlsplit(shown)
        if parts.hostname:
            attributes |= {"server.address": parts.hostname, "network.peer.address": parts.hostname}
        if parts.port:
            attributes |= {"server.port": parts.port, "network.peer.port": parts.port}
    return attributes

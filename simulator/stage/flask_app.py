"""The Flask application of a stage, without what a stage has no use for.

Flask makes two contexts and sends six signals for each request, asks whether each function is a coroutine, looks for
blueprints, sessions, and functions that change responses, and binds a host name. None of it is used for a message. What
is refused is refused by Flask.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Protocol
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Request, Response
from flask.sessions import SessionInterface
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, MapAdapter, Rule

from simulator.stage.exchange import HOST


class StageRequest(Request):
    """A request whose `url` is assembled simply: the Flask instrumentation may read it three times per message."""

    @property
    def url(self) -> str:
        """Return the URL as the client sent it, without the query."""
        environ = self.environ
        return f"{environ['wsgi.url_scheme']}://{environ.get(HOST, '')}{environ.get('PATH_INFO', '')}"


class Around(Protocol):
    """What is done before and after a request that matches a route."""

    def start(self, environ: WSGIEnvironment, rule: Rule) -> None:
        """Called before the request is answered."""

    def end(self, environ: WSGIEnvironment, error: BaseException | None = None) -> None:
        """Called after that, with an error of the view, if there is one."""


class StageApp(Flask):
    """An application whose routes lead to WSGI applications, and whose error handlers are ordinary functions.

    A request that matches a route has neither a request context nor an application context of Flask's, unless something
    needs them, as functions that are registered with `before_request` may; then `around` is None.
    """

    request_class = StageRequest

    def __init__(self) -> None:
        super().__init__("simulator.stage", static_folder=None)
        self.around: Around | None = _Nothing()
        self._applications: dict[str, WSGIApplication] = {}
        self._fixed: dict[tuple[str, str], Rule] = {}
        self.session_interface = _NoSessions()
        self.url_map.merge_slashes = False
        self.url_map.converters["rest"] = _Rest

    def add_route(self, path: str, endpoint: str, application: WSGIApplication, **options: Any) -> Rule:
        """Add a route to a WSGI application, and return its rule; `options` are those of `add_url_rule`."""
        self._applications[endpoint] = application
        self.add_url_rule(path, endpoint=endpoint, view_func=lambda **_: _Passing(application), **options)
        rule = next(self.url_map.iter_rules(endpoint))
        if not rule.arguments:
            self._fixed |= {(str(method), path): rule for method in options["methods"]}
        return rule

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        around = self.around
        rule = None if around is None else self._rule_of(environ)
        if around is None or rule is None:
            return super().wsgi_app(environ, start_response)
        around.start(environ, rule)
        try:
            return self._applications[rule.endpoint](environ, start_response)
        finally:
            around.end(environ)

    def _rule_of(self, environ: WSGIEnvironment) -> Rule | None:
        """Return what a request matches; None if it is refused, or asks for more than an answer."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        # Flask would refuse a request for its host, or for the protocol that it wants; and it decodes other paths.
        if "HTTP_UPGRADE" in environ or not _is_host(environ.get("HTTP_HOST", "")) or not path.isascii():
            return None
        if (fixed := self._fixed.get((method, path))) is not None:
            return fixed
        adapter = MapAdapter(self.url_map, "", "", "", "http", path, method)
        try:
            return adapter.match(return_rule=True)[0]
        except HTTPException:
            return None


@lru_cache(maxsize=128)
def _is_host(name: str) -> bool:
    """Return whether each label of a name can be one, which werkzeug asks of it."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


class _Passing(Response):
    """A response that is another application's."""

    def __init__(self, application: WSGIApplication) -> None:
        super().__init__()
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Let the application answer."""
        return self._application(environ, start_response)


class _Nothing:
    def start(self, environ: WSGIEnvironment, rule: Rule) -> None:
        pass

    def end(self, environ: WSGIEnvironment, error: BaseException | None = None) -> None:
        pass


class _NoSessions(SessionInterface):
    """A stage has no cookies; not looking for them saves time on each message."""

    def open_session(self, app: Flask, request: Request) -> None:
        return None

    def save_session(self, app: Flask, session: object, response: Response) -> None:
        return None

    def is_null_session(self, obj: object) -> bool:
        return True


class _Rest(BaseConverter):
    """All that is left of a path, whatever it is."""

    regex = ".*"
    part_isolating = False

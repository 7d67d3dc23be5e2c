"""The Flask application of a stage, without what a stage has no use for.

Flask sends six signals for each request, asks whether each function is a coroutine, looks for blueprints, sessions, and
functions that change responses, and binds a host name. None of it is used here, and all of it may be overridden.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from flask import Flask, Request, Response
from flask.globals import request_ctx
from flask.sessions import SessionInterface
from werkzeug.routing import BaseConverter, MapAdapter

from simulator.stage.exchange import HOST


class StageRequest(Request):
    """A request whose `url` is assembled simply: the Flask instrumentation may read it three times per message."""

    @property
    def url(self) -> str:
        """Return the URL as the client sent it, without the query."""
        environ = self.environ
        return f"{environ['wsgi.url_scheme']}://{environ.get(HOST, '')}{environ.get('PATH_INFO', '')}"


class StageApp(Flask):
    """An application whose views and error handlers are ordinary functions that return responses."""

    request_class = StageRequest

    def __init__(self) -> None:
        super().__init__("simulator.stage", static_folder=None)
        self.session_interface = _NoSessions()
        self.url_map.merge_slashes = False
        self.url_map.converters["rest"] = _Rest

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is: it is no coroutine."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what matches the path of a request; its host does not matter."""
        if request is None or "HTTP_UPGRADE" in request.environ:
            return super().create_url_adapter(request)
        return MapAdapter(self.url_map, "", "", "", request.scheme, request.path, request.method)

    def full_dispatch_request(self) -> Response:
        """Return the response to the current request."""
        try:
            answer = self.preprocess_request()
            if answer is None:
                answer = self.dispatch_request()
        except Exception as error:  # noqa: BLE001 - Flask raises it again if nothing handles it
            answer = self.handle_user_exception(error)
        return cast(Response, answer)

    def preprocess_request(self) -> Any:
        """Call what comes before the views."""
        for function in self.before_request_funcs.get(None, ()):
            if (answer := function()) is not None:
                return answer
        return None

    def dispatch_request(self) -> Any:
        """Call the view of the current request."""
        request = request_ctx.request
        if request.routing_exception is not None:
            self.raise_routing_exception(request)
        return self.view_functions[request.url_rule.endpoint](**request.view_args)  # type: ignore[union-attr,arg-type]

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Call what comes after the views."""
        for function in reversed(self.teardown_request_funcs.get(None, ())):
            function(exc)

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Do nothing: a context holds nothing."""


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

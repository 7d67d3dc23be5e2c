"""Access: loopback only, nothing for pages of other origins, and changes only with the run's token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from simulator.console.sessions import Sessions
from simulator.net.loopback import host_of, is_loopback
from simulator.net.problems import problem

# The only path that needs a session. A cookie limited to it is not sent to the other services of this machine, unless
# they have a page at the very same path.
CHANGES = "/_dash-update-component"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_SAME_SITE = ("same-origin", "none")
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-cache"),
)


class Guard:
    """Middleware in front of an application. `policy()` returns the Content-Security-Policy of its pages.

    Opening a page with the token in its address opens a session, sets its id as the cookie, and redirects to the
    address without the token.
    """

    def __init__(self, application: WSGIApplication, token: str, port: int, policy: Callable[[], str]) -> None:
        self._application = application
        self._sessions = Sessions(token)
        # Cookies are shared by all ports of a machine: two simultaneous runs need two names.
        self._cookie = f"simulator-console-{port}"
        self._policy = policy

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or let the application answer it."""

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            have = {name.lower() for name, _ in headers}
            always = (*_HEADERS, ("Content-Security-Policy", self._policy()))
            return start_response(status, [*headers, *(h for h in always if h[0].lower() not in have)], *rest)

        reason = refusal(environ)
        if reason:
            return problem(403, "Forbidden", reason)(environ, start)
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        given = dict(query).get("token")
        if given and environ["REQUEST_METHOD"] == "GET":
            return self._welcome(given, _address(environ.get("PATH_INFO", ""), query), start)
        return self._application(environ, start)

    def may_change(self, cookies: Mapping[str, str]) -> bool:
        """Return whether these cookies name an open session."""
        return self._sessions.has(cookies.get(self._cookie, ""))

    def _welcome(self, given: str, address: str, start_response: StartResponse) -> Iterable[bytes]:
        headers = [("Location", address), ("Content-Length", "0")]
        session = self._sessions.open(given)
        if session is not None:
            headers.append(("Set-Cookie", f"{self._cookie}={session}; Path={CHANGES}; HttpOnly; SameSite=Strict"))
        start_response("303 See Other", headers)
        return [b""]


def _address(path: str, query: Sequence[tuple[str, str]]) -> str:
    """Return the address without the token, in a form that no browser takes for another machine's."""
    quoted = quote(path.encode("latin-1").lstrip(b"/\\"), safe="/")
    rest = urlencode([(name, value) for name, value in query if name != "token"])
    return f"/{quoted}?{rest}" if rest else f"/{quoted}"


def refusal(environ: WSGIEnvironment) -> str:
    """Return why a request is refused; "" if it is not."""
    host = environ.get("HTTP_HOST", "")
    # DNS rebinding: a page of another site whose name now resolves to this machine still sends its own name.
    if not is_loopback(host_of(host)):
        return "the Host header names a machine other than this one"
    if environ["REQUEST_METHOD"] in _SAFE_METHODS:
        return ""
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin != f"http://{host}":
        return "a page of another origin can't change anything here"
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in _SAME_SITE:
        return "a page of another origin can't change anything here"
    return ""

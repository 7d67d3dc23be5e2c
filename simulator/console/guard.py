"""Who may what: loopback only, nothing by a page from elsewhere, and changes for those who have the run's token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from simulator.console.sessions import Sessions
from simulator.net.loopback import host_of, is_loopback
from simulator.net.problems import problem

# The only path at which a session is asked for. A cookie for it alone is not sent to the other services of this
# machine, but for pages of theirs at the very same path.
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
    """Stand before an application. `policy()` gives the Content-Security-Policy of its pages.

    Opening a page with the token in its address opens a session, whose id is the cookie, and leads to the address
    without the token.
    """

    def __init__(self, application: WSGIApplication, token: str, port: int, policy: Callable[[], str]) -> None:
        self._application = application
        self._sessions = Sessions(token)
        # Cookies are shared by all ports of a machine: two runs beside each other need two names.
        self._cookie = f"simulator-console-{port}"
        self._policy = policy

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or have it answered."""

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
    """Give the address without the token, and sure to be one of ours: no browser takes it for another machine's."""
    quoted = quote(path.encode("latin-1").lstrip(b"/\\"), safe="/")
    rest = urlencode([(name, value) for name, value in query if name != "token"])
    return f"/{quoted}?{rest}" if rest else f"/{quoted}"


def refusal(environ: WSGIEnvironment) -> str:
    """Say why a request is not answered; "" where it is."""
    host = environ.get("HTTP_HOST", "")
    # A page from elsewhere whose name suddenly leads to this machine still bears its own name.
    if not is_loopback(host_of(host)):
        return "the Host header names another machine than this"
    if environ["REQUEST_METHOD"] in _SAFE_METHODS:
        return ""
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin != f"http://{host}":
        return "a page from elsewhere can't change anything here"
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in _SAME_SITE:
        return "a page from elsewhere can't change anything here"
    return ""

"""Access to the console."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.guard import Guard, refusal

TOKEN = "s3cret-Token_0"
HOST = "127.0.0.1:8090"
POLICY = "default-src 'none'"
PROTECTING = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass
class Answer:
    status: str
    headers: list[tuple[str, str]]
    body: bytes

    def all_of(self, name):
        return [value for have, value in self.headers if have.lower() == name.lower()]


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


def guarded(inner=application, token=TOKEN, port=8090):
    return Guard(inner, token, port, lambda: POLICY)


def environ_of(method="GET", path="/", query="", host=HOST, **headers):
    """Return the environment of a request; `path` is unquoted, as by a server."""
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
    if host is not None:
        environ["HTTP_HOST"] = host
    return {**environ, **{f"HTTP_{name.upper()}": value for name, value in headers.items()}}


def ask(guard, **request):
    started = []

    def start_response(status, headers, exc_info=None):
        started.append((status, headers))

    body = b"".join(guard({**environ_of(**request), "wsgi.url_scheme": "http"}, start_response))
    [(status, headers)] = started
    return Answer(status, headers, body)


@pytest.mark.parametrize("host", ["localhost", "localhost:8090", "127.0.0.1:8090", "127.1.2.3", "[::1]:8090", "[::1]"])
def test_this_machine_is_answered(host):
    """The page is served under every name of this machine."""
    answer = ask(guarded(), host=host, path="/traces")
    assert (answer.status, answer.body) == ("200 OK", b"/traces")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:8090",
        "localhost.evil.example",
        "10.0.0.1:8090",
        "0.0.0.0:8090",
        "[::1].evil.com",
        "127.0.0.1:80@evil.com",
        "localhost:80.evil",
    ],
)
def test_a_name_from_elsewhere_is_refused(host, method):
    """A site whose name was made to resolve to this machine gets nothing, and the application is not asked."""
    asked = []
    answer = ask(guarded(lambda environ, start: asked.append(environ)), host=host, method=method)
    assert answer.status.startswith("403 ")
    assert answer.all_of("Content-Type") == ["application/problem+json"]
    detail = "the Host header names a machine other than this one"
    assert method == "HEAD" or json.loads(answer.body)["detail"] == detail
    assert asked == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MOVE"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://127.0.0.1:8090",
        "http://127.0.0.1:3000",
        "http://127.0.0.1",
        "http://localhost:8090",
        "http://127.0.0.1:8090.evil.example",
        "null",
        "",
    ],
)
def test_a_page_of_another_origin_changes_nothing(method, origin):
    """Another scheme, port or name is another origin, and so is a page that hides its own."""
    assert ask(guarded(), method=method, origin=origin).status.startswith("403 ")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "something"])
def test_a_request_from_another_site_changes_nothing(site):
    """A browser that says that a request comes from another site is believed, even for another port here."""
    assert ask(guarded(), method="POST", sec_fetch_site=site).status.startswith("403 ")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": f"http://{HOST}"},
        {"sec_fetch_site": "same-origin", "origin": f"http://{HOST}"},
        {"sec_fetch_site": "none"},
    ],
)
def test_the_page_itself_and_programs_may_post(headers):
    """The page's own requests pass, and those of programs, which have neither an origin nor a site."""
    assert ask(guarded(), method="POST", **headers).status == "200 OK"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_link_from_elsewhere_may_be_followed(method):
    """Reading changes nothing: a link on another page opens the console."""
    assert refusal(environ_of(method=method, origin="http://evil.example", sec_fetch_site="cross-site")) == ""


def cookie_of(answer):
    [written] = answer.all_of("Set-Cookie")
    return SimpleCookie(written)["simulator-console-8090"]


def test_the_token_opens_a_session():
    """The address with the token redirects to the one without it, and the cookie is only for this page's changes."""
    guard = guarded()
    answer = ask(guard, path="/traces", query=f"token={TOKEN}")
    assert (answer.status, answer.all_of("Location")) == ("303 See Other", ["/traces"])
    cookie = cookie_of(answer)
    assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["path"] == "/_dash-update-component"
    assert cookie["domain"] == ""
    assert guard.may_change({"simulator-console-8090": cookie.value})


def test_the_token_is_in_no_cookie():
    """Cookies reach every port of this machine: another service gets nothing that is useful elsewhere."""
    guard = guarded()
    answer = ask(guard, query=f"token={TOKEN}")
    value = cookie_of(answer).value
    assert TOKEN not in str(answer.headers) and len(value) >= 32
    assert ask(guard, query=f"token={value}").all_of("Set-Cookie") == []
    assert not guarded().may_change({"simulator-console-8090": value})
    assert not guard.may_change({"simulator-console-8090": TOKEN})


def test_every_browser_has_its_own_session():
    """Opened again, the address opens another session, and the one before stays valid."""
    guard = guarded()
    first, second = (cookie_of(ask(guard, query=f"token={TOKEN}")).value for _ in range(2))
    assert first != second
    assert all(guard.may_change({"simulator-console-8090": value}) for value in (first, second))


@pytest.mark.parametrize("given", ["wrong", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "s3cret-Tok%C3%A9n", "%FF", "%00"])
def test_a_wrong_token_gets_no_cookie(given):
    """A wrong token only redirects to the address without it."""
    answer = ask(guarded(), query=f"token={given}")
    assert (answer.status, answer.all_of("Location"), answer.all_of("Set-Cookie")) == ("303 See Other", ["/"], [])
    assert TOKEN not in str(answer)


@pytest.mark.parametrize("query", ["", "token=", "token", "tokens=x", "other=1"])
def test_without_a_token_the_page_is_shown(query):
    """An address without a token is answered as it is."""
    answer = ask(guarded(), query=query)
    assert (answer.status, answer.all_of("Set-Cookie")) == ("200 OK", [])


def test_a_token_counts_only_in_an_address_that_is_opened():
    """A POST with a token in its address opens no session."""
    answer = ask(guarded(), method="POST", query=f"token={TOKEN}")
    assert (answer.status, answer.all_of("Set-Cookie")) == ("200 OK", [])


@pytest.mark.parametrize(
    "cookies",
    [
        {},
        {"simulator-console-8090": ""},
        {"simulator-console-8090": "wrong"},
        {"simulator-console-8091": TOKEN},
        {"token": TOKEN},
        {"simulator-console-8090": "é\udcff"},
    ],
)
def test_changes_need_the_session_of_this_console(cookies):
    """No cookie, a wrong one, and that of a simultaneous run allow nothing."""
    assert not guarded().may_change(cookies)


def test_without_a_token_of_its_own_nobody_may_change():
    """A console that was started without a token refuses all changes."""
    assert not guarded(token="").may_change({})


def leads_to(location):
    """Return where a browser goes: it drops tabs and line ends, and takes backslashes for slashes."""
    cleaned = location.replace("\t", "").replace("\r", "").replace("\n", "").replace("\\", "/")
    if cleaned.startswith("//"):
        return cleaned.lstrip("/").partition("/")[0]
    return urlsplit(urljoin(f"http://{HOST}/", cleaned)).netloc


@pytest.mark.parametrize("path", ["//evil.example", "///evil.example", "evil.example", "http://evil.example/", "", "*"])
def test_the_address_without_the_token_is_here(path):
    """No path leads to another machine."""
    [location] = ask(guarded(), path=path, query="token=x").all_of("Location")
    assert leads_to(location) == HOST


@pytest.mark.parametrize("path", ["/\\evil.example", "/\\/evil.example", "/\t/evil.example", "/\n/evil.example"])
def test_no_trick_with_the_path_leads_elsewhere(path):
    """What a browser takes for a slash, or ignores, leads nowhere else either."""
    [location] = ask(guarded(), path=path, query="token=x").all_of("Location")
    assert leads_to(location) == HOST


def test_a_path_can_not_add_a_header():
    """A line break in a path is not one in the answer."""
    [location] = ask(guarded(), path="/\r\nSet-Cookie: a=b", query="token=x").all_of("Location")
    assert not set("\r\n") & set(location)


@pytest.mark.parametrize("name", ["a b", "a?b", "a#b", "a%b", "日本"])
def test_the_address_without_the_token_is_the_same_page(name):
    """Quoted characters in the address stay quoted, so that it names the same page."""
    path = f"/traces/{name}".encode().decode("latin-1")  # as WSGI has it
    [location] = ask(guarded(), path=path, query="token=x").all_of("Location")
    assert location == f"/traces/{quote(name)}"


def test_only_the_token_leaves_the_address():
    """Everything else in an address is kept."""
    answer = ask(guarded(), path="/controls", query=f"stage=parse&token={TOKEN}")
    assert answer.all_of("Location") == ["/controls?stage=parse"]


@given(st.text(st.characters(max_codepoint=255)), st.text(st.characters(min_codepoint=33, max_codepoint=126)))
def test_no_address_hurts(path, query):
    """Any path and query is answered, and only the token gives a cookie."""
    answer = ask(guarded(), path=path, query=query)
    assert answer.status in ("200 OK", "303 See Other")
    assert answer.all_of("Set-Cookie") == []


def assert_protected(answer):
    for name, value in PROTECTING.items():
        assert answer.all_of(name) == [value]
    assert len(answer.all_of("Cache-Control")) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_answer_of_the_application_is_protected(method):
    """A page is neither framed nor read by other origins, its type is not guessed, and its policy says what may run."""
    answer = ask(guarded(), method=method)
    assert_protected(answer)
    assert answer.all_of("Content-Security-Policy") == [POLICY]
    assert answer.all_of("Content-Type") == ["text/plain"]


def test_the_redirect_with_the_cookie_is_protected():
    """The redirect has the same headers."""
    assert_protected(ask(guarded(), query=f"token={TOKEN}"))


def test_a_refusal_is_protected():
    """A refusal has the same headers."""
    assert_protected(ask(guarded(), host="evil.example"))


def test_the_application_s_own_headers_go_first():
    """A header that the application sets itself, whatever its case, is not added a second time."""

    def lasting(environ, start_response):
        start_response("200 OK", [("cache-control", "max-age=60"), ("X-Frame-Options", "SAMEORIGIN")])
        return [b""]

    answer = ask(guarded(lasting))
    assert answer.all_of("Cache-Control") == ["max-age=60"]
    assert answer.all_of("X-Frame-Options") == ["SAMEORIGIN"]


def test_the_policy_is_asked_for_with_each_answer():
    """The page's scripts are known only when the page is made."""
    policies = iter(["first", "second"])
    guard = Guard(application, TOKEN, 1, lambda: next(policies))
    assert [ask(guard).all_of("Content-Security-Policy") for _ in range(2)] == [["first"], ["second"]]

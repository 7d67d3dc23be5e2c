"""The routes of the console."""

import pytest
from werkzeug.test import Client

from simulator.console.front import HEALTH, OTHER_APIS, by_path, health, no_such_api


def named(name):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [name.encode()]

    return application


FRONT = Client(by_path({"/v1/traces": named("receiver"), HEALTH: health}, named("page")))


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/", "page"),
        ("/traces", "page"),
        ("/v1/traces", "receiver"),
        ("/v1/traces/", "receiver"),
        ("/v1/traces/more", "receiver"),
        ("/v1/tracesque", "page"),
        ("/v1", "page"),
        ("/V1/TRACES", "page"),
        ("/x/v1/traces", "page"),
        ("/healthzebra", "page"),
        ("/healthz", "ok\n"),
    ],
)
def test_each_path_has_its_application(path, who):
    """A path goes to the application with its prefix, compared part by part, and every other to the page."""
    assert FRONT.get(path).get_data(as_text=True) == who


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_method_goes_the_same_way(method):
    """The application decides which methods it accepts."""
    assert FRONT.open("/v1/traces", method=method).get_data() == b"receiver"


def test_a_request_without_a_path_is_the_page_s():
    """A path may be missing altogether, as in a server's own request."""
    found = []
    assert by_path({"/x": named("x")}, named("page"))({}, lambda *started: found.append(started)) == [b"page"]
    assert len(found) == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "BREW"])
@pytest.mark.parametrize("path", [*OTHER_APIS, "/metrics/", "/jaeger/api/services", "/loki/api/v1/push"])
def test_another_api_is_not_found(path, method):
    """A client of another API learns in JSON that there is none, whatever it accepts."""
    front = Client(by_path(dict.fromkeys(OTHER_APIS, no_such_api), named("page")))
    answer = front.open(path, method=method, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert answer.get_json(force=True)["status"] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
def test_a_health_check_only_reads(method):
    """Another method is refused with the allowed ones."""
    answer = FRONT.open("/healthz", method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert answer.mimetype == "application/problem+json"


def test_the_console_says_that_it_is_up():
    """The answer to a health check is short and plain, and HEAD has only its headers."""
    answer = FRONT.get("/healthz")
    assert (answer.status_code, answer.content_type) == (200, "text/plain")
    assert FRONT.head("/healthz").get_data() == b""

"""The answers of the page's server where there is no page."""

import flask
import pytest

from simulator.console.page.application import make_page
from tests.support.consoled import answers_for
from tests.support.watched import watched

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
UNKNOWN = ["/metrics", "/nonsense", "/trace/1", "/favicon.ico", "/assets/nothing.js", "/graphql", "/traces/1/2"]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    run = watched(tmp_path_factory.mktemp("run"))
    run.look()
    server = flask.Flask("page", static_folder=None)
    make_page(server, answers_for(run))
    return server.test_client()


@pytest.mark.parametrize("path", ["/", "/traces", "/traces/", "/traces/4bf92f", "/stages/parse", "/controls"])
@pytest.mark.parametrize("accept", [BROWSER, "*/*"])
def test_every_view_is_the_page(client, path, accept):
    """An address that was kept or typed leads to its view."""
    answer = client.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "console.js" in answer.text


@pytest.mark.parametrize("path", UNKNOWN)
@pytest.mark.parametrize("accept", [None, "*/*", "application/json", PROMETHEUS])
def test_a_program_gets_problem_details(client, path, accept):
    """A scraper, a probe or a client of another API learns that there is nothing."""
    answer = client.get(path, headers={} if accept is None else {"Accept": accept})
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert answer.get_json(force=True)["status"] == 404


@pytest.mark.parametrize("path", UNKNOWN)
def test_a_browser_gets_a_page_that_leads_back(client, path):
    """Somebody who mistyped an address reads what is wrong, and finds the system."""
    answer = client.get(path, headers={"Accept": BROWSER})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert '<a href="/">' in answer.text and "<script" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
@pytest.mark.parametrize("path", ["/", "/traces", "/nonsense", "/_dash-layout"])
def test_another_method_is_refused_with_the_allowed_ones(client, path, method):
    """A page can only be read."""
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (405, "application/problem+json")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(("body", "content_type"), [(b"", None), (b"{", "application/json"), (b"x", "text/plain")])
def test_a_malformed_callback_is_not_a_page_either(client, body, content_type):
    """A request that is not a callback gets an error, without a page of HTML."""
    answer = client.post("/_dash-update-component", data=body, content_type=content_type)
    assert answer.status_code in (400, 415)
    assert answer.mimetype == "application/problem+json"

"""Databases, caches, external services and operations on the console's page, in real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import opened
from tests.support.consoles import running_console
from tests.support.contrast import faint_texts
from tests.support.pictures import measure
from tests.support.threaded import in_thread, listening

pytestmark = pytest.mark.backend("chromium")

PATIENCE_MS = 60_000
TOPOLOGY = """
name: kinds
seed: 7
stages:
  customers: {role: injector, load: {rate: 20/s}, calls: [{choose: {store.browse: 3, store.buy: 1}}]}
  store:
    operations:
      browse: {method: GET, path: "/products/{id}", calls: [sessions.GET]}
      buy: {path: /orders, delay: exponential(5ms), calls: [orders.INSERT, bank, mine]}
  sessions: {kind: cache, system: redis, operations: {GET: {delay: exponential(1ms)}}}
  orders: {kind: database, system: postgresql, operations: {INSERT: {delay: exponential(2ms)}}}
  bank: {kind: external, delay: 10ms}
  mine: {kind: external, url: "URL"}
"""
ICON = """(card) => getComputedStyle(card.querySelector(".card-head"), "::before").maskImage"""


@contextmanager
def real_service() -> Iterator[str]:
    """Answer every POST with 204; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(204)
            self.end_headers()

    server = listening(Handler)
    with in_thread(server):
        yield f"{server.origin}/"


@pytest.fixture(scope="module", params=["always_on", "always_off"])
def shown(request, tmp_path_factory):
    """A run of every kind, with and without traces: what is in the picture is known from the metrics."""
    folder = tmp_path_factory.mktemp("kinds")
    with real_service() as url:
        (folder / "kinds.yaml").write_text(TOPOLOGY.replace("URL", url))
        with running_console(folder, folder / "kinds.yaml", OTEL_TRACES_SAMPLER=request.param) as run:
            yield run, request.param == "always_on"


@pytest.fixture
def page(browser, shown):
    run, _ = shown
    with opened(browser, run.origin) as tab:
        tab.page.goto(run.url)
        # The cards move once more when the lines between them are drawn: a click in that moment would miss its card.
        tab.page.wait_for_selector("#canvas[data-scale]:has(#edges path)", state="attached")
        yield tab.page
        tab.check()


def card(page: Page, name: str) -> Locator:
    return page.locator("#canvas > .card", has=page.locator(".name", has_text=re.compile(f"^{name}$")))


def test_each_kind_has_an_icon_and_a_word(page):
    """On its card, in the legend and in its description; a service looks as it always did, and nothing is faint."""
    words = {"sessions": "cache", "orders": "database", "bank": "external", "mine": "external"}
    for name, word in words.items():
        expect(card(page, name).locator(".role")).to_have_text(word)
    described = {"sessions": "sessions (redis cache): ", "orders": "orders (postgresql database): "}
    for name, begin in described.items():
        expect(card(page, name)).to_have_attribute("title", re.compile(re.escape(begin)))
    expect(card(page, "orders").locator(".delay")).to_have_text("postgresql, 1 operation", timeout=PATIENCE_MS)
    icons = {name: card(page, name).evaluate(ICON) for name in (*words, "store")}
    assert icons.pop("store") == "none"
    assert len(set(icons.values())) == 3 and icons["bank"] == icons["mine"]
    for text in ("database", "cache", "external service"):
        expect(page.locator(".legend").get_by_text(text, exact=True)).to_be_visible()
    picture = measure(page)
    assert [one.name for one in picture.cards if one.cut or one.outside] == []
    assert faint_texts(page) == set()


def test_a_service_at_a_url_is_in_the_picture(page):
    """With the rate of its callers' calls and a line from them, whether there are traces or not."""
    expect(card(page, "mine").locator(".rate b")).to_have_text(re.compile(r"^[1-9]"), timeout=PATIENCE_MS)
    expect(card(page, "mine")).to_have_class(re.compile(r"\bok\b"))
    expect(page.locator("#edges path.external:not(.quiet)")).to_have_count(1)
    assert (["store"], ["mine"]) in measure(page).connected()


def test_the_operations_of_a_stage_have_their_figures_and_traces(page, shown):
    """The table has a row for each, whose link leads to the traces with it; none is found where none is sampled."""
    card(page, "store").click()
    rows = page.locator(".operations tbody tr")
    expect(rows).to_have_count(2)
    browse = rows.filter(has_text="browse")
    expect(browse.locator("td.mono")).to_have_text("GET /products/{id}")
    expect(browse.locator("#operation-browse-rate")).to_have_text(re.compile(r"^[1-9]\d*\.\d/s$"), timeout=PATIENCE_MS)
    expect(browse.locator("#operation-browse-p99")).to_have_text(re.compile(r"^\d.*s$"), timeout=PATIENCE_MS)
    browse.get_by_role("link", name="Traces").click()
    expect(page.get_by_label("Operation")).to_have_value("GET /products/{id}")
    _, is_traced = shown
    if is_traced:
        expect(page.locator("#trace-list a").first).to_be_visible(timeout=PATIENCE_MS)
    else:
        expect(page.locator("#trace-list .empty")).to_be_visible(timeout=PATIENCE_MS)


def test_the_field_for_an_operation_narrows_the_list(page, shown):
    """It takes the name of any span of a stage, also that of its calls of a database."""
    _, is_traced = shown
    if not is_traced:
        pytest.skip("there are no traces in this run")
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Traces").click()
    page.get_by_label("Operation").fill("INSERT")
    page.keyboard.press("Enter")
    expect(page.locator("#trace-list a").first).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Operation").fill("DELETE")
    page.keyboard.press("Enter")
    expect(page.locator("#trace-list .empty")).to_be_visible(timeout=PATIENCE_MS)


def test_the_traces_of_a_database_are_those_with_calls_of_it(page, shown):
    """Though it makes no spans, its own page leads to them, and each of its operations to those with it."""
    _, is_traced = shown
    if not is_traced:
        pytest.skip("there are no traces in this run")
    card(page, "orders").click()
    expect(page.locator("#delay-note")).to_contain_text("which a database has only with", timeout=PATIENCE_MS)
    page.locator(".stage-head").get_by_role("link", name="Traces").click()
    expect(page.locator("#search-stage")).to_contain_text("orders")
    expect(page.locator("#trace-list a").first).to_be_visible(timeout=PATIENCE_MS)
    page.go_back()
    page.locator(".operations").get_by_role("link", name="Traces").click()
    expect(page.get_by_label("Operation")).to_have_value("INSERT")
    expect(page.locator("#trace-list a").first).to_be_visible(timeout=PATIENCE_MS)


def test_the_delay_of_each_operation_can_be_looked_at(page, shown):
    """The first operation's at first; what was drawn is there where there are traces, and agrees."""
    _, is_traced = shown
    card(page, "store").click()
    note, chosen = page.locator("#delay-note"), page.locator(".operations a.here")
    expect(chosen).to_have_text("browse")
    expect(note).to_contain_text("browse, constant(0s)", timeout=PATIENCE_MS)
    page.locator(".operations").get_by_role("link", name="buy").click()
    expect(chosen).to_have_text("buy")
    seen = "within sampling error" if is_traced else "no messages yet"
    expect(note).to_contain_text(re.compile(rf"^buy, exponential\(5ms\): .*{seen}"), timeout=PATIENCE_MS)

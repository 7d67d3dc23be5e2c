"""The console's page in real Chromium: what a person sees and does while the default pipeline runs."""

from __future__ import annotations

import itertools
import os
import re
import signal
import time

import pytest
import requests
from playwright.sync_api import Locator, Page, Route, expect

from tests.support.browser import PHONE, SCREEN, opened
from tests.support.consoles import running_console, wait_for_figures
from tests.support.contrast import faint_examples, faint_texts
from tests.support.otlp import request, span
from tests.support.pictures import measure
from tests.support.processes import ROOT, wait_for
from tests.support.wire import post

PIPELINE = ROOT / "topologies" / "pipeline.yaml"
STAGES = ("injector", "parse", "enrich", "archive")
VIEWS = {"System": "/", "Traces": "/traces", "Stages": "/stages", "Controls": "/controls"}
MAIN_PART = {"System": "#canvas .card", "Traces": "#trace-list a", "Stages": ".main-svg", "Controls": ".control"}

pytestmark = pytest.mark.backend("chromium")


@pytest.fixture(scope="module")
def shown(browser, tmp_path_factory):
    with running_console(tmp_path_factory.mktemp("page"), PIPELINE) as running:
        yield running


@pytest.fixture(scope="module")
def tab(browser, shown):
    """One tab for the whole module, opened with the token, so that it may change things."""
    with opened(browser, shown.origin) as tab:
        tab.page.goto(shown.url)
        yield tab


@pytest.fixture
def page(tab):
    """The system's view on the tab; a test fails if anything goes wrong on the page meanwhile."""
    tab.page.mouse.move(0, 0)
    if not tab.page.url.endswith(tab.origin + "/"):
        tab.page.goto(tab.origin)
    wait_for_figures(tab.page, len(STAGES))
    yield tab.page
    tab.check()


def card(page: Page, stage: str) -> Locator:
    return page.locator("#canvas").get_by_role("link", name=re.compile(rf"^{stage} "))


def open_view(page: Page, view: str) -> None:
    page.get_by_role("navigation", name="Views").get_by_role("link", name=view).click()
    page.locator(MAIN_PART[view]).first.wait_for()


def control(page: Page, stage: str) -> Locator:
    return page.locator("section.control", has=page.get_by_role("heading", name=stage, exact=True))


def news_has_come(page: Page, times: int) -> None:
    """Wait until the count of traces in the frame has changed this many times."""
    for _ in range(times):
        before = page.locator("#status-traces").inner_text()
        expect(page.locator("#status-traces")).not_to_have_text(before)


@pytest.mark.alone
def test_the_page_comes_up_within_two_seconds_of_the_run(browser, tmp_path):
    """Less than 2 s after `run` says that it is ready, four cards with all their figures are there."""
    with running_console(tmp_path, PIPELINE) as shown:
        ready = time.monotonic()
        with opened(browser, shown.origin) as tab:
            tab.page.goto(shown.url)
            wait_for_figures(tab.page, len(STAGES))
            took = time.monotonic() - ready
            tab.check()
    assert took < 2.0


def test_the_picture_has_the_four_stages_and_the_three_calls_between_them(page):
    """Each stage is a link under its name, in the order of the calls, and thick edges connect the cards."""
    for stage in STAGES:
        expect(card(page, stage)).to_have_count(1)
    expect(page.locator("#edges path:not(.quiet)")).to_have_count(3)
    picture = measure(page)
    assert [one.name for one in sorted(picture.cards, key=lambda one: one.box.left)] == list(STAGES)
    assert picture.overlapping() == []
    assert [one.name for one in picture.cards if not one.box.is_within(picture.scene)] == []
    assert picture.connected() == [([caller], [called]) for caller, called in itertools.pairwise(STAGES)]
    assert all(3 <= line.width <= 8 for line in picture.lines), "they all have the same traffic"
    assert [one.name for one in picture.cards if one.cut or one.outside] == []


def test_a_message_is_found_by_its_own_id_and_its_waterfall_shows_every_stage_in_order(page, shown):
    """Its trace has a row for each stage, inside its caller's, with what it waited for, and its log lines beside it."""
    answer = post(shown.port("injector"), b"{}", "X-Message-Id: order-4711", content_type="application/json")
    open_view(page, "Traces")
    page.get_by_label("Message id or trace id").fill("order-4711")
    found = page.locator("#trace-list a", has_text="order-4711")
    expect(found.get_by_text("10", exact=True)).to_have_count(1)
    found.click()
    rows = page.locator("#waterfall details.span")
    expect(rows.locator(".span-name b")).to_have_text(STAGES)
    expect(page.get_by_role("heading", level=1)).to_have_text("order-4711")
    bounds = []
    for number, stage in enumerate(STAGES):
        lane = rows.nth(number).locator(".lane")
        kinds = [kind.removeprefix("segment ") for kind in lane.locator(".segment").evaluate_all(CLASSES)]
        # Nothing waits for a worker here, and the injector has no delay.
        expected = [*(["processing"] if stage != "injector" else []), *(["downstream"] if stage != "archive" else [])]
        assert kinds == expected
        lefts = [left for left, _ in lane.locator(".segment").evaluate_all(SIDES)]
        assert lefts == sorted(lefts)
        for title in lane.locator(".segment.processing").evaluate_all(TITLES):
            assert title.startswith("processing: process, ")
        bounds += lane.locator(".whole").evaluate_all(SIDES)
    for (left, right), (inner_left, inner_right) in itertools.pairwise(bounds):
        assert left <= inner_left and inner_right <= right + 2  # the minimum width of a bar
    lines = [line for stage in STAGES for line in shown.running.log(stage)]
    of_this = [line for line in lines if line.get("trace_id") == answer.headers["x-trace-id"]]
    beside = page.locator("#trace-lines .line")
    expect(beside).to_have_count(len(of_this))
    for stage in STAGES:
        expect(beside.filter(has_text=stage).filter(has_text="message.handled")).to_have_count(1)


TITLES = "(elements) => elements.map((element) => element.title)"
CLASSES = "(elements) => elements.map((element) => element.className)"
SIDES = "(elements) => elements.map((e) => e.getBoundingClientRect()).map((box) => [box.left, box.right])"


NOTE_THE_CLICK = "() => addEventListener('click', () => { window.at = Date.now(); }, { capture: true, once: true })"
# The clock is read on the page, so that the time of the test's own requests does not count.
NOTE_WHEN = """([place, pattern]) => {
    const look = () => {
        const holds = new RegExp(pattern, "m").test(document.querySelector(place)?.innerText ?? "");
        if (holds && !window.at) window.at = Date.now();
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


@pytest.mark.alone
def test_a_delay_raised_on_the_page_is_seen_in_the_picture_and_the_traces_within_three_seconds(page, shown):
    """The card and a trace show 1 s within 3 s after the click on Apply; with Enter the delay is restored."""
    picture, traces = page.context.new_page(), page.context.new_page()
    picture.goto(shown.origin)
    wait_for_figures(picture, len(STAGES))
    traces.goto(f"{shown.origin}/traces?stage=enrich&longer=1s")
    expect(traces.locator("#trace-list .empty")).to_be_visible()
    open_view(page, "Controls")
    enrich = control(page, "enrich")
    before = enrich.get_by_label("Delay").input_value()
    enrich.get_by_label("Delay").fill("constant(1s)")
    page.evaluate(NOTE_THE_CLICK)
    picture.evaluate(NOTE_WHEN, ["#n2", r"^constant\(1s\)[^]*^[1-9][.\d]*s\s+p50$"])
    traces.evaluate(NOTE_WHEN, ["#trace-list", r"^enrich|enrich[^]*\s[1-9][.\d]*s$"])
    enrich.get_by_role("button", name="Apply").click()
    took = []
    for where in (picture, traces):
        where.wait_for_function("() => window.at", polling=100)
        took.append((where.evaluate("() => window.at") - page.evaluate("() => window.at")) / 1000)
    expect(enrich.get_by_role("status")).to_have_text("Changed: delay.")
    enrich.get_by_label("Delay").fill(before)
    enrich.get_by_label("Delay").press("Enter")
    expect(picture.locator("#n2-delay")).to_have_text(before)
    expect(picture.locator("#n2-p50")).to_have_text(re.compile(r"^\d[.\d]*ms$"))
    picture.close()
    traces.close()
    assert min(took) >= 1.0 and max(took) < 3.0, f"{took[0]} s in the picture, {took[1]} s in the traces"


def test_an_invalid_value_is_reported_and_changes_nothing(page, shown):
    """An invalid delay is answered with what is allowed, beside the button."""
    open_view(page, "Controls")
    parse = control(page, "parse")
    parse.get_by_label("Delay").fill("sometimes(1s)")
    parse.get_by_label("Delay").press("Enter")
    expect(parse.get_by_role("status")).to_have_class("result bad")
    expect(parse.get_by_role("status")).to_contain_text("sometimes")
    asked = shown.running.control("parse").json()
    assert asked["delay"].startswith("lognormal")


def test_every_view_works_with_nothing_but_the_console(tab, page):
    """All of them, including charts and a trace, request nothing from any host but the console itself."""
    for view in VIEWS:
        open_view(page, view)
    open_view(page, "Stages")
    expect(page.locator("#chart-delay .legendtext")).to_have_text(["configured", "injected", "observed"])
    expect(page.locator("#stage-lines .line").first).to_be_visible()
    open_view(page, "Traces")
    page.locator("#trace-list a").nth(3).click()
    page.locator("#waterfall").wait_for()
    page.get_by_role("link", name="Every span").click()
    expect(page.locator("#waterfall details.span")).to_have_count(10)
    assert tab.origins == {tab.origin}


@pytest.fixture
def themes(page):
    """The page, whose theme is restored afterwards."""
    yield page
    page.evaluate("() => localStorage.clear()")
    page.emulate_media(color_scheme="light")
    page.reload()


GROUND = "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"


@pytest.mark.parametrize(("theme", "other"), [("light", "dark"), ("dark", "light")])
def test_the_theme_is_the_system_s_until_it_is_changed_and_then_stays(themes, theme, other):
    """The button changes it immediately; a reload changes nothing."""
    page, button = themes, themes.locator("#theme")
    page.emulate_media(color_scheme=theme)
    page.reload()
    expect(button).to_be_enabled()
    ground = page.evaluate(GROUND)
    button.click()
    page.wait_for_function(f"(ground) => String(({GROUND})()) !== String(ground)", arg=ground)
    changed = page.evaluate(GROUND)
    page.reload()
    expect(button).to_be_enabled()
    assert page.evaluate(GROUND) == changed
    assert (sum(ground) > 600, sum(changed) > 600) == (theme == "light", other == "light")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_enough_contrast(themes, theme):
    """The contrast of each text is 4.5 to 1 or better, in each view and theme."""
    page = themes
    page.emulate_media(color_scheme=theme)
    faint = set()
    for view in VIEWS:
        open_view(page, view)
        faint |= faint_texts(page)
    open_view(page, "Traces")
    page.locator("#trace-list a").nth(3).click()
    page.locator("#waterfall").wait_for()
    assert faint | faint_texts(page) == set()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_examples_in_boxes_can_be_read(themes, theme):
    """They are the only help in place, so they have a contrast of 4.5 to 1 like any text."""
    themes.emulate_media(color_scheme=theme)
    open_view(themes, "Controls")
    assert faint_examples(themes) == set()


def focused(page: Page) -> str:
    """Return the id of the focused element, or else its label, or else its text."""
    names = "element.id || element.getAttribute('aria-label') || element.textContent"
    return str(page.evaluate(f"() => {{ const element = document.activeElement; return {names}; }}"))


FOCUS_IS_SEEN = """() => {
    const element = document.activeElement, style = getComputedStyle(element);
    if (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1) return true;
    const box = element.closest(".dash-input-container"), others = document.querySelectorAll(".dash-input-container");
    const other = [...others].find((one) => one !== box);
    return !!box && getComputedStyle(box).borderColor !== getComputedStyle(other).borderColor;
}"""


def tab_through(page: Page, last: str) -> list[str]:
    """Press Tab from the top until an element has the focus; return all that had it, each of which showed it."""
    page.evaluate("() => document.activeElement.blur()")
    passed: list[str] = []
    while last not in passed:
        page.keyboard.press("Tab")
        passed.append(focused(page))
        assert page.evaluate(FOCUS_IS_SEEN), passed[-1]
        assert len(passed) < 60, passed
    return passed


def test_the_keyboard_reaches_everything_and_shows_where_it_is(page, shown):
    """Tab goes to the views, the theme, the picture, its cards, every box and button; Enter opens a card's stage."""
    page.goto(shown.origin)
    wait_for_figures(page, len(STAGES))
    frame = ["Skip to the view", "view-system", "view-traces", "view-stages", "view-controls", "theme"]
    reached = tab_through(page, "n3")
    assert reached[len(frame)].startswith("Picture of the system. Arrow keys move it")
    assert [*reached[: len(frame)], *reached[len(frame) + 1 :]] == [*frame, "n0", "n1", "n2", "n3"]
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/stages/archive$"))
    page.goto(f"{shown.origin}/controls")
    page.locator(".control").last.wait_for()
    reached = tab_through(page, '{"stage":3,"type":"apply"}')
    keys = ("delay", "faults", "workers", "queue", "rate_limit", "forward", "response_bytes")
    boxes = [f'{{"key":"{key}","stage":2,"type":"control"}}' for key in keys]
    start = reached.index(boxes[0])
    assert reached[start : start + 8] == [*boxes, '{"stage":2,"type":"apply"}']


def test_keys_change_the_view_but_not_while_one_types(page, shown):
    """1 to 4 are the views, and / is the search; in a box they are plain characters."""
    for key, (view, path) in enumerate(VIEWS.items(), 1):
        page.keyboard.press(str(key))
        expect(page).to_have_url(shown.origin + path)
        expect(page.locator(f"#view-{view.lower()}")).to_have_class("here")
    page.keyboard.press("2")
    box = page.get_by_label("Message id or trace id")
    box.wait_for()
    page.keyboard.press("/")
    expect(box).to_be_focused()
    page.keyboard.type("1/2")
    expect(box).to_have_value("1/2")
    expect(page).to_have_url(re.compile(r"/traces\?text=1%2F2$"))


def test_the_list_does_not_move_away_from_the_focus(page):
    """While a row has the focus the list stays as it is, and afterwards it is updated again."""
    open_view(page, "Traces")
    page.mouse.move(0, 0)
    row = page.locator("#trace-list a").nth(4)
    row.focus()
    held = page.locator("#trace-list").inner_text()
    news_has_come(page, 4)
    assert page.locator("#trace-list").inner_text() == held
    expect(row).to_be_focused()
    page.evaluate("() => document.activeElement.blur()")
    expect(page.locator("#trace-list")).not_to_have_text(held, use_inner_text=True)


def test_an_answer_that_was_on_its_way_does_not_move_the_list(page):
    """A row that gets the focus after the list was asked for keeps it when the answer comes."""
    waiting: list[Route] = []

    def keep_lists(route: Route) -> None:
        if "rows-found.data" in (route.request.post_data or ""):
            waiting.append(route)
        else:
            route.continue_()

    open_view(page, "Traces")
    page.mouse.move(0, 0)
    page.route(re.compile("/_dash-update-component"), keep_lists)
    # Every call to the page handles the browser's events.
    wait_for(lambda: page.title() and waiting, "the next question for the list")
    row = page.locator("#trace-list a").nth(4)
    row.focus()
    held = page.locator("#trace-list").inner_text()

    def something_new():
        answer = waiting[0].fetch()
        return answer if answer.status == 200 else None  # 204: no trace has arrived since the last request for the list

    answer = wait_for(something_new, "something new to show")
    assert answer.json()["response"]["rows-found"]["data"]["asked"]["found"], "there is something new to show"
    waiting[0].fulfill(response=answer)
    page.unroute_all()
    news_has_come(page, 2)
    assert page.locator("#trace-list").inner_text() == held
    expect(row).to_be_focused()


def test_the_focus_stays_where_it_is_when_news_come(page):
    """A card that has the focus is still the same element after a couple of seconds, with new figures in it."""
    card(page, "enrich").focus()
    page.evaluate("() => { document.activeElement.isTheOne = true; }")
    news_has_come(page, 5)
    assert page.evaluate("() => document.activeElement.isTheOne && document.activeElement.isConnected")
    assert focused(page) == "n2"


def test_a_phone_is_wide_enough(page):
    """At 390 pixels nothing overflows sideways, in any view."""
    page.set_viewport_size(PHONE)
    try:
        for view in VIEWS:
            open_view(page, view)
            page.wait_for_function("(most) => document.scrollingElement.scrollWidth <= most", arg=390)
    finally:
        page.set_viewport_size(SCREEN)


LONGEST_TASK = """() => new Promise((resolve) => {
    const found = [0];
    new PerformanceObserver((list) => found.push(...list.getEntries().map((entry) => entry.duration)))
        .observe({ entryTypes: ["longtask"] });
    const lines = document.getElementById("stage-lines");
    let changes = 0;
    new MutationObserver(() => {
        changes += 1;
        if (changes === 2) setTimeout(() => resolve(Math.max(...found)), 500);
    }).observe(lines, { childList: true });
})"""


@pytest.mark.alone
def test_a_stage_s_view_stays_responsive(page):
    """While its log lines are replaced, nothing blocks the page for a second."""
    open_view(page, "Stages")
    page.locator("#stage-lines .line").first.wait_for()
    assert page.evaluate(LONGEST_TASK) < 1000


def test_a_trace_that_was_opened_early_becomes_complete(page, shown):
    """Spans that arrive after the click on its row are added, wherever the pointer is."""
    send(shown, request(parse=[span(trace=77, number=2, parent=1, attributes={"simulator.message_id": "early"})]))
    open_view(page, "Traces")
    page.get_by_label("Message id or trace id").fill("early")
    expect(page).to_have_url(re.compile("text=early"))
    page.locator("#trace-list a", has_text="early").click()
    rows = page.locator("#waterfall details.span")
    expect(rows).to_have_count(1)
    box = rows.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    send(shown, request(injector=[span(trace=77, number=1, ms=20)]))
    expect(rows).to_have_count(2)


def send(shown, spans):
    headers = {"Content-Type": "application/x-protobuf"}
    url = f"{shown.origin}/v1/traces"
    requests.post(url, data=spans.SerializeToString(), headers=headers, timeout=10).raise_for_status()


def test_the_search_may_be_left_while_one_types(tab, page):
    """Leaving the search before the list has arrived causes no error."""
    open_view(page, "Traces")
    page.get_by_label("Message id or trace id").fill("abcd")
    page.locator("#view-system").click()
    news_has_come(page, 2)
    try:
        tab.check()
    finally:
        tab.troubles.clear()


@pytest.mark.alone
def test_a_killed_stage_looks_dead(browser, tmp_path):
    """Within a few seconds its card is marked as dead, the verdict names it, and the calls to it are red."""
    with running_console(tmp_path, PIPELINE) as shown, opened(browser, shown.origin) as tab:
        page = tab.page
        page.goto(shown.url)
        wait_for_figures(page, len(STAGES))
        expect(page.locator("#verdict")).to_have_text("All is well.")
        os.kill(shown.running.pid("enrich"), signal.SIGKILL)
        expect(card(page, "enrich")).to_have_class(re.compile(r"\bdead\b"), timeout=5000)
        expect(page.locator("#n2-state")).to_contain_text("it does not answer", timeout=1000, ignore_case=True)
        expect(page.locator("#verdict")).to_have_class("verdict dead")
        expect(page.locator("#verdict")).to_contain_text(re.compile("enrich: .*it does not answer"))
        expect(page.locator("#edges path").nth(1)).to_have_class(re.compile(r"\bbad\b"))
        for stage in ("injector", "parse", "archive"):
            expect(card(page, stage)).not_to_have_class(re.compile(r"\bdead\b"))
        tab.check()

"""The console's page in real Chromium, for names with dots, capitals and underscores, or a digit first."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import opened
from tests.support.consoles import running_console, wait_for_figures
from tests.support.pictures import measure

LONG = "99f2e7b5" * 7 + "99f2e7b"
TEXT = f"""
name: My.Shop_2
seed: 7
stages:
  Load.gen: {{role: injector, load: {{rate: 20/s}}, calls: [Frontend]}}
  Frontend: {{calls: [product_catalog, {{parallel: [a, a.b]}}, {LONG}]}}
  product_catalog: {{delay: constant(1ms), calls: [2nd]}}
  a: {{delay: constant(2ms), calls: []}}
  a.b: {{delay: constant(3ms), instances: 2, calls: []}}
  2nd: {{calls: []}}
  {LONG}: {{role: terminator}}
"""
NAMES = ("Load.gen", "Frontend", "product_catalog", "a", "a.b", "2nd", LONG)
CALLS = [
    ("Frontend", "a"),
    ("Frontend", "a.b"),
    ("Frontend", "product_catalog"),
    ("Frontend", LONG),
    ("Load.gen", "Frontend"),
    ("product_catalog", "2nd"),
]

pytestmark = pytest.mark.backend("chromium")


@pytest.fixture(scope="module")
def shown(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    (folder / "names.yaml").write_text(TEXT)
    with running_console(folder, folder / "names.yaml") as running:
        yield running


@pytest.fixture
def page(browser, shown):
    """The system's view; a test fails if anything goes wrong on the page meanwhile."""
    with opened(browser, shown.origin) as tab:
        tab.page.goto(shown.url)
        wait_for_figures(tab.page, len(NAMES))
        yield tab.page
        tab.check()


def control(page: Page, stage: str) -> Locator:
    return page.locator("section.control", has=page.get_by_role("heading", name=stage, exact=True))


def test_the_picture_has_every_stage_and_every_call(page):
    """Each card has its own name and figures, and each line connects the cards of its call."""
    picture = measure(page)
    assert sorted(one.name for one in picture.cards) == sorted(NAMES)
    assert picture.overlapping() == []
    assert len(picture.lines) == len(CALLS)
    assert [one.name for one in picture.cards if one.outside] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_has_a_view_with_its_own_figures_and_lines(page, shown, name):
    """Its address is its name, its log is its own, and its links lead to its traces and its controls."""
    page.goto(f"{shown.origin}/stages/{name}")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator(".picker a.here")).to_have_text(name)
    expect(page.locator("#stage-rate")).not_to_have_text("-")
    expect(page.locator("#stage-lines .line").first).to_be_visible()
    page.get_by_role("link", name="Controls", exact=True).last.click()
    expect(page).to_have_url(re.compile(rf"/controls\?stage={re.escape(name)}$"))
    expect(control(page, name)).to_have_count(1)


def test_a_stage_is_changed_and_no_other(page, shown):
    """`a.b` in both of its instances, and not `a`."""
    page.goto(f"{shown.origin}/controls")
    one = control(page, "a.b")
    one.get_by_label("Delay").fill("constant(4ms)")
    one.get_by_role("button", name="Apply").click()
    expect(one.get_by_role("status")).to_contain_text("Changed: delay")
    assert shown.running.control("a.b").json()["delay"] == "constant(4ms)"
    assert shown.running.control("a").json()["delay"] == "constant(2ms)"


def test_the_traces_of_a_stage_are_found_by_its_name(page, shown):
    """`a.b` is a choice of the list, and its traces' rows have the names of the file."""
    page.goto(f"{shown.origin}/traces?stage=a.b")
    page.locator("#trace-list a").nth(2).click()
    rows = page.locator("#waterfall details.span .span-name b")
    expect(rows).to_have_count(len(NAMES))
    assert sorted(rows.all_inner_texts()) == sorted(NAMES)

"""The page of a run in real Chromium: no message, one, thousands; both themes; on paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from simulator.proof.report.account import RunAccount
from simulator.proof.report.page import write_page
from simulator.telemetry.run_files import RunFiles
from tests.support.browser import PHONE, opened
from tests.support.contrast import faint_texts
from tests.support.processes import run
from tests.support.truths import write_truth

pytestmark = pytest.mark.backend("chromium")
TOPOLOGY = """
name: reported
seed: 5
stages:
  users: {role: injector, load: {rate: 200/s}, calls: [shop]}
  shop: {delay: exponential(5ms), workers: 4, faults: ["error(503, 2%)"], calls: [stock]}
  stock: {delay: exponential(2ms)}
"""
NOTHING = {
    "version": 1,
    "program_version": "1.2.3",
    "topology": "reported",
    "seed": 5,
    "ledger": {"stages": [], "calls": [], "balanced": True, "problems": []},
    "latency_seconds": {},
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return a function that makes the page of a run of so many messages, once."""
    made: dict[int, Path] = {}

    def page_of(messages: int) -> Path:
        if messages not in made:
            made[messages] = _made_page(tmp_path_factory.mktemp(f"of-{messages}"), messages)
        return made[messages]

    return page_of


def _made_page(folder: Path, messages: int) -> Path:
    if not messages:
        files = RunFiles(write_truth(folder / "run"))
        write_page(RunAccount(files=files, report=NOTHING), files.page)
        return files.page
    (folder / "reported.yaml").write_text(TOPOLOGY)
    command = ("run", "reported.yaml", "--virtual", "--messages", str(messages), "--report", "run")
    finished = run(*command, cwd=folder, environment={"SIMULATOR_PAGE": "1"})
    assert finished.returncode == 0, finished.stderr
    return folder / "run" / "report.html"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("messages", [0, 1, 2000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_page_shows_its_charts_and_loads_nothing(browser, pages, messages, theme):
    """Every chart is drawn, every text can be read, no script is refused, and no request leaves."""
    path = pages(messages)
    with opened(browser, "file://", color_scheme=theme) as tab:
        tab.page.goto(path.as_uri())
        if messages:
            charts = tab.page.locator("[data-chart]")
            expect(tab.page.locator("[data-chart]:has(.cartesianlayer path)")).to_have_count(charts.count())
            assert charts.count() >= 4
        expect(tab.page.locator(".verdict")).to_have_text("Nothing is wrong")
        assert faint_texts(tab.page) == set()
        assert tab.origins == {"file://"}
        tab.check()


def test_a_page_says_how_many_messages_there_were(browser, pages):
    """The figures at the top and the ledger are those of the run."""
    with opened(browser, "file://") as tab:
        tab.page.goto(pages(2000).as_uri())
        expect(tab.page.locator(".summary")).to_contain_text("2,000")
        expect(tab.page.locator("#ledger")).to_contain_text("2,000")
        assert tab.page.locator(".waterfall .row").count() >= 3


def test_a_page_fits_on_a_phone(browser, pages):
    """Nothing but tables and waterfalls is wider than the screen, and those scroll by themselves."""
    with opened(browser, "file://", viewport=PHONE) as tab:
        tab.page.goto(pages(2000).as_uri())
        expect(tab.page.locator("[data-chart]:not(:has(.main-svg))")).to_have_count(0)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_page_prints_with_all_that_is_on_it(browser, pages, tmp_path):
    """On paper there are its charts and tables, dark on white, on a few pages."""
    with opened(browser, "file://", color_scheme="dark") as tab:
        tab.page.goto(pages(2000).as_uri())
        expect(tab.page.locator("[data-chart]:not(:has(.main-svg))")).to_have_count(0)
        printed = tab.page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
        tab.check()
        tab.page.emulate_media(media="print")
        ground = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
        assert faint_texts(tab.page) == set()
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 20

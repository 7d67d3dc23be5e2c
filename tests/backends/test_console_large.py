"""The console's picture of hundreds of stages, in real Chromium: the script fills their cards."""

from __future__ import annotations

import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.support.browser import opened
from tests.support.consoles import running_console
from tests.support.processes import PROGRAM, clean_environment

pytestmark = pytest.mark.backend("chromium")

STAGES = 210
PATIENCE_MS = 60_000


def test_every_card_says_what_it_is_and_opens_its_stage(browser, tmp_path):
    """Every card has its stage's name and rate, what is wrong is on it, and a click opens the stage."""
    path = tmp_path / "large.yaml"
    command = [sys.executable, str(PROGRAM), "generate", "--stages", str(STAGES), "--seed", "7", "--output", str(path)]
    subprocess.run(command, check=True, env=clean_environment(), capture_output=True)
    sick = "injector.faults=error(503, 100%)"
    with (
        running_console(tmp_path, path, "--set", sick) as shown,
        opened(browser, shown.origin) as tab,
    ):
        page = tab.page
        page.goto(shown.url)
        cards = page.locator("#canvas > .card")
        expect(cards.locator(".rate b", has_text="/s")).to_have_count(STAGES, timeout=PATIENCE_MS)
        names = cards.locator(".name").all_text_contents()
        assert len(names) == len(set(names)) == STAGES
        wrong = page.locator("#canvas > .card.degraded")
        expect(wrong.locator(".name")).to_have_text("injector", timeout=PATIENCE_MS)
        expect(wrong.locator(".state")).to_have_text("100 % errors")
        cards.last.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(names[-1])
        page.go_back()
        expect(cards.locator(".name")).to_have_count(STAGES)
        tab.check()

"""The console's picture of systems with 12 and with 60 stages, in real Chromium: it is readable.

The stages are made up: sixty processes take half a minute to start, and all that the picture shows of them is what
they count.
"""

from __future__ import annotations

import itertools
import re

import pytest
from playwright.sync_api import expect

from tests.support.browser import opened
from tests.support.consoles import console_of_a_made_up_run, wait_for_figures
from tests.support.contrast import faint_texts
from tests.support.pictures import measure

LAYERS = {12: 4, 60: 8}
NAMES = ("cart", "prices", "payment", "warehouse", "notifications", "recommendations", "search", "login")
READABLE_PIXELS = 11.0

pytestmark = pytest.mark.backend("chromium")


def layered(stages: int, layers: int) -> tuple[str, list[tuple[str, str]]]:
    """Return a topology of layers, each stage called by one of the layer before and every third one by two."""
    rest = stages - 1
    sizes = [rest // layers + (number < rest % layers) for number in range(layers)]
    columns = [["shoppers"]]
    for number, size in enumerate(sizes):
        columns.append([f"{NAMES[(number + row) % len(NAMES)]}-{number + 1}{row + 1:02}" for row in range(size)])
    calls: dict[str, list[str]] = {name: [] for column in columns for name in column}
    for callers, called in itertools.pairwise(columns):
        for row, name in enumerate(called):
            first = callers[row * len(callers) // len(called)]
            calls[first].append(name)
            if row % 3 == 0 and callers[-1] != first:
                calls[callers[-1]].append(name)
    lines = ["name: layers", "stages:", "  shoppers: {role: injector, load: {rate: 1/s}, calls: [%s]}"]
    text = "\n".join(lines) % ", ".join(calls["shoppers"])
    for name, below in list(calls.items())[1:]:
        text += f"\n  {name}: {{calls: [{', '.join(below)}]}}"
    return text + "\n", [(caller, to) for caller, below in calls.items() for to in below]


@pytest.fixture(scope="module", params=[12, 60])
def drawn(request, browser, tmp_path_factory):
    """Return the number of stages, the calls, a dead stage and one with a full queue, and the page that shows them."""
    stages, folder = request.param, tmp_path_factory.mktemp("picture")
    text, calls = layered(stages, LAYERS[stages])
    dead, struggling = calls[-1][1], calls[1][1]
    with (
        console_of_a_made_up_run(folder, text, dead, struggling) as run,
        opened(browser, run.url.partition("/?")[0]) as tab,
    ):
        tab.page.goto(run.url)
        wait_for_figures(tab.page, stages)
        run.kill()
        tab.page.locator("#canvas > .card.dead").wait_for()
        yield stages, calls, dead, struggling, tab.page
        tab.check()


def test_every_card_and_edge_has_its_place(drawn):
    """No two cards overlap, and each edge leads from its caller's right side to the left side of the called stage."""
    stages, calls, _, _, page = drawn
    picture = measure(page)
    assert len(picture.cards) == stages
    assert picture.overlapping() == []
    connected = picture.connected()
    assert len(connected) == len(calls)
    for (caller, called), (starts, ends) in zip(calls, connected, strict=True):
        assert caller in starts and called in ends
        assert picture.card(caller).box.right < picture.card(called).box.left


def test_names_and_figures_fit_into_their_cards(drawn):
    """None of them is cut off or overflows."""
    picture = measure(drawn[-1])
    assert {card.name: (card.cut, card.outside) for card in picture.cards if card.cut or card.outside} == {}


def test_the_whole_is_visible_and_can_be_scaled_to_be_read(drawn):
    """When opened, the whole is on the screen; at its own size no text is lower than 11 pixels."""
    page = drawn[-1]
    picture = measure(page)
    assert [card.name for card in picture.cards if not card.box.is_within(picture.scene)] == []
    while float(page.locator("#canvas").get_attribute("data-scale")) < 1:
        page.keyboard.press("+")
    picture = measure(page)
    page.keyboard.press("0")
    assert min(picture.smallest_label, *(card.smallest for card in picture.cards)) >= READABLE_PIXELS


def test_every_card_can_be_reached_by_scrolling(drawn):
    """Scrolled into view, each of them can be clicked in its middle."""
    stages, *_, page = drawn
    hit = page.locator("#canvas > .card").evaluate_all("""(cards) => cards.filter((card) => {
        card.scrollIntoView({ block: "center", inline: "center" });
        const { left, top, width, height } = card.getBoundingClientRect();
        return card.contains(document.elementFromPoint(left + width / 2, top + height / 2));
    }).length""")
    assert hit == stages


def test_what_is_wrong_stands_out(drawn):
    """The dead stage and the one with the full queue are marked, and named in the verdict, and no other is."""
    stages, _, dead, struggling, page = drawn
    expect(page.locator("#verdict")).to_contain_text(re.compile(rf"{dead}: .*it does not answer"))
    expect(page.locator("#verdict")).to_contain_text(f"{struggling}: 50 % errors; queue full")
    picture = measure(page)
    assert [card.name for card in picture.cards if "dead" in card.kinds] == [dead]
    assert [card.name for card in picture.cards if "degraded" in card.kinds] == [struggling]
    state = page.locator("#canvas .card.degraded .state")
    expect(state).to_contain_text("50 % errors; queue full")
    assert sum("ok" in card.kinds for card in picture.cards) == stages - 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_wrong_can_be_read_in_both_themes(drawn, theme):
    """Texts on the backgrounds of problems have a contrast of 4.5 to 1 or better, too."""
    page = drawn[-1]
    page.emulate_media(color_scheme=theme)
    assert faint_texts(page) == set()

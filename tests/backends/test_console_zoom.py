"""The console's picture of 36 stages with crossing calls, in real Chromium: shown as a whole, moved and scaled."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import SCREEN, opened
from tests.support.consoles import console_of_a_made_up_run, wait_for_figures
from tests.support.pictures import measure
from tests.support.processes import wait_for

STAGES, LAYERS = 36, 9
READABLE_PIXELS = 11.0
# The browser rounds by up to half a pixel.
ROUNDING = 1.5

pytestmark = pytest.mark.backend("chromium")


def crossing() -> str:
    """Return a topology of 9 layers of 4, each stage calling about a fifth of all in later layers."""
    rng = random.Random(3)
    names = [f"service-{number:02}" for number in range(STAGES)]
    calls: dict[str, list[str]] = {name: [] for name in names}
    for number, name in enumerate(names[1:], 1):
        layer = number * LAYERS // STAGES
        earlier = names[: max(1, layer * STAGES // LAYERS)]
        calls[rng.choice(earlier)].append(name)
        for caller in earlier:
            if rng.random() < 0.2 and name not in calls[caller]:
                calls[caller].append(name)
    lines = ["name: crossing", "stages:"]
    for name, below in calls.items():
        role = "role: injector, load: {rate: 1/s}, " if name == names[0] else ""
        lines.append(f"  {name}: {{{role}calls: [{', '.join(below)}]}}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def tab(browser, tmp_path_factory):
    with (
        console_of_a_made_up_run(tmp_path_factory.mktemp("zoom"), crossing(), "service-35", "service-01") as run,
        opened(browser, run.url.partition("/?")[0]) as tab,
    ):
        tab.page.goto(run.url)
        wait_for_figures(tab.page, STAGES)
        yield tab


@pytest.fixture
def page(tab):
    """Return the page with the whole picture shown, and check that nothing went wrong on it."""
    tab.page.keyboard.press("0")
    yield tab.page
    expect(tab.page.locator("#canvas")).to_be_visible()
    tab.check()


def scale_of(page: Page) -> float:
    return float(page.locator("#canvas").get_attribute("data-scale") or 0)


def scrolled(page: Page) -> tuple[float, float]:
    left, top = page.locator(".scene").evaluate("(scene) => [scene.scrollLeft, scene.scrollTop]")
    return left, top


def middle(page: Page) -> tuple[float, float]:
    scene = measure(page).scene
    return (scene.left + scene.right) / 2, (scene.top + scene.bottom) / 2


def zoom_in(page: Page, times: int = 6) -> None:
    for _ in range(times):
        page.keyboard.press("+")


def test_the_whole_is_visible_when_it_is_opened(page):
    """At 1440 by 900 every card is in the picture's box and on the screen, and none overlaps another."""
    picture = measure(page)
    assert len(picture.cards) == STAGES
    assert [card.name for card in picture.cards if not card.box.is_within(picture.scene)] == []
    assert picture.scene.bottom <= SCREEN["height"] and picture.scene.right <= SCREEN["width"]
    assert picture.overlapping() == []
    expect(page.locator("#zoom-scale")).to_have_text(f"{round(100 * scale_of(page))} %")


def test_scaled_up_it_can_be_read(page):
    """A few clicks make every text of the cards at least 11 pixels high, and one click shows the whole again."""
    whole = scale_of(page)
    for _ in range(3):
        page.get_by_role("button", name="Larger").click()
    page.get_by_role("button", name="Smaller").click()
    assert scale_of(page) == pytest.approx(1.25**2 * whole)
    zoom_in(page, 3)
    assert min(card.smallest for card in measure(page).cards) >= READABLE_PIXELS
    page.get_by_role("button", name="Fit").click()
    assert scale_of(page) == pytest.approx(whole)


def test_keys_scale_it(page):
    """Plus and minus undo each other, and zero shows all."""
    whole = scale_of(page)
    page.keyboard.press("+")
    assert scale_of(page) == pytest.approx(1.25 * whole)
    page.keyboard.press("-")
    assert scale_of(page) == pytest.approx(whole)
    page.keyboard.press("+")
    page.keyboard.press("0")
    assert scale_of(page) == pytest.approx(whole)


def test_the_wheel_with_ctrl_scales_it_where_the_pointer_is(page):
    """The point under the pointer stays there; a wheel alone scales nothing."""
    x, y = middle(page)
    page.mouse.move(x, y)
    under = """([x, y]) => {
        const box = document.getElementById("canvas").getBoundingClientRect();
        return [(x - box.left) / box.width, (y - box.top) / box.height];
    }"""
    before, whole = page.evaluate(under, [x, y]), scale_of(page)
    page.keyboard.down("Control")
    for _ in range(3):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_function("(least) => Number(document.getElementById('canvas').dataset.scale) > least", arg=2 * whole)
    assert page.evaluate(under, [x, y]) == pytest.approx(before, abs=0.02)
    scale = scale_of(page)
    page.mouse.wheel(0, 50)
    page.wait_for_function("() => document.querySelector('.scene').scrollTop > 0")
    assert scale_of(page) == scale


def test_dragging_it_by_the_mouse_opens_no_card(page):
    """Pressed and moved, the picture moves by as many pixels; the card under the pointer is not opened."""
    zoom_in(page)
    before, (x, y) = scrolled(page), middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y - 45, steps=5)
    page.mouse.up()
    after = scrolled(page)
    assert after[0] - before[0] == pytest.approx(60, abs=ROUNDING)
    assert after[1] - before[1] == pytest.approx(45, abs=ROUNDING)
    assert page.url.rstrip("/") == page.url.partition("/?")[0].rstrip("/")
    expect(page.locator("#canvas")).to_be_visible()


def test_arrow_keys_move_it(page):
    """With the focus on the picture they move it, as they move any page."""
    zoom_in(page)
    left, top = scrolled(page)
    page.locator(".scene").focus()

    # The browser moves it little by little, and a second key may come before it has begun with the first.
    def moved():
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        now = scrolled(page)
        return now[0] > left and now[1] > top

    wait_for(moved, "a picture that has moved", 60)


def test_the_focus_on_a_card_scrolls_it_into_view(page):
    """Going from card to card by Tab always shows the focused one."""
    zoom_in(page)
    for name in ("service-00", "service-35"):
        page.locator(f"#canvas > .card[href='/stages/{name}']").focus()
        page.wait_for_function(
            """() => {
                const scene = document.querySelector(".scene").getBoundingClientRect();
                const card = document.activeElement.getBoundingClientRect();
                const [x, y] = [(card.left + card.right) / 2, (card.top + card.bottom) / 2];
                return scene.left < x && x < scene.right && scene.top < y && y < scene.bottom;
            }"""
        )


def test_the_lines_of_a_card_are_highlighted(page):
    """Under the pointer, or with the focus, a card's own calls stand out among all the others."""
    card = page.locator("#canvas > .card[href='/stages/service-20']")
    card.focus()
    near = page.locator("#edges g.near")
    assert 0 < near.count() < page.locator("#edges g").count() / 2
    number = card.get_attribute("id")
    assert all(number in ends.split() for ends in near.evaluate_all("(groups) => groups.map((g) => g.dataset.ends)"))
    page.locator("#zoom-fit").focus()
    expect(near).to_have_count(0)


def test_the_controls_that_scale_it_are_accessible(page):
    """The buttons have names, and the picture names its keys."""
    group = page.get_by_role("group", name="Scale of the picture")
    assert [group.get_by_role("button").nth(number).get_attribute("title") for number in range(3)] == [
        "Show all of it (key 0)",
        "Smaller (key -)",
        "Larger (key +)",
    ]
    expect(page.get_by_role("region", name="Picture of the system")).to_have_attribute("tabindex", "0")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_count(1)


def test_a_click_still_opens_a_card(page):
    """Pressed and let go at the same place, a card is a link like any other."""
    page.locator("#canvas > .card[href='/stages/service-10']").click()
    page.wait_for_url("**/stages/service-10")
    page.go_back()
    page.locator("#canvas > .card").first.wait_for()

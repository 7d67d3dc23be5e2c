"""The picture of a system on a page: the places of its cards and edges, in pixels of the screen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

_NEAR = 2.5
_MEASURE = """() => {
    const canvas = document.getElementById("canvas"), scale = canvas.getBoundingClientRect().width / canvas.offsetWidth;
    const box = (element) => {
        const { left, top, right, bottom } = element.getBoundingClientRect();
        return { left, top, right, bottom };
    };
    const texts = (root) => [...root.querySelectorAll("*")].filter((element) =>
        element.getClientRects().length && [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
    const pixels = (element) => parseFloat(getComputedStyle(element).fontSize) * scale;
    const end = (path, at) => {
        const { x, y } = path.getPointAtLength(at).matrixTransform(path.getScreenCTM());
        return [x, y];
    };
    return {
        scene: box(canvas.closest(".scene")),
        cards: [...canvas.querySelectorAll(":scope > .card")].map((card) => ({
            name: card.querySelector(".name").textContent,
            kinds: [...card.classList],
            box: box(card),
            cut: texts(card).filter((e) => !e.matches(".delay, .state, .visually-hidden"))
                .filter((e) => e.scrollWidth > e.clientWidth + 1)
                .map((e) => e.className || e.id),
            outside: texts(card).filter((e) => e.getBoundingClientRect().right > card.getBoundingClientRect().right)
                .map((e) => e.className || e.id),
            smallest: Math.min(...texts(card).map(pixels)),
        })),
        edges: [...canvas.querySelectorAll("#edges path")].map((path) => ({
            start: end(path, 0),
            end: end(path, path.getTotalLength()),
            kinds: [...path.classList],
            width: parseFloat(getComputedStyle(path).strokeWidth),
        })),
        smallestLabel: Math.min(...texts(document.getElementById("edges")).map(pixels)),
    };
}"""


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def is_within(self, other: Box) -> bool:
        across = other.left <= self.left and self.right <= other.right
        return across and other.top <= self.top and self.bottom <= other.bottom


@dataclass(frozen=True)
class Card:
    """A card: `cut` and `outside` are its texts that don't fit; its smallest text is in pixels."""

    name: str
    kinds: list[str]
    box: Box
    cut: list[str]
    outside: list[str]
    smallest: float


@dataclass(frozen=True)
class Line:
    """An edge: its start and end, its kinds and its thickness."""

    start: tuple[float, float]
    end: tuple[float, float]
    kinds: list[str]
    width: float


@dataclass(frozen=True)
class Measured:
    scene: Box
    cards: list[Card]
    lines: list[Line]
    smallest_label: float

    def card(self, name: str) -> Card:
        (found,) = [card for card in self.cards if card.name == name]
        return found

    def overlapping(self) -> list[tuple[str, str]]:
        pairs = itertools.combinations(self.cards, 2)
        return [(one.name, other.name) for one, other in pairs if one.box.overlaps(other.box)]

    def connected(self) -> list[tuple[Sequence[str], Sequence[str]]]:
        """Return for each line the cards at whose right side it starts, and those at whose left side it ends."""
        return [
            (
                [card.name for card in self.cards if _is_beside(line.start, card.box.right, card.box)],
                [card.name for card in self.cards if _is_beside(line.end, card.box.left, card.box)],
            )
            for line in self.lines
        ]


def measure(page: Page) -> Measured:
    """Measure the picture on a page."""
    found: dict[str, Any] = page.evaluate(_MEASURE)
    return Measured(
        Box(**found["scene"]),
        [Card(**{**card, "box": Box(**card["box"])}) for card in found["cards"]],
        [Line(tuple(e["start"]), tuple(e["end"]), e["kinds"], e["width"]) for e in found["edges"]],
        found["smallestLabel"],
    )


def _is_beside(point: tuple[float, float], side: float, box: Box) -> bool:
    return abs(point[0] - side) <= _NEAR and box.top - _NEAR <= point[1] <= box.bottom + _NEAR

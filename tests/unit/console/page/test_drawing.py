"""The places of everything in the picture."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest

from simulator.console.page.drawing import BRIEF, COMPACT, FULL, draw
from simulator.console.system.external import ExternalFigures, ExternalServices
from simulator.console.system.picture import SystemPicture, picture
from simulator.topology.model import Stage, Topology
from simulator.topology.steps import Call
from tests.support.watched import shipped

TOPOLOGIES = ["pipeline", "checkout", "deep-chain", "canary", "retry-storm", "sick-replica", "slow-dependency", "shop"]


def fan(count):
    """Return a system of a stage that calls all others, the first of which calls three of them too."""
    names = [f"stage-{number}" for number in range(1, count)]
    calls = {"first": tuple(Call(to=name) for name in names)}
    if count > 4:
        calls[names[0]] = tuple(Call(to=name) for name in names[1:4])
    return Topology(name="fan", stages={name: Stage(calls=calls.get(name, ())) for name in ("first", *names)})


def boxes(drawing):
    """Return each card as (left, top, right, bottom)."""
    size = drawing.size
    return {
        name: (
            size.left(column),
            size.top(row),
            size.left(column) + size.width,
            size.top(row) + size.height,
        )
        for name, (column, row) in drawing.placing.positions.items()
    }


SIZES = [(1, FULL), (12, FULL), (17, FULL), (18, COMPACT), (60, COMPACT), (199, COMPACT), (200, BRIEF)]


@pytest.mark.parametrize(("nodes", "size"), SIZES)
def test_many_stages_get_small_cards(nodes, size):
    """From 18 stages on the cards are small, so that the picture can still be seen as one, and from 200 on brief."""
    assert draw(picture(fan(nodes), {})).size is size
    assert (size.is_compact, size.is_brief) == (size is not FULL, size is BRIEF)
    assert (BRIEF.width, BRIEF.height) == (COMPACT.width, COMPACT.height)


def test_a_small_card_is_smaller():
    """In both directions."""
    assert COMPACT.width < FULL.width and COMPACT.height < FULL.height


@pytest.mark.parametrize("system", [*map(shipped, TOPOLOGIES), *map(fan, (2, 17, 18, 60, 200))], ids=lambda s: s.name)
def test_no_card_overlaps_another(system):
    """Cards of one column are a gap apart, those of the next column are beside them, and all begins at 0."""
    drawing = draw(picture(system, {}))
    found = boxes(drawing)
    assert set(found) == set(system.stages)
    columns = defaultdict(list)
    for left, top, right, bottom in found.values():
        columns[left].append((top, bottom))
        assert right - left == drawing.size.width
    for cards in columns.values():
        for (_, bottom), (top, _) in itertools.pairwise(sorted(cards)):
            assert top - bottom >= drawing.size.row_gap - 0.5
    for left, right in itertools.pairwise(sorted(columns)):
        assert right - left >= drawing.size.width + drawing.size.column_gap
    assert min(columns) == 0
    assert min(top for cards in columns.values() for top, _ in cards) >= 0


def test_the_same_system_has_the_same_drawing():
    """Whatever its figures, and however often it is drawn, a system has the same drawing with the same name."""
    first, again = draw(picture(shipped(), {})), draw(picture(shipped(), {}))
    assert first == again
    assert first.fits(picture(shipped(), {}))


EXTERNAL = ExternalServices({"web": ExternalFigures(1.0, 0.1, 0.1, 0.0)}, {})


def test_another_system_has_another_drawing():
    """A drawing does not fit a picture with a node or an edge more or less, and each has its own name."""
    plain, more = picture(shipped(), {}), picture(shipped(), {}, EXTERNAL)
    fewer = SystemPicture(plain.nodes, plain.edges[1:])
    drawings = [draw(some) for some in (plain, more, fewer)]
    assert len({drawing.name for drawing in drawings}) == 3
    for drawing, own in zip(drawings, (plain, more, fewer), strict=True):
        assert [drawing.fits(some) for some in (plain, more, fewer)] == [some is own for some in (plain, more, fewer)]


def test_the_name_of_a_drawing_is_short_and_plain():
    """It is in the page, and contains nothing of the services' own names."""
    nasty = ExternalServices({'"><script>' * 1000: ExternalFigures(1.0, 0.1, 0.1, 0.0)}, {})
    name = draw(picture(shipped(), {}, nasty)).name
    assert len(name) == 16 and set(name) <= set("0123456789abcdef")


def test_a_picture_of_nothing():
    """There may be nothing to draw."""
    drawing = draw(SystemPicture((), ()))
    assert (drawing.placing.columns, drawing.nodes, drawing.size) == (0, (), FULL)

"""The lines between the cards."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.page.drawing import COMPACT, FULL, draw
from simulator.console.page.edges import drawn_edge, path_of, routed
from simulator.console.system.picture import Edge, picture
from simulator.console.system.placing import place
from tests.support.watched import shipped

NODES = "abcdefghijklmnopqrstuvwxyz"
WIRING = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=40, unique=True)
STRAIGHT = [(0.0, 10.0), (100.0, 20.0)]


def edge(rate=20.0, error_ratio=0.0, weight=1.0, is_external=False):
    return Edge("a", "b", rate, error_ratio, weight, is_external)


def leads_right(line, placing):
    return placing.positions[line[0]][0] < placing.positions[line[1]][0]


def lines_of(name):
    drawing = draw(picture(shipped(name), {}))
    return drawing, routed(drawing.edges, drawing.placing, drawing.size)


@pytest.mark.parametrize("name", ["pipeline", "checkout", "retry-storm", "canary", "shop"])
def test_a_line_runs_from_one_card_s_right_to_the_other_s_left(name):
    """Every call has a line, which begins and ends at the sides of its cards, within their height."""
    drawing, lines = lines_of(name)
    assert set(lines) == set(drawing.edges)
    size, positions = drawing.size, drawing.placing.positions
    for (caller, called), points in lines.items():
        for (x, y), name_there, side in ((points[0], caller, size.width), (points[-1], called, 0)):
            column, row = positions[name_there]
            assert x == size.left(column) + side
            assert size.top(row) < y < size.top(row) + size.height


def test_a_pipeline_is_drawn_straight():
    """With one call after the other all lines are level, in the middle of the cards."""
    _, lines = lines_of("pipeline")
    assert {y for points in lines.values() for _, y in points} == {FULL.height / 2}


@given(WIRING, st.sampled_from([FULL, COMPACT]))
def test_lines_at_a_card_are_apart(edges, size):
    """However the stages are wired, cycles included, lines that leave or reach a card do so at different heights."""
    lines = routed(edges, place(NODES, edges), size)
    for end, point in ((0, 0), (1, -1)):
        at = [(edge[end], round(points[point][1], 6)) for edge, points in lines.items()]
        assert len(set(at)) == len(at)


@given(WIRING, st.sampled_from([FULL, COMPACT]))
def test_every_line_can_be_drawn(edges, size):
    """All numbers are finite, and the path of a line is one of SVG that goes through all its points."""
    placing = place(NODES, edges)
    for line, points in routed(edges, placing, size).items():
        assert all(math.isfinite(number) for point in points for number in point)
        path = path_of(points)
        assert re.fullmatch(r"M-?\d+,-?\d+((L|C-?\d+,-?\d+ -?\d+,-?\d+ )-?\d+,-?\d+)+", path)
        below = 0 if leads_right(line, placing) else len(set(line))
        assert len(re.findall("[CL]", path)) == len(points) - 1 == 1 + 2 * (below + len(placing.routes[line]))


@given(WIRING)
def test_lines_to_higher_cards_leave_above_the_others(edges):
    """Lines from a card to others in the next column do not cross."""
    placing = place(NODES, edges)
    lines = routed(edges, placing, FULL)
    for caller in NODES:
        direct = [
            line for line in edges if line[0] == caller and not placing.routes[line] and leads_right(line, placing)
        ]
        rows = [placing.positions[called][1] for _, called in sorted(direct, key=lambda line: lines[line][0][1])]
        assert rows == sorted(rows)


def test_a_line_past_a_column_passes_through_it_level():
    """Where a line crosses a column it has a point on either side of it, at the same height."""
    edges = [("a", "b"), ("b", "c"), ("a", "c")]
    placing = place("abc", edges)
    first, left, right, last = routed(edges, placing, FULL)["a", "c"]
    assert (left[0], right[0]) == (FULL.left(1), FULL.left(1) + FULL.width)
    assert left[1] == right[1]
    assert path_of([first, left, right, last]).count("L") == 1


@given(WIRING, st.sampled_from([FULL, COMPACT]))
def test_a_line_to_the_left_passes_below_its_cards(edges, size):
    """In a cycle of calls it goes below its caller and below the called card, in the gaps between cards."""
    placing = place(NODES, edges)
    for line, points in routed(edges, placing, size).items():
        if leads_right(line, placing):
            continue
        for name, (right, left) in ((line[0], points[1:3]), (line[1], points[-3:-1])):
            column, row = placing.positions[name]
            assert (left[0], right[0]) == (size.left(column), size.left(column) + size.width)
            assert size.top(row) + size.height < left[1] == right[1] < size.top(row + 1)


def test_lines_to_the_left_are_apart():
    """Two of them below one card have their own heights; their labels stand there, too."""
    edges = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "a"), ("a", "a")]
    lines = routed(edges, place("abc", edges), FULL)
    back = [lines[edge] for edge in (("b", "a"), ("c", "a"), ("a", "a"))]
    assert len({points[-2][1] for points in back}) == 3
    drawn = drawn_edge("e0", edge(), back[0], False)
    assert (drawn["x"], drawn["y"]) == (FULL.left(1) + FULL.width / 2, round(back[0][1][1]) - 6)


def test_a_path_to_the_left():
    """It leaves to the right and arrives from the left like any other, and goes to the left in between."""
    points = [(100, 10), (100, 50), (60, 50), (40, 70), (0, 70), (0, 20)]
    assert path_of(points) == "M100,10C130,10 130,50 100,50L60,50C30,50 70,70 40,70L0,70C-30,70 -30,20 0,20"


def test_a_path():
    """Curves lead from column to column, bent by half the way, straight lines through one."""
    assert path_of(STRAIGHT) == "M0,10C50,10 50,20 100,20"
    assert path_of([(0, 0), (10, 5)]) == "M0,0C30,0 -20,5 10,5"
    assert path_of([(0, 0), (100, 50), (200, 50), (300, 0)]).startswith("M0,0C50,0 50,50 100,50L200,50C")


@pytest.mark.parametrize(("weight", "width"), [(0.0, 0.8), (0.5, 2.1), (1.0, 3.5)])
def test_between_small_cards_lines_are_thinner(weight, width):
    """There are many of them, and they must leave each other room."""
    assert drawn_edge("e0", edge(weight=weight), STRAIGHT, True)["width"] == width


@pytest.mark.parametrize(("weight", "width"), [(0.0, 1.5), (0.5, 4.2), (1.0, 7.0)])
def test_a_line_is_as_thick_as_its_traffic(weight, width):
    """The busiest line is the thickest, and one without traffic can still be seen."""
    assert drawn_edge("e0", edge(weight=weight), STRAIGHT, False)["width"] == width


@pytest.mark.parametrize(
    ("changes", "is_compact", "kind", "label"),
    [
        ({}, False, "", "20.0/s"),
        ({}, True, "", ""),
        ({"rate": 0.0}, False, "quiet", ""),
        ({"rate": math.nan, "error_ratio": math.nan}, False, "quiet", ""),
        ({"error_ratio": 0.25}, False, "bad", "25 %"),
        ({"error_ratio": 0.25}, True, "bad", "25 %"),
        ({"error_ratio": 0.0009}, False, "", "20.0/s"),
        ({"error_ratio": 0.001}, False, "bad", "0.1 %"),
        ({"is_external": True}, False, "external", "20.0/s"),
        ({"is_external": True, "rate": 0.0, "error_ratio": 1.0}, False, "quiet external bad", "100 %"),
    ],
)
def test_the_label_of_a_line(changes, is_compact, kind, label):
    """A line has its rate as a label, or the share that failed, which compact drawings show too."""
    drawn = drawn_edge("e0", edge(**changes), STRAIGHT, is_compact)
    assert (drawn["id"], drawn["kind"], drawn["label"]) == ("e0", kind, label)


def test_the_label_of_a_line_is_in_its_middle():
    """The label is above the middle of its last stretch."""
    drawn = drawn_edge("e0", edge(), [(-500, 0), (-400, 0), (0, 10), (100, 20)], False)
    assert (drawn["x"], drawn["y"]) == (50, 9)


def test_no_name_is_in_a_line():
    """Nothing that a service calls itself goes into what is drawn."""
    drawn = drawn_edge("e0", Edge("<a>", "<b>", 1.0, 0.0, 1.0, True), STRAIGHT, False)
    assert "<" not in str(drawn)

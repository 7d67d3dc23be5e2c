"""Where each stage is drawn."""

import itertools
import random
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.system.placing import place
from simulator.console.system.rows import straight_rows
from tests.support.python import python

NODES = "abcdefghij"
EDGES = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=30)


def check_room(placing):
    """Check that no two stages or lines overlap, and that everything is within the picture."""
    columns = defaultdict(list)
    for column, row in placing.positions.values():
        columns[column].append(row)
        assert 0 <= column < placing.columns and 0 <= row < placing.rows - 0.99
    for rows in columns.values():
        assert all(lower - upper > 0.99 for upper, lower in itertools.pairwise(sorted(rows)))
    for route in placing.routes.values():
        for column, row in route:
            # A card takes 0.42 rows to either side of its middle.
            assert min(abs(row - other) for other in columns[column]) > 0.52
            assert 0 <= row <= placing.rows


def layered(sizes, seed):
    """Return a system of layers in which each stage is called by one or two of the layer before."""
    chance = random.Random(seed)
    nodes, edges, before = [], [], []
    for layer, size in enumerate(sizes):
        names = [f"stage-{layer}-{number}" for number in range(size)]
        edges += [(caller, name) for name in names for caller in chance.sample(before, min(len(before), 2))]
        nodes += names
        before = names
    return nodes, edges


def test_a_pipeline_is_a_straight_line():
    """Stages that call one another in a chain are in a row."""
    placing = place(["a", "b", "c"], [("a", "b"), ("b", "c")])
    assert placing.positions == {"a": (0, 0.0), "b": (1, 0.0), "c": (2, 0.0)}
    assert placing.routes == {("a", "b"): (), ("b", "c"): ()}
    assert (placing.columns, placing.rows) == (3, 1.0)


def test_a_fan_is_even():
    """The caller of several is in their middle, and they are one row apart."""
    placing = place(["a", "x", "y", "z"], [("a", "x"), ("a", "y"), ("a", "z")])
    assert placing.positions["a"] == (0, 1.0)
    assert sorted(row for _, row in placing.positions.values() if _ == 1) == [0.0, 1.0, 2.0]
    assert placing.rows == 3


def test_a_stage_is_placed_after_the_longest_path_to_it():
    """A call over several layers has a point in each column that it passes, beside the stages there."""
    placing = place(["a", "b", "c", "d"], [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")])
    assert [placing.positions[name][0] for name in "abcd"] == [0, 1, 2, 3]
    assert [column for column, _ in placing.routes["a", "d"]] == [1, 2]
    check_room(placing)


@pytest.mark.parametrize(
    ("nodes", "columns", "rows"), [([], 0, 0.0), (["a"], 1, 1.0), (["a", "b", "c"], 1, 3.0), (["a", "a"], 1, 1.0)]
)
def test_stages_without_calls(nodes, columns, rows):
    """Nothing at all, a single stage, and stages without any connection are placed too."""
    placing = place(nodes, [])
    assert (placing.columns, placing.rows) == (columns, rows)
    assert set(placing.positions) == set(nodes)
    check_room(placing)


def test_a_cycle_of_calls_is_opened():
    """The call that closes a cycle goes to the left, its points in the order in which it passes them."""
    placing = place(["in", "a", "b", "c"], [("in", "a"), ("a", "b"), ("b", "c"), ("c", "a")])
    assert [placing.positions[name][0] for name in ("in", "a", "b", "c")] == [0, 1, 2, 3]
    assert [column for column, _ in placing.routes["c", "a"]] == [2]
    mutual = place(["a", "b"], [("a", "b"), ("b", "a"), ("a", "a")])
    assert mutual.positions == {"a": (0, 0.0), "b": (1, 0.0)}
    assert mutual.routes == {("a", "b"): (), ("b", "a"): (), ("a", "a"): ()}


def test_a_cycle_is_entered_where_its_messages_come_from():
    """A cycle begins at the stage that is called from outside, not at the first name."""
    placing = place(["b", "a", "in"], [("in", "a"), ("a", "b"), ("b", "a")])
    assert [placing.positions[name][0] for name in ("in", "a", "b")] == [0, 1, 2]


def test_two_that_would_cross_do_not():
    """Stages are ordered so that their calls do not cross."""
    placing = place(["a", "b", "x", "y"], [("a", "y"), ("b", "x")])
    upper_calls = placing.positions["a"][1] < placing.positions["b"][1]
    assert upper_calls == (placing.positions["y"][1] < placing.positions["x"][1])
    assert placing.positions["a"][1] == placing.positions["y"][1]


@pytest.mark.parametrize(
    ("sizes", "columns", "rows"),
    [((1, 3, 5, 3), 4, 8), ((1, 6, 12, 18, 15, 8), 6, 30), ((2, 20, 50, 60, 48, 20), 6, 100)],
)
def test_large_systems_stay_compact(sizes, columns, rows):
    """Twelve, sixty and two hundred stages have room, and not much more than the fullest column needs."""
    placing = place(*layered(sizes, seed=7))
    assert placing.columns == columns
    assert max(sizes) <= placing.rows <= rows
    check_room(placing)


@pytest.mark.processes
def test_the_same_system_is_always_drawn_the_same():
    """A picture that is drawn again, by a process in which sets have another order, does not jump."""
    nodes, edges = layered((1, 6, 12, 18, 15, 8), seed=3)
    code = f"from simulator.console.system.placing import place; print(place({nodes!r}, {edges!r}))"
    first, second = (python(code, PYTHONHASHSEED=seed).stdout for seed in ("1", "2"))
    assert first == second == f"{place(nodes, edges)}\n"


@given(EDGES)
def test_every_system_can_be_drawn(edges):
    """Whatever the calls, cycles included, all stages have room and each route goes column by column."""
    placing = place(NODES, edges)
    assert set(placing.positions) == set(NODES)
    assert set(placing.routes) == set(edges)
    check_room(placing)
    for (caller, called), route in placing.routes.items():
        way = [placing.positions[caller][0], *(column for column, _ in route), placing.positions[called][0]]
        step = 1 if way[0] <= way[-1] else -1
        assert way == list(range(way[0], way[-1] + step, step)) or caller == called


@given(st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda edge: edge[0] < edge[1])))
def test_without_cycles_all_calls_go_to_the_right(edges):
    """Each stage is one column after the last of its callers, and first if it has none."""
    columns = {name: column for name, (column, _) in place(NODES, sorted(edges)).positions.items()}
    for name in NODES:
        callers = [columns[caller] for caller, called in edges if called == name]
        assert columns[name] == max(callers, default=-1) + 1


def test_a_long_chain_is_drawn():
    """Three thousand stages in a row need no recursion."""
    names = [str(number) for number in range(3000)]
    placing = place(names, list(itertools.pairwise(names)))
    assert (placing.columns, placing.rows) == (3000, 1.0)


def test_rows_keep_the_order_and_the_room():
    """Vertices that want the same place are placed around it in their order, lines closer than nodes."""
    rows = straight_rows([[0], [1, 3, 4, 2]], [(0, 1), (0, 3), (0, 4), (0, 2)], nodes=3)
    assert rows[1] < rows[3] < rows[4] < rows[2]
    assert [round(rows[3] - rows[1], 6), round(rows[4] - rows[3], 6), round(rows[2] - rows[4], 6)] == [0.7, 0.4, 0.7]
    assert rows[0] == pytest.approx((rows[1] + rows[2]) / 2)


def test_many_passing_lines_are_closer_together():
    """Lines share the height that a screen of that width has left, so that the picture does not grow with them."""
    few, many = 4, 120
    for lines in (few, many):
        column = list(range(2, 2 + lines))
        rows = straight_rows([[0], column, [1]], [*((0, line) for line in column), *((line, 1) for line in column)], 2)
        height = max(rows[line] for line in column) - min(rows[line] for line in column)
        assert height <= max(0.4 * (lines - 1), 0.07 * lines)
        assert height == pytest.approx({few: 1.2, many: 0.06 * (many - 1)}[lines])


def test_a_system_of_crossing_calls_is_not_much_higher_than_wide():
    """Every stage of nine layers calls a third of all later ones: the picture still has the shape of a screen."""
    rng = random.Random(3)
    names = [f"service-{number}" for number in range(36)]
    calls = [
        (caller, called)
        for number, caller in enumerate(names)
        for called in names[4 * (number // 4 + 1) :]
        if rng.random() < 0.33
    ]
    placing = place(names, calls)
    check_room(placing)
    assert placing.rows <= 2 * placing.columns

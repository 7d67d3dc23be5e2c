"""Who calls whom, and what can't be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.topology.graph import called_first, callers, edges, entries, wiring_problems
from simulator.topology.model import Call, Load, Role, Stage, Topology


def calling(*names, **others):
    return Stage(calls=tuple(Call(to=name) for name in names), **others)


def injector(*names, **others):
    return calling(*names, role=Role.INJECTOR, **others)


END = Stage(role=Role.TERMINATOR)
DIAMOND = {"in": injector("left", "right"), "left": calling("end"), "right": calling("end", "end"), "end": END}


def problems_of(stages):
    return list(wiring_problems(stages, frozenset(stages)))


def test_every_call_is_an_edge():
    """Edges come in the order of the file, a call that is made twice comes twice."""
    assert list(edges(DIAMOND)) == [
        ("in", "left"),
        ("in", "right"),
        ("left", "end"),
        ("right", "end"),
        ("right", "end"),
    ]


def test_callers_are_named_once():
    """Who calls a stage is told in the order of the file, nobody twice."""
    topology = Topology(name="t", stages=DIAMOND)
    assert callers(topology, "end") == ("left", "right")
    assert callers(topology, "in") == ()


def test_entries_are_the_stages_that_nobody_calls():
    """Messages come in at injectors and at processors without a caller."""
    assert entries(Topology(name="t", stages={**DIAMOND, "front": calling("end")})) == ("in", "front")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_stages_start_after_all_that_they_call(pairs):
    """Whatever the wiring, each stage stands once, and after every stage that it calls."""
    stages = {
        f"s{number}": calling(*(f"s{max(p)}" for p in pairs if min(p) == number != max(p))) for number in range(10)
    }
    order = called_first(Topology(name="t", stages=stages))
    assert sorted(order) == sorted(stages)
    assert all(order.index(called) < order.index(caller) for caller, called in edges(stages))


def test_a_sound_wiring_has_no_problems():
    """A diamond is no circle, a stage may be called twice, and a processor that nobody calls is an entry."""
    assert problems_of(DIAMOND) == []
    assert problems_of({"front": calling("end"), "end": END}) == []
    assert problems_of({"alone": calling()}) == []
    assert problems_of({"alone": END}) == []


@pytest.mark.parametrize(
    ("stages", "keys", "message"),
    [
        (
            {"a": calling("b", "nobody"), "b": END},
            ("stages", "a", "calls", 1),
            "there is no stage 'nobody'; there are a, b",
        ),
        (
            {"in": injector("a"), "a": calling("in")},
            ("stages", "a", "calls", 0),
            "'in' is an injector: nobody can call it",
        ),
        (
            {"in": injector("a"), "a": Stage(role=Role.TERMINATOR, calls=(Call(to="b"),)), "b": END},
            ("stages", "a", "calls"),
            "a terminator is the last stage: it can't call another",
        ),
        (
            {"in": injector("a"), "a": Stage()},
            ("stages", "a"),
            "a processor needs calls; write `calls: []` for one that only answers, or `role: terminator`",
        ),
        ({"in": injector()}, ("stages", "in"), "an injector needs calls: its messages go nowhere"),
        (
            {"in": Stage(role=Role.INJECTOR)},
            ("stages", "in"),
            "an injector needs calls: its messages go nowhere",
        ),
        (
            {"a": calling(load=Load())},
            ("stages", "a", "load"),
            "only an injector has load; this stage is a processor",
        ),
        (
            {"a": Stage(role=Role.TERMINATOR, input="-")},
            ("stages", "a", "input"),
            "only an injector has input; this stage is a terminator",
        ),
        (
            {"a": calling(output="file")},
            ("stages", "a", "output"),
            "only a terminator has output; this stage is a processor",
        ),
        (
            {"in": injector("a", output="file"), "a": END},
            ("stages", "in", "output"),
            "only a terminator has output",
        ),
        (
            {"a": calling(port=8081), "b": calling(port=8081)},
            ("stages", "b", "port"),
            "port 8081 is already the port of 'a'",
        ),
        (
            {"in": injector("a"), "a": calling(), "end": END},
            ("stages", "end"),
            "no stage calls it, so no message can reach it",
        ),
    ],
)
def test_what_can_not_be_is_said_once_at_its_place(stages, keys, message):
    """Each thing that is wrong with a wiring is one problem with the keys that it stands at."""
    [(found_keys, found)] = [problem for problem in problems_of(stages) if "circle" not in problem[1]]
    assert found_keys == keys
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("stages", "circles"),
    [
        ({"a": calling("a")}, {"a -> a"}),
        ({"a": calling("b"), "b": calling("a")}, {"a -> b -> a", "b -> a -> b"}),
        (
            {"in": injector("a"), "a": calling("b"), "b": calling("c", "end"), "c": calling("a"), "end": END},
            {"a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c"},
        ),
    ],
)
def test_a_circle_is_shown_in_the_direction_of_its_calls(stages, circles):
    """The circle is written from its first stage back to it, and stands at the calls of that stage."""
    [(keys, message)] = problems_of(stages)
    start, circle = message.split(": ")
    assert start == "the calls go round in a circle"
    assert circle in circles
    assert keys == ("stages", circle.split(" -> ")[0], "calls")


def test_every_circle_is_shown():
    """Two circles apart from each other are two problems."""
    stages = {"a": calling("b"), "b": calling("a"), "c": calling("d"), "d": calling("c")}
    assert len(problems_of(stages)) == 2


def test_ports_may_be_alike_on_different_hosts_or_left_to_be_assigned():
    """Only the same port on the same host is a clash; port 0 means any that is free."""
    assert problems_of({"a": calling(port=80, host="10.0.0.1"), "b": calling(port=80, host="10.0.0.2")}) == []
    assert problems_of({"a": calling(port=0), "b": calling(port=0), "c": calling()}) == []


def test_a_terminator_that_nobody_calls_is_an_entry_where_there_is_no_injector():
    """Outside clients may POST to it, so it is no slip."""
    assert problems_of({"front": calling(), "end": END}) == []


def test_a_stage_that_could_not_be_read_spoils_no_other():
    """A call to a stage that is in the file, but unreadable, is good, and nothing is called unreachable for it."""
    readable = {"in": injector("broken"), "end": END}
    assert list(wiring_problems(readable, frozenset({"in", "broken", "end"}))) == []

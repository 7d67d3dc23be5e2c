"""Which stage calls which, and what is wrong with the calls."""

import graphlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.faults.registry import parse_fault
from simulator.telemetry.record import OUTSIDE
from simulator.topology.graph import (
    called_first,
    callers,
    callers_first,
    callers_stopped_before,
    calls_of,
    circles,
    edges,
    entries,
    reached_from,
    stopping_order,
)
from simulator.topology.load import Load
from simulator.topology.model import Role, Stage, Topology
from simulator.topology.steps import Alternative, Call, Choose, InOrder, Parallel
from simulator.topology.wiring import wiring_problems
from tests.unit.topology.strategies import steps


def calling(*names, **others):
    return Stage(calls=tuple(Call(to=name) for name in names), **others)


def injector(*names, **others):
    return calling(*names, role=Role.INJECTOR, **others)


END = Stage(role=Role.TERMINATOR)
# A call by itself, and calls within groups of every kind, with fallbacks.
GROUPED = Stage(
    calls=(
        Call(to="a", fallback=(Call(to="b", fallback=(Call(to="c"),)),)),
        Parallel(parallel=(Call(to="d"), InOrder(steps=(Call(to="e"), Parallel(parallel=(Call(to="f"),)))))),
        Choose(
            choose=(
                Alternative(step=Call(to="g", fallback=(Call(to="h"),)), weight=0.5),
                Alternative(step=Call(to="a"), weight=0.5),
            )
        ),
    )
)
PLACES = {
    ("calls", 0): "a",
    ("calls", 0, "fallback"): "b",
    ("calls", 0, "fallback", "fallback"): "c",
    ("calls", 1, "parallel", 0): "d",
    ("calls", 1, "parallel", 1, 0): "e",
    ("calls", 1, "parallel", 1, 1, "parallel", 0): "f",
    ("calls", 2, "choose", 0): "g",
    ("calls", 2, "choose", 0, "fallback"): "h",
    ("calls", 2, "choose", 1): "a",
}
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


def test_every_call_has_its_place():
    """Calls in groups, in groups within groups and as fallbacks are found, each at the keys that lead to it."""
    assert {keys: call.to for keys, call in calls_of(GROUPED)} == PLACES
    assert [call.to for _, call in calls_of(GROUPED)] == list(PLACES.values())
    assert list(calls_of(Stage())) == list(calls_of(Stage(calls=()))) == []


@given(st.lists(steps(st.sampled_from("abc")), max_size=4))
def test_no_two_calls_have_one_place(some):
    """However groups lie within groups, each call can be told from the others by its keys."""
    found = list(calls_of(Stage(calls=tuple(some))))
    assert len({keys for keys, _ in found}) == len(found)
    assert str(some).count("(to='") == len(found)


def test_calls_in_groups_are_edges_too():
    """A stage called in a group, or as a fallback, is not an entry, and starts before its caller."""
    stages = {"front": GROUPED, **dict.fromkeys("abcdefgh", END)}
    topology = Topology(name="t", stages=stages)
    assert [called for caller, called in edges(stages) if caller == "front"] == list(PLACES.values())
    assert all(callers(topology, name) == ("front",) for name in "abcdefgh")
    assert entries(topology) == ("front",)
    assert called_first(topology)[-1] == "front"
    assert problems_of(stages) == []


def test_callers_are_named_once():
    """The callers of a stage come in the order of the file, none of them twice."""
    topology = Topology(name="t", stages=DIAMOND)
    assert callers(topology, "end") == ("left", "right")
    assert callers(topology, "in") == ()


def test_what_a_message_reaches():
    """By any number of calls, each stage once and in the order of the file, and never the stage itself."""
    topology = Topology(name="t", stages={"alone": END, **DIAMOND})
    assert reached_from(topology, "in") == ("left", "right", "end")
    assert reached_from(topology, "right") == ("end",)
    assert reached_from(topology, "alone") == ()


def test_entries_are_the_stages_that_nobody_calls():
    """Messages come in at injectors and at processors without a caller."""
    assert entries(Topology(name="t", stages={**DIAMOND, "front": calling("end")})) == ("in", "front")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_stages_start_after_all_that_they_call(pairs):
    """Whatever the wiring, each stage comes once, and after every stage that it calls."""
    stages = {
        f"s{number}": calling(*(f"s{max(p)}" for p in pairs if min(p) == number != max(p))) for number in range(10)
    }
    order = called_first(Topology(name="t", stages=stages))
    assert sorted(order) == sorted(stages)
    assert all(order.index(called) < order.index(caller) for caller, called in edges(stages))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_callers_stop_first_as_far_as_they_can(pairs):
    """Whatever the wiring, there is an order; without circles every caller stops before what it calls."""
    stages = {f"s{number}": calling(*(f"s{to}" for one, to in pairs if one == number)) for number in range(10)}
    topology = Topology(name="t", stages=stages)
    found = callers_stopped_before(topology)
    assert sorted(graphlib.TopologicalSorter(found).static_order()) == sorted(stages)
    assert all(set(before) <= set(callers(topology, name)) - {name} for name, before in found.items())
    assert [name for group in callers_first(topology) for name in group] == list(
        graphlib.TopologicalSorter(found).static_order()
    )
    try:
        graphlib.TopologicalSorter({name: callers(topology, name) for name in stages}).prepare()
    except graphlib.CycleError:
        return
    assert {name: tuple(before) for name, before in found.items()} == {name: callers(topology, name) for name in stages}


def test_a_circle_is_left_where_messages_enter_it():
    """The stage nearest to where they come from stops first, though it is called back, and nobody waits for itself."""
    stages = {"b": calling("c"), "c": calling("a", "c"), "a": calling("b"), "in": calling("a")}
    found = callers_stopped_before(Topology(name="t", stages=stages))
    assert found == {"b": ["a"], "c": ["b"], "a": ["in"], "in": []}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_a_circle_stops_together(pairs):
    """Stages are in one circle exactly if each reaches the other, and a group is called by none after it."""
    stages = {f"s{number}": calling(*(f"s{to}" for one, to in pairs if one == number)) for number in range(10)}
    topology = Topology(name="t", stages=stages)
    reached = {name: reached_from(topology, name) for name in stages}
    found = circles(topology)
    assert found == {
        name: tuple(other for other in stages if other in reached[name] and name in reached[other])
        for name in stages
        if name in reached[name]
    }
    groups = list(stopping_order(topology))
    place = {name: number for number, group in enumerate(groups) for name in group}
    assert sorted(place) == sorted(stages) and sum(map(len, groups)) == len(stages)
    for caller, called in edges(stages):
        assert place[caller] < place[called] or called in found.get(caller, ())


def test_a_sound_wiring_has_no_problems():
    """A diamond is not a cycle, a stage may be called twice, and a processor that nobody calls is an entry."""
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
            "'in' is an injector: it can't be called",
        ),
        (
            {"in": injector("a"), "a": Stage(role=Role.TERMINATOR, calls=(Call(to="b"),)), "b": END},
            ("stages", "a", "calls"),
            "a terminator is the last stage: it can't call another",
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
            {"a": calling(port=8081, instances=3), "b": calling(port=8083)},
            ("stages", "b", "port"),
            "port 8083 is already the port of 'a'",
        ),
        (
            {"a": calling(port=8083), "b": calling(port=8081, instances=3)},
            ("stages", "b", "port"),
            "port 8083 is already the port of 'a'",
        ),
        (
            {"in": injector("a", instances=2), "a": END},
            ("stages", "in", "instances"),
            "an injector is one process; use a higher rate, or a second injector",
        ),
        (
            {"a": calling(faults=(parse_fault("reset(1%)"), parse_fault("reset(1%, instance=2)")))},
            ("stages", "a", "faults", 1),
            "there is no instance 2; there are 1",
        ),
        (
            {"a": calling(instances=3, faults=(parse_fault("cpu(1ms, instance=4)"),))},
            ("stages", "a", "faults", 0),
            "there is no instance 4; there are 3",
        ),
        (
            {"in": injector("a"), "a": calling(), "end": END},
            ("stages", "end"),
            "no stage calls it, so no message can reach it",
        ),
    ],
)
def test_each_mistake_is_reported_once_at_its_place(stages, keys, message):
    """Each mistake in a wiring is one problem with its keys."""
    [(found_keys, found)] = [problem for problem in problems_of(stages) if "cycle" not in problem[1]]
    assert found_keys == keys
    assert found.startswith(message)


def test_a_stage_that_a_call_may_misname_is_not_told_to_be_out_of_reach():
    """What only follows from another mistake is not a mistake."""
    problems = problems_of({"in": injector("enb"), "end": END})
    assert [keys for keys, _ in problems] == [("stages", "in", "calls", 0)]


def test_the_caller_outside_is_the_one_that_the_counts_have():
    """Telemetry and topology know nothing of each other."""
    stages = {OUTSIDE: calling("end"), "end": END}
    assert [keys for keys, _ in problems_of(stages)] == [("stages", OUTSIDE)]
    assert list(wiring_problems({OUTSIDE: calling("end")}, frozenset(stages))) == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("change", "message"),
    [({}, "there is no stage {name!r}; there are "), ({"role": Role.INJECTOR}, "{name!r} is an injector: it can't be")],
)
def test_a_wrong_call_in_a_group_is_reported_at_its_own_place(place, change, message):
    """A call to an unknown stage, or to an injector, is shown with the keys that lead to it, however deep it is."""
    name = PLACES[place]
    stages = {"front": GROUPED, **dict.fromkeys("abcdefgh", END)}
    del stages[name]
    if change:
        stages[name] = calling(**change)
    found = [(keys, told) for keys, told in problems_of(stages) if "can't be called" in told or "no stage" in told]
    assert [keys for keys, _ in found] == [("stages", "front", *keys) for keys in PLACES if PLACES[keys] == name]
    assert all(told.startswith(message.format(name=name)) for _, told in found)


@pytest.mark.parametrize(
    "step",
    [
        Parallel(parallel=(Call(to="b"),)),
        Parallel(parallel=(InOrder(steps=(Call(to="b"),)),)),
        InOrder(steps=(Call(to="b"),), optional=True),
        Choose(choose=(Alternative(step=Call(to="b"), weight=1.0),)),
        Call(to="end", fallback=(Call(to="b"),)),
    ],
)
def test_a_cycle_may_go_through_groups(step):
    """A call that is made only sometimes, or in parallel, closes a cycle as any other does."""
    [(keys, message)] = problems_of({"a": Stage(calls=(step,)), "b": calling("a"), "end": END})
    assert message in ("the calls form a cycle: a -> b -> a", "the calls form a cycle: b -> a -> b")
    assert keys[2:] == ("calls",)


@pytest.mark.parametrize(
    "step", [Parallel(parallel=(Call(to="end"),)), InOrder(steps=(Call(to="end"),), optional=True)]
)
def test_a_terminator_calls_nobody_in_a_group_either(step):
    """The last stage is the last one, whatever its calls look like."""
    stages = {"in": injector("a"), "a": Stage(role=Role.TERMINATOR, calls=(step,)), "end": END}
    assert [keys for keys, _ in problems_of(stages)] == [("stages", "a", "calls")]


@pytest.mark.parametrize(
    ("stages", "cycles"),
    [
        ({"a": calling("a")}, {"a -> a"}),
        ({"a": calling("b"), "b": calling("a")}, {"a -> b -> a", "b -> a -> b"}),
        (
            {"in": injector("a"), "a": calling("b"), "b": calling("c", "end"), "c": calling("a"), "end": END},
            {"a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c"},
        ),
    ],
)
def test_a_cycle_is_shown_in_the_direction_of_its_calls(stages, cycles):
    """The cycle is written from its first stage back to it, and reported at the calls of that stage."""
    [(keys, message)] = problems_of(stages)
    start, cycle = message.split(": ")
    assert start == "the calls form a cycle"
    assert cycle in cycles
    assert keys == ("stages", cycle.split(" -> ")[0], "calls")


def test_every_cycle_is_shown():
    """Two separate cycles are two problems."""
    stages = {"a": calling("b"), "b": calling("a"), "c": calling("d"), "d": calling("c")}
    assert len(problems_of(stages)) == 2


def test_ports_may_be_alike_on_different_hosts_or_left_to_be_assigned():
    """Only the same port on the same host is a clash; port 0 means any that is free."""
    assert problems_of({"a": calling(port=80, host="10.0.0.1"), "b": calling(port=80, host="10.0.0.2")}) == []
    assert problems_of({"a": calling(port=0), "b": calling(port=0), "c": calling()}) == []
    assert problems_of({"a": calling(port=80, instances=3), "b": calling(port=83, instances=3)}) == []
    assert problems_of({"a": calling(instances=3), "b": calling(instances=3)}) == []


def test_a_fault_may_name_any_instance_of_its_stage():
    """The last instance is one of them."""
    assert problems_of({"a": calling(instances=3, faults=(parse_fault("reset(1%, instance=3)"),))}) == []


def test_two_ranges_of_ports_that_overlap_are_one_problem():
    """A hundred instances beside a hundred others are not a hundred mistakes."""
    stages = {"a": calling(port=8000, instances=100), "b": calling(port=8001, instances=100)}
    assert [keys for keys, _ in problems_of(stages)] == [("stages", "b", "port")]


def test_the_last_instance_needs_a_port_too():
    """There is no port beyond 65535, so instances that would need one are a mistake in the file."""
    assert [keys[:2] for keys, _ in problems_of({"a": calling(port=65535, instances=2)})] == [("stages", "a")]


def test_a_terminator_that_nobody_calls_is_an_entry_where_there_is_no_injector():
    """Outside clients may POST to it, so it is not a mistake."""
    assert problems_of({"front": calling(), "end": END}) == []


def test_an_unreadable_stage_causes_no_other_problems():
    """A call to a stage that is in the file, but unreadable, is valid, and makes no other stage unreachable."""
    readable = {"in": injector("broken"), "end": END}
    assert list(wiring_problems(readable, frozenset({"in", "broken", "end"}))) == []


def test_many_cycles_are_found_in_time_linear_in_the_calls():
    """In a system where every stage calls every other each call is followed once."""
    names = [f"s{number}" for number in range(120)]
    began = time.process_time()
    problems = problems_of({name: calling(*(other for other in names if other != name)) for name in names})
    assert all("the calls form a cycle" in message for _, message in problems)
    assert len(problems) == 120 * 119 // 2
    assert time.process_time() - began < 20


def test_a_long_cycle_is_shown_by_its_beginning_and_its_end():
    """Ten thousand names in a row would help nobody."""
    stages = {f"s{number}": calling(f"s{(number + 1) % 10_000}") for number in range(10_000)}
    [(_, message)] = problems_of(stages)
    assert message.startswith("the calls form a cycle: s0 -> ... -> s9980 -> ")
    assert message.endswith(" -> s9999 -> s0")


def test_an_unknown_stage_among_very_many_names_some():
    """A thousand wrong calls among a thousand stages once printed 61 MB."""
    stages = {f"s{number}": calling("nobody") for number in range(1000)}
    problems = problems_of(stages)
    assert len(problems) == 1000
    assert max(len(message) for _, message in problems) < 300
    assert problems[0][1].endswith("s115 and 980 more")

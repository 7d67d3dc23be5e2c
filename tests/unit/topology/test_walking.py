"""Going through steps: each step once, with its place, and every call changed wherever it stands."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from simulator.topology.model import Stage
from simulator.topology.plain_steps import alternatives
from simulator.topology.structure import structure, unstructure
from simulator.topology.walking import all_calls, all_steps, with_calls_changed
from tests.unit.topology.strategies import NAMES, in_order, steps

STEPS = in_order(steps(NAMES))
EVERYWHERE = [
    "a",
    {"delay": "1ms"},
    {"parallel": ["b", ["c", "d"]], "on_error": ["e"]},
    {"steps": ["f"], "times": 2, "on_error": [{"steps": ["g"], "optional": True}]},
    {"choose": [{"to": "h", "weight": 1}, {"steps": ["i"], "weight": 2}]},
    {"to": "j", "fallback": "k"},
    {"to": "l", "fallback": ["m", {"to": "n", "fallback": "o"}]},
]


def read(calls):
    stage, problems = structure({"calls": calls}, Stage)
    assert problems == []
    return stage.calls


def test_every_call_has_its_place():
    """Calls are found in groups, lists, choices, fallbacks and after failures, in the order of the file."""
    assert [(call.to, place) for place, call in all_calls(read(EVERYWHERE), ("calls",))] == [
        ("a", ("calls", 0)),
        ("b", ("calls", 2, "parallel", 0)),
        ("c", ("calls", 2, "parallel", 1, 0)),
        ("d", ("calls", 2, "parallel", 1, 1)),
        ("e", ("calls", 2, "on_error", 0)),
        ("f", ("calls", 3, "steps", 0)),
        ("g", ("calls", 3, "on_error", 0, "steps", 0)),
        ("h", ("calls", 4, "choose", 0)),
        ("i", ("calls", 4, "choose", 1, "steps", 0)),
        ("j", ("calls", 5)),
        ("k", ("calls", 5, "fallback")),
        ("l", ("calls", 6)),
        ("m", ("calls", 6, "fallback", 0)),
        ("n", ("calls", 6, "fallback", 1)),
        ("o", ("calls", 6, "fallback", 1, "fallback")),
    ]


@given(STEPS)
def test_a_place_is_that_in_the_file(written):
    """Following a call's place in the plain steps leads to that call, read from them."""
    plain = unstructure(Stage(calls=written)).get("calls", [])
    for place, call in all_calls(read(plain)):
        found = plain
        for key in place:
            found = alternatives(found["choose"]) if key == "choose" else found[key]
        assert (found if isinstance(found, str) else found["to"]) == call.target


@given(STEPS)
def test_steps_come_before_those_within_them(found):
    """Each step comes once, after the one that it is in."""
    places = [place for place, _ in all_steps(found)]
    assert len(set(places)) == len(places)
    for number, place in enumerate(places):
        outer = [each for each in places if each != place and place[: len(each)] == each]
        assert all(places.index(each) < number for each in outer)


@given(STEPS, st.sampled_from(["x", "y.z"]))
def test_every_call_is_changed_and_nothing_else(found, name):
    """Changing nothing gives the same steps; changing the targets changes each of them and keeps all else."""
    assert with_calls_changed(found, lambda call: call) == found
    changed = with_calls_changed(found, lambda call: replace(call, to=name))
    assert {call.to for _, call in all_calls(changed)} <= {name}
    names = iter([call.to for _, call in innermost_first(found)])
    assert with_calls_changed(changed, lambda call: replace(call, to=next(names))) == found


def innermost_first(found):
    """Return the calls in the order in which they are changed."""
    seen = []
    with_calls_changed(found, lambda call: seen.append(((), call)) or call)
    return seen

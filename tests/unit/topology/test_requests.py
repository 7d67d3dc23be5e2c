"""What the requests that begin at a stage ask for."""

from __future__ import annotations

import pytest

from simulator.topology.requests import Requests, injected_requests, request_kinds, requests_of
from tests.support.virtual import topology_of

CALLED = {
    "cart": {"operations": {"read": {"method": "GET"}, "pay": {}, "add": {}}},
    **{name: {"role": "terminator"} for name in ("a", "b", "c", "d", "e", "f")},
}


def injector(*calls):
    stages = {"clients": {"role": "injector", "load": {"rate": "1/s"}, "calls": list(calls)}, **CALLED}
    return topology_of(stages).stages["clients"]


@pytest.mark.parametrize(
    ("calls", "names"),
    [
        (["a"], ["a"]),
        (["cart.read"], ["cart.read"]),
        (["a", {"delay": "3ms"}, "b", "a"], ["a + b"]),
        ([{"parallel": ["a", {"steps": ["b", "cart.pay"], "on_error": ["c"]}]}], ["a + b + cart.pay"]),
        ([{"to": "a", "fallback": "b"}], ["a"]),
        ([{"choose": {"cart.read": 10, "cart.pay": 1}}], ["cart.read", "cart.pay"]),
        ([{"delay": "3ms"}, {"choose": {"a": 1, "b": 1}}], ["a", "b"]),
        ([{"choose": [{"to": "a", "weight": 1}, {"steps": ["a", "b"], "weight": 1}]}], ["a", "a + b"]),
        ([{"choose": [{"to": "a", "weight": 1}, {"to": "a", "times": 2, "weight": 1}]}], ["a"]),
        (["a", {"choose": {"b": 1, "c": 1}}], ["a + b + c"]),
        ([{"choose": {"b": 1, "c": 1}, "when": "hit"}], ["b + c"]),
        (["a", "b", "c", "d", "e"], ["a + b + c + d + e"]),
        (["a", "b", "c", "d", "e", "f"], ["a + b + c + d + 2 more"]),
    ],
)
def test_an_injector_s_requests_are_what_it_calls(calls, names):
    """Each alternative of a choice is a kind; otherwise all that is called, without what is only done on failure."""
    assert requests_of("clients", injector(*calls)) == tuple(names)


def test_a_choice_has_its_weights_and_its_place():
    """By which the engine finds the kind of a message without waiting for its call."""
    calls = injector({"delay": "3ms"}, {"choose": {"a": 3, "b": 1}}).calls
    assert injected_requests(calls) == Requests(("a", "b"), (3.0, 1.0), "1")


def test_a_stage_that_clients_call_has_its_operations():
    """By their names in a call, also where other stages call it too."""
    stages = {"clients": {"role": "injector", "load": {"rate": "1/s"}, "calls": ["cart.read"]}, **CALLED}
    kinds = request_kinds(topology_of(stages))
    assert kinds["cart"] == ("cart.read", "cart.pay", "cart.add")
    assert kinds["a"] == ("a",)
    assert kinds["clients"] == ("cart.read",)

"""Of which load the rate can be changed."""

from __future__ import annotations

import pytest

from simulator.errors import ConfigurationError
from simulator.proof.capacity.load import at_rate, injector_of
from tests.support.virtual import topology_of

SHOP = {"shop": {}}


def topology(**injectors):
    made = {name: {"role": "injector", "calls": ["shop"], **given} for name, given in injectors.items()}
    return topology_of({**made, **SHOP})


def test_the_only_injector_has_another_rate_and_no_end():
    """Its arrivals stay as they are; so does everything else."""
    given = topology(users={"load": {"rate": "20/s", "arrivals": "constant", "messages": 5}})
    changed = at_rate(given, injector_of(given, "t.yaml", False), 33.0)
    load = changed.stages["users"].load
    assert (load.rate_per_second, load.messages, str(load.arrivals)) == (33.0, None, "constant")
    assert changed.stages["shop"] == given.stages["shop"]


@pytest.mark.parametrize(
    ("injectors", "said"),
    [
        ({}, "test has no injector, whose rate could be changed"),
        ({"a": {"load": {"rate": "1/s"}}, "b": {"load": {"rate": "1/s"}}}, "there are a and b"),
        ({"users": {"input": "in.jsonl"}}, "users: its messages come from in.jsonl, which ends"),
        ({"users": {"load": {}}}, "users: its load is a closed loop, which has no rate; give --from"),
        ({"users": {"load": {"users": 5}}}, "users: its load is a closed loop, which has no rate; give --from"),
        ({"users": {"load": {"rate": "0"}}}, "users: it is paused: its load.rate is 0; give --from"),
        (
            {"users": {"load": {"profile": "ramp(1/s, 9/s, 1m)"}}},
            "users: its load changes the rate by itself; give --from",
        ),
    ],
)
def test_a_load_without_one_rate_is_refused(injectors, said):
    with pytest.raises(ConfigurationError) as refusal:
        injector_of(topology(**injectors), "t.yaml", False)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    "load", [{}, {"rate": "0"}, {"profile": "ramp(1/s, 9/s, 1m)"}, {"users": 5, "think": "constant(1s)"}]
)
def test_a_rate_to_begin_with_stands_for_such_a_load(load):
    given = topology(users={"load": load})
    changed = at_rate(given, injector_of(given, "t.yaml", True), 5.0)
    assert changed.stages["users"].load.rate_per_second == 5.0
    assert changed.stages["users"].load.schedule is not None


@pytest.mark.parametrize("has_start", [True, False])
def test_a_session_has_no_rate_in_any_case(has_start):
    """Its steps belong together: messages at a rate would be something else."""
    users = {"role": "injector", "load": {"users": 5, "session": ["shop"]}}
    with pytest.raises(ConfigurationError, match="users: its users walk through a session"):
        injector_of(topology_of({"users": users, **SHOP}), "t.yaml", has_start)

"""What flags and the environment say about several stages that run together."""

from __future__ import annotations

import pytest

from simulator.errors import ConfigurationError
from simulator.topology.layers import Given
from simulator.topology.model import Stage, Topology
from simulator.topology.several import given_to_each
from simulator.topology.steps import Call

TOPOLOGY = Topology(
    name="t",
    stages={
        "a": Stage(calls=(Call(to="b"), Call(to="c"))),
        "b": Stage(calls=(Call(to="c"),)),
        "c": Stage(calls=()),
    },
)


def given(**values):
    return {key: Given(value, f"environment SIMULATOR_{key}") for key, value in values.items()}


def test_one_stage_is_given_everything():
    """What is wrong for it is told when its settings are resolved."""
    everything = given(DELAY="constant(1s)", DOWNSTREAM="http://x/")
    assert given_to_each(everything, TOPOLOGY, ["a"]) == {"a": everything}


def test_each_stage_gets_the_addresses_of_what_it_calls():
    """All addresses of a stage that is called, and nothing where none is for it; other keys are for all."""
    addresses = "b=http://b:8081/m, c=http://c-1:8080/m,c=http://c-2:8080/m"
    own = given_to_each(given(DOWNSTREAM=addresses, HOST="0.0.0.0"), TOPOLOGY, ["a", "b", "c"])
    texts = {name: one["DOWNSTREAM"].value for name, one in own.items() if "DOWNSTREAM" in one}
    assert texts == {"a": addresses.replace(" ", ""), "b": "c=http://c-1:8080/m,c=http://c-2:8080/m"}
    assert {one["HOST"].value for one in own.values()} == {"0.0.0.0"}


def test_every_mistake_is_told():
    """A key of one stage, an address that none calls, one without a name, and no URL; no password is shown."""
    wrong = given(DELAY="constant(1s)", DOWNSTREAM="x=http://x/, http://y/, b=ftp://me:pass@b/")
    with pytest.raises(ConfigurationError) as caught:
        given_to_each(wrong, TOPOLOGY, ["a", "b"])
    told = [str(problem) for problem in caught.value.problems]
    assert len(told) == 4
    assert "DELAY: can't be the same for several stages" in told[0]
    assert "none of a, b calls 'x'" in told[1]
    assert "none of a, b calls 'downstream'" in told[2]
    assert "is not a URL like" in told[3] and "pass" not in told[3]

"""What was probably meant by a name that is not known."""

import dataclasses
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.arrivals import ARRIVALS
from simulator.behaviour.delays import DELAYS
from simulator.behaviour.faults.registry import FAULTS
from simulator.nearest import did_you_mean, nearest, unknown_among, unknown_choice, unknown_key, unknown_name
from simulator.topology.keys import key_of
from simulator.topology.layers import KEYS
from simulator.topology.load import Load
from simulator.topology.model import Stage
from simulator.topology.objectives import Slo
from simulator.topology.steps import Call, Parallel


def keys_of(record):
    """Return the keys of a record in a file."""
    return [key_of(field.name) for field in dataclasses.fields(record)]


@pytest.mark.parametrize(
    ("written", "allowed", "meant"),
    [
        ("count", keys_of(Stage), "instances"),
        ("replicas", keys_of(Stage), "instances"),
        ("size", keys_of(Stage), "response_bytes"),
        ("size", keys_of(Call), "request_bytes"),
        ("max", keys_of(Parallel), "limit"),
        ("concurrency", keys_of(Parallel), "limit"),
        ("threads", keys_of(Stage), "workers"),
        ("concurrency", keys_of(Stage), "workers"),
        ("latency", keys_of(Stage), "delay"),
        ("errors", keys_of(Stage), "faults"),
        ("error_rate", keys_of(Slo), "errors"),
        ("p99", keys_of(Slo), "latency"),
        ("url", keys_of(Call), "to"),
        ("endpoints", ["path", "operations"], "operations"),
        ("rps", keys_of(Load), "rate"),
        ("rate", keys_of(Stage), "load: {rate: 20/s}"),
        ("timeout", keys_of(Stage), "calls: [{to: name, timeout: 1s}]"),
        ("retry", keys_of(Call), "retries"),
        ("count", keys_of(Call), "times"),
        ("depends_on", keys_of(Stage), "calls"),
        ("maxBody", keys_of(Stage), "max_body"),
        ("max-body", keys_of(Stage), "max_body"),
        ("Workers", keys_of(Stage), "workers"),
        ("dealy", keys_of(Stage), "delay"),
        ("worker", keys_of(Stage), "workers"),
        ("URL", KEYS, "DOWNSTREAM"),
        ("WORKER", KEYS, "WORKERS"),
        ("gaussian", DELAYS, "normal"),
        ("fixed", DELAYS, "constant"),
        ("log-normal", DELAYS, "lognormal"),
        ("abort", FAULTS, "error"),
        ("disconnect", FAULTS, "reset"),
        ("exponential", ARRIVALS, "poisson"),
        ("colour", keys_of(Stage), ""),
        ("", keys_of(Stage), ""),
        ("w" * 100, keys_of(Stage), ""),
        (None, keys_of(Stage), ""),
        (5, keys_of(Stage), ""),
    ],
)
def test_the_nearest_name(written, allowed, meant):
    """Another spelling, a slip of the finger, or the word that another program has for it."""
    assert nearest(written, allowed) == meant


@given(st.text() | st.integers() | st.none(), st.lists(st.text(max_size=10)))
def test_the_nearest_of_anything(written, allowed):
    """Whatever is written, the answer is one of what is allowed, or begins with it."""
    meant = nearest(written, allowed)
    assert not meant or any(meant.startswith(name) for name in allowed)


@pytest.mark.parametrize("record", [Stage, Call, Load, Parallel, Slo])
def test_a_key_is_nearest_to_itself(record):
    """No word for something else hides a key."""
    assert all(nearest(key, keys_of(record)) == key for key in keys_of(record))


def test_the_messages():
    """Either the nearest name or all of them, and never both."""
    assert did_you_mean("cuont", ["count"]) == "did you mean `count`?"
    assert did_you_mean("x", ["count"]) == ""
    assert unknown_name("there is no stage 'prase'", "prase", ["parse", "end"]) == (
        "there is no stage 'prase'; did you mean `parse`?"
    )
    assert unknown_name("there is no stage 'x'", "x", ["parse", "end"]) == "there is no stage 'x'; there are parse, end"
    assert unknown_name("there is no stage 'x'", "x", []) == "there is no stage 'x'; there are none"
    assert unknown_key("replicas", ["instances", "queue"]) == "unknown key; did you mean `instances`?"
    assert unknown_key("colour", ["instances", "queue"]) == "unknown key; allowed are instances, queue"
    assert unknown_key("x-note", ["instances"]) == (
        "unknown key; keys that begin with x- are ignored only at the top of the file"
    )
    assert unknown_choice("exponential", ["poisson", "constant"]) == (
        "'exponential' is not one of poisson, constant; did you mean `poisson`?"
    )


def test_thousands_of_unknown_names_take_no_time():
    """Of ten thousand names only the first mistakes are compared with all: no more are shown."""
    names = [f"service-{number:04}-of-the-{number % 7}th" for number in range(10_000)]
    unknown = unknown_among(frozenset(names))
    began = time.process_time()
    messages = [unknown("there is no such stage", name.replace("service", "sevrice")) for name in names]
    assert time.process_time() - began < 20
    assert messages[0] == f"there is no such stage; did you mean `{names[0]}`?"
    assert messages[-1].startswith("there is no such stage; there are service-0000")

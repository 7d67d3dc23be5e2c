"""`defaults:`: what stages and calls have unless they say otherwise, and who is passed over."""

from __future__ import annotations

import pytest

from simulator.behaviour.delays import no_samples
from simulator.topology.defaults import with_defaults
from simulator.topology.reader import parse_topology
from simulator.topology.walking import all_calls

SHOP = """\
defaults: {DEFAULTS}
stages:
  shoppers: {{role: injector, load: {{rate: 1/s}}, calls: [cart.read, {{to: cart.add, timeout: 9s}}]}}
  cart:
    delay: 7ms
    operations:
      read: {{method: GET, delay: 1ms, calls: [{{parallel: [db, [db]], on_error: [db]}}]}}
      add: {{calls: [{{to: db, fallback: db}}, {{choose: {{db: 1}}}}]}}
  db:
"""


def read(defaults):
    return parse_topology(SHOP.format(DEFAULTS=defaults), "shop.yaml", no_samples, "shop").stages


def timeouts(stages, stage, operation=""):
    return [call.timeout_seconds for _, call in all_calls(stages[stage].all_operations[operation].calls)]


def test_defaults_of_calls():
    """Every call has them wherever it stands, unless it says otherwise."""
    stages = read("{calls: {timeout: 2s}}")
    assert timeouts(stages, "shoppers") == [2.0, 9.0]
    assert timeouts(stages, "cart", "read") == [2.0] * 3
    assert timeouts(stages, "cart", "add") == [2.0] * 3


def test_defaults_of_stages():
    """Every stage has them, also an empty one; a stage's own keys, and its operations', come first."""
    stages = read("{stages: {delay: 3ms, workers: 4}}")
    assert {name: stage.workers for name, stage in stages.items()} == {"shoppers": 4, "cart": 4, "db": 4}
    assert str(stages["db"].delay) == "constant(3ms)"
    assert [str(of.delay) for of in stages["cart"].operations.values()] == ["constant(1ms)", "constant(7ms)"]


def test_what_a_stage_cant_have_is_passed_over():
    """An injector is not called, so that keys of those who are do not reach it."""
    stages = read("{stages: {instances: 2, forward: accept}}")
    assert {name: stage.instances for name, stage in stages.items()} == {"shoppers": 1, "cart": 2, "db": 2}
    assert str(stages["shoppers"].forward) == "wait"


def test_a_call_without_a_body_has_no_size():
    """A default size of requests reaches the calls whose operation takes a body."""
    stages = read("{calls: {request_bytes: 1KB}}")
    get, post = stages["shoppers"].calls
    assert (get.request_size, str(post.request_size)) == (None, "1KB")


@pytest.mark.parametrize("defaults", [{}, {"stages": {}}, {"calls": {}}, {"stages": {"workers": 1}, "calls": {}}])
def test_a_topology_is_not_changed_in_place(defaults):
    """The values as read stay as they are."""
    value = {"defaults": defaults, "stages": {"a": {"calls": ["b"]}, "b": None}}
    whole, problems = with_defaults(value, no_samples)
    assert problems == [] and "defaults" not in whole
    assert value == {"defaults": defaults, "stages": {"a": {"calls": ["b"]}, "b": None}}


@pytest.mark.parametrize("stages", [None, 5, [], "x", {"a": 5}, {"a": {"operations": 7, "calls": 8}}])
def test_stages_that_cant_be_read(stages):
    """Are told when they are read, and no defaults fail on them."""
    with_defaults({"defaults": {"stages": {"workers": 2}, "calls": {"timeout": "1s"}}, "stages": stages}, no_samples)

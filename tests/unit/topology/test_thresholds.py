"""The key `thresholds` of a topology, checked against its stages and operations."""

from __future__ import annotations

import pytest

from simulator.behaviour.delays import no_samples
from simulator.behaviour.thresholds import parse_threshold
from simulator.errors import ConfigurationError
from simulator.topology.reader import parse_topology, write_topology
from simulator.topology.thresholds import subject_of

STAGES = """
stages:
  users: {role: injector, load: {rate: 1/s}, calls: [shop, cart.read, v1.cart]}
  shop: {}
  cart: {operations: {read: {}, write: {}}}
  v1.cart: {}
"""


def topology(thresholds: str, stages: str = STAGES):
    return parse_topology(f"thresholds: {thresholds}{stages}", "t.yaml", no_samples, "t")


def test_thresholds_read_back():
    """A file is read as written, and written as read."""
    read = topology('["p99 < 300ms", "cart.read errors < 1% over 10s", "v1.cart rate > 0.5/s"]')
    assert [*map(str, read.thresholds)] == ["p99 < 300ms", "cart.read errors < 1% over 10s", "v1.cart rate > 0.5/s"]
    assert parse_topology(write_topology(read), "t.yaml", no_samples, "t") == read


@pytest.mark.parametrize(
    ("thresholds", "said"),
    [
        ('["shp errors < 1%"]', "t.yaml:1:14: thresholds[0]: there is no stage 'shp'; did you mean `shop`?"),
        ('["p99 < 1s", "cart.reed p99 < 1s"]', "thresholds[1]: cart has no operation 'reed'; did you mean `read`?"),
        ('["shop.read p99 < 1s"]', "shop has no operation 'read'; there are none"),
        ('["p99 << 1s"]', "the operator must be one of"),
        ("p99 < 1s", "must be a list of thresholds, as in"),
        ("[5]", "5 is not a threshold"),
    ],
)
def test_a_threshold_of_what_is_not_there_is_refused(thresholds, said):
    """The error has the place in the file, and the name that was probably meant."""
    with pytest.raises(ConfigurationError) as refusal:
        topology(thresholds)
    assert said in str(refusal.value)


def test_a_mistake_in_a_stage_is_not_one_of_its_thresholds_too():
    """A threshold of an operation is not refused because the operations can't be read; others are, together."""
    stages = STAGES.replace("{read: {}, write: {}}", "{read: {dely: 5ms}}")
    with pytest.raises(ConfigurationError) as refusal:
        topology('["cart.read p99 < 1s", "shp p99 < 1s"]', stages)
    assert len(refusal.value.problems) == 2
    assert "dely" in str(refusal.value) and "shp" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("p99 < 1s", ("", "")),
        ("cart p99 < 1s", ("cart", "")),
        ("cart.read p99 < 1s", ("cart", "read")),
        ("v1.cart p99 < 1s", ("v1.cart", "")),
    ],
)
def test_a_subject_is_a_stage_or_one_of_its_operations(text, node):
    """A name with a dot is a stage's if there is one of that name."""
    known = {"cart": ("read", "write"), "v1.cart": ("",), "v1": ("cart",)}
    assert subject_of(parse_threshold(text), known) == node

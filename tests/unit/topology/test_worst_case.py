"""The most calls that one message can lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.behaviour.delays import no_samples
from simulator.topology.graph import label, operations_called_first
from simulator.topology.reader import parse_topology, read_topology
from simulator.topology.worst_case import MAX_COUNT, worst_cases

LEAVES = "".join(f"  {name}: {{}}\n" for name in ("a", "b", "c"))


def worst(text, entry="start", **options):
    """Return {operation: most calls} for one message at an entry of a topology."""
    stages = parse_topology(text, "file.yaml", no_samples, "any").stages
    found = worst_cases(stages, operations_called_first(stages), [(entry, "")], **options)
    return {label(node): count for node, count in found[entry, ""].items()} if found else None


def of_calls(calls):
    """Return the most calls for an injector with such calls, which decides `items` and `tenant`."""
    decide = "decide: {items: 'uniform(1, 8)', tenant: {gold: 1, silver: 9}}"
    return worst(f"stages:\n  start: {{role: injector, {decide}, calls: {calls}}}\n{LEAVES}")


def test_three_levels_with_three_retries_each():
    """A retry storm: each level multiplies by its four attempts."""
    stages = read_topology(Path("topologies/retry-storm.yaml")).stages
    found = worst_cases(stages, operations_called_first(stages), [("clients", "")])["clients", ""]
    assert {node[0]: count for node, count in found.items()} == {"edge": 1, "api": 4, "catalogue": 16, "database": 64}


@pytest.mark.parametrize(
    ("calls", "most"),
    [
        ("[a, a, b]", {"a": 2, "b": 1}),
        ("[{to: a, retries: 2, hedge: 50ms}]", {"a": 6}),
        ("[{to: a, times: 3, retries: 1, fallback: {to: b, retries: 4}}]", {"a": 6, "b": 15}),
        ("[{to: a, fallback: [b, {to: a, times: 2}]}]", {"a": 3, "b": 1}),
        ("[{to: a, times: items}]", {"a": 8}),
        ("[{to: a, times: 'poisson(2, max=5)'}]", {"a": 5}),
        ("[{to: a, probability: 1%}, {to: b, probability: 0}]", {"a": 1}),
        ("[{to: a, when: tenant = gold}, {delay: 3ms}]", {"a": 1}),
        ("[{choose: [{to: a, weight: 1}, {steps: [a, a, b], weight: 9}, {to: c, weight: 0}]}]", {"a": 2, "b": 1}),
        ("[{parallel: [a, [a, b], {to: a, times: 4}]}]", {"a": 6, "b": 1}),
        ("[{parallel: [a, [a, b], {to: a, times: 4}], pick: 2}]", {"a": 5, "b": 1}),
        ("[{parallel: [a, b], times: 3, on_error: [c]}]", {"a": 3, "b": 3, "c": 1}),
        ("[{steps: [a, b], times: items, optional: true, on_error: [{to: c, retries: 1}]}]", {"a": 8, "b": 8, "c": 2}),
    ],
)
def test_the_most_calls_of_one_stage(calls, most):
    """Times, attempts, hedges and fallbacks multiply; a choice takes the alternative with the most."""
    assert of_calls(calls) == most


def test_operations_are_counted_apart():
    """A call of one operation leads only to what that operation calls; what is behind both ways is counted once."""
    text = """
stages:
  start: {role: injector, calls: [{choose: {shop.read: 9, shop.pay: 1}}]}
  shop:
    operations:
      read: {method: GET, path: /r, calls: [db]}
      pay: {path: /p, calls: [{to: db, retries: 1}, {to: shop.read, times: 2}]}
  db: {}
"""
    assert worst(text) == {"shop.read": 2, "shop.pay": 1, "db": 4}


def test_so_many_that_it_would_take_too_long():
    """Beyond a bound there is no answer; below it there is."""
    stages = "".join(f"  s{n}: {{calls: [s{n + 1}, s{n + 1}]}}\n" for n in range(200))
    text = f"stages:\n  start: {{role: injector, calls: [s0]}}\n{stages}  s200: {{}}\n"
    found = worst(text)
    assert (found["s50"], found["s200"]) == (2**50, MAX_COUNT)
    assert worst(text, max_work=10_000) is None

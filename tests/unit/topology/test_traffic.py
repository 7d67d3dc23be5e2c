"""What one message leads to on average, and for how long it keeps a worker busy."""

from __future__ import annotations

import pytest

from simulator.behaviour.delays import no_samples
from simulator.topology.graph import label, operations_called_first
from simulator.topology.reader import parse_topology
from simulator.topology.traffic import Traffic

LEAVES = "  a: {delay: 10ms}\n  b: {delay: 20ms}\n  c: {forward: accept, delay: 1s}\n"
DECIDE = "decide: {hit: 90%, items: 'uniform(1, 8)', tenant: {gold: 1, silver: 9}}"


def traffic(text, **options):
    stages = parse_topology(text, "file.yaml", no_samples, "any").stages
    return Traffic(stages, operations_called_first(stages), **options)


def injecting(calls):
    return f"stages:\n  start: {{role: injector, {DECIDE}, calls: {calls}}}\n{LEAVES}"


def means(text):
    return {label(node): pytest.approx(mean) for node, mean in traffic(text).calls(("start", "")).items() if mean}


@pytest.mark.parametrize(
    ("calls", "mean"),
    [
        ("[{to: a, times: 3, probability: 10%, retries: 5, hedge: 1s, fallback: b}]", {"a": 0.3}),
        ("[{to: a, when: hit}, {to: b, when: not hit}]", {"a": 0.9, "b": 0.1}),
        ("[{to: a, times: items}]", {"a": 4.5}),
        ("[{to: a, times: items, when: items > 6}]", {"a": 15 / 8}),
        ("[{steps: [a, b], when: not hit, times: 2, on_error: [c]}]", {"a": 0.2, "b": 0.2}),
        ("[{choose: {a: 1, b: 3}}]", {"a": 0.25, "b": 0.75}),
        ("[{parallel: [a, b, c], pick: 2, times: 3}]", {"a": 2, "b": 2, "c": 2}),
        ("[{steps: [{to: a, when: tenant = gold}], when: tenant = gold}]", {"a": 0.1}),
    ],
)
def test_the_mean_number_of_calls(calls, mean):
    """It is what happens while nothing fails."""
    assert means(injecting(calls)) == mean


def test_a_decision_holds_in_every_stage():
    """Both ask for the same decision, so the second is always so if the first is: not one in a hundred, one in ten."""
    text = f"""
stages:
  start: {{role: injector, {DECIDE}, calls: [{{to: mid, when: not hit}}]}}
  mid: {{calls: [{{to: a, when: not hit}}, {{to: b, when: hit}}]}}
{LEAVES}"""
    assert means(text) == {"mid": 0.1, "a": 0.1}


def test_a_stage_that_decides_draws_for_each_visit():
    """What it draws holds for what follows it, whatever was drawn before."""
    text = f"""
stages:
  start: {{role: injector, {DECIDE}, calls: [{{to: mid, times: 2, when: not hit}}]}}
  mid: {{decide: {{hit: 50%}}, calls: [{{to: a, when: hit}}]}}
{LEAVES}"""
    assert means(text) == {"mid": 0.2, "a": 0.1}


@pytest.mark.parametrize(
    ("calls", "seconds"),
    [
        ("[a, b, c, {delay: 5ms}]", 0.035),
        ("[{parallel: [a, b]}]", 0.02),
        ("[{parallel: [a, b], limit: 1, times: 2}]", 0.06),
        ("[{choose: {a: 1, b: 1}}]", 0.015),
        ("[{to: b, timeout: 5ms}]", 0.005),
        ("[{to: b, when: not hit, times: 10}]", 0.02),
    ],
)
def test_how_long_the_calls_take(calls, seconds):
    """In order they add up, at the same time the longest counts, and nobody waits longer than the timeout."""
    found = traffic(injecting(calls)).calls_seconds(("start", ""))
    assert found["start", ""] == pytest.approx(seconds)


def test_so_many_decisions_that_it_would_take_too_long():
    """Beyond a bound there is no answer."""
    decide = ", ".join(f"d{n}: 50%" for n in range(12))
    calls = ", ".join(f"{{to: a, when: d{n}}}" for n in range(12))
    text = f"stages:\n  start: {{role: injector, decide: {{{decide}}}, calls: [{calls}]}}\n{LEAVES}"
    assert traffic(text).calls(("start", ""))["a", ""] == pytest.approx(6)
    assert traffic(text, max_work=1000).calls(("start", "")) is None

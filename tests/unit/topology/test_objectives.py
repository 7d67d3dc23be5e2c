"""Objectives of a stage, as they are written down and as they are refused."""

from __future__ import annotations

import pytest

from simulator.behaviour.delays import no_samples
from simulator.errors import ConfigurationError
from simulator.topology.objectives import LatencyObjective, parse_latency_objective
from simulator.topology.reader import parse_topology, write_topology


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("300ms@99%", LatencyObjective(0.3, 0.99)),
        (" 1.5s @ 99.9% ", LatencyObjective(1.5, 0.999)),
        ("250ms@0.5", LatencyObjective(0.25, 0.5)),
    ],
)
def test_an_objective_reads_back(text, objective):
    assert parse_latency_objective(text) == objective
    assert parse_latency_objective(str(objective)) == objective


@pytest.mark.parametrize(
    "text", ["300ms", "@99%", "300@99%", "300ms@", "0s@99%", "1s@0%", "1s@100%", "1s@101%", 5, None]
)
def test_text_that_is_not_an_objective_is_refused(text):
    with pytest.raises(ValueError):
        parse_latency_objective(text)


def topology(slo: str, role: str = "terminator"):
    calls = ", calls: [end]" if role == "injector" else ""
    text = f"name: t\nstages:\n  end: {{calls: []}}\n  a: {{role: {role}, slo: {slo}{calls}}}\n"
    return parse_topology(text, "t.yaml", no_samples, "t")


def test_a_stage_s_objectives_read_back():
    read = topology("{latency: 300ms@99%, errors: 0.1%}")
    assert read.stages["a"].slo.latency == LatencyObjective(0.3, 0.99)
    assert read.stages["a"].slo.errors_ratio == 0.001
    assert parse_topology(write_topology(read), "t.yaml", no_samples, "t") == read


@pytest.mark.parametrize(
    ("slo", "role", "said"),
    [
        ("{}", "terminator", "t.yaml:4:25: stages.a.slo: it has no objective"),
        ("{errors: 0%}", "terminator", "it has no objective"),
        ("{latency: 300ms}", "terminator", "'300ms' is not a latency objective"),
        ("{speed: 5}", "terminator", "unknown key; allowed are latency, errors"),
        ("{errors: 1%}", "injector", "an injector serves no requests"),
    ],
)
def test_an_slo_that_can_not_be_met_is_refused(slo, role, said):
    with pytest.raises(ConfigurationError) as refusal:
        topology(slo, role)
    assert said in str(refusal.value)

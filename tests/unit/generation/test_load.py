"""Workers and queues of generated stages: enough for the load, by another way of computing it."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from simulator.behaviour.delays import parse_delay
from simulator.behaviour.faults.registry import parse_fault
from simulator.behaviour.means import mean_delay_seconds
from simulator.generation.generate import Plan, generate
from simulator.generation.load import MAX_UTILISATION, TARGET_UTILISATION, busiest, loads_of
from simulator.topology.model import Role, Stage
from simulator.topology.reader import parse_topology
from tests.support.walking import walk

MESSAGES = 4000


@pytest.mark.parametrize(("seed", "rate"), [(1, 10.0), (2, 500.0), (3, 5000.0)])
def test_no_stage_has_more_than_seventy_per_cent_of_its_workers_busy(seed, rate):
    """Messages that are walked through keep as few workers busy, in every stage that they come to often enough."""
    topology = generate(Plan(stages=150, seed=seed, rate_per_second=rate))
    chance = random.Random(seed)
    visits, busy = Counter(), Counter()
    for _ in range(MESSAGES):
        walked = walk(topology, "injector", chance)
        visits += walked.visits
        busy += walked.busy_seconds
    often = [name for name in topology.stages if visits[name] >= 200 and name != "injector"]
    assert len(often) > 20
    for name in often:
        assert rate * busy[name] / MESSAGES / topology.stages[name].workers < MAX_UTILISATION, name


@pytest.mark.parametrize("seed", range(10))
def test_the_computed_bound_holds_with_faults_and_options_too(seed):
    """Half of the workers are busy at most, counted with every retry, and somewhere nearly as many at a high rate."""
    topology = generate(Plan(stages=100, seed=seed, rate_per_second=2000.0, faulty_ratio=0.5, options_ratio=0.8))
    assert 0.4 < busiest(topology.stages)[1] <= TARGET_UTILISATION
    for name, load in loads_of(topology.stages).items():
        assert load.erlangs <= TARGET_UTILISATION * topology.stages[name].workers
        assert topology.stages[name].queue >= 64


def loads(text):
    return loads_of(parse_topology(text, "t.yaml", lambda _: ("", []), "t").stages)


def test_load_follows_the_calls():
    """Rates go with weights, probabilities and times; a worker is kept for the stage's own time and for its calls."""
    found = loads(
        """
        stages:
          injector: {role: injector, load: {rate: 100/s}, calls: [{choose: {one: 75%, two: 25%}}]}
          one: {delay: constant(10ms), calls: [{to: leaf, probability: 20%, times: 3}]}
          two: {delay: constant(20ms), calls: [{parallel: [leaf, [leaf, leaf]]}]}
          leaf: {delay: exponential(5ms), role: terminator}
        """
    )
    assert found["one"].per_second == pytest.approx(75.0)
    assert found["leaf"].per_second == pytest.approx(75 * 0.2 * 3 + 25 * 3)
    assert found["one"].busy_seconds == pytest.approx(0.010 + 0.6 * 0.005, rel=1e-3)
    assert found["two"].busy_seconds == pytest.approx(0.020 + 3 * 0.005, rel=1e-3)
    assert found["two"].erlangs == pytest.approx(25 * 0.035, rel=1e-3)


def test_load_counts_what_goes_wrong():
    """A failed attempt is made again, a hang keeps a worker, and a fallback is called where all attempts failed."""
    found = loads(
        """
        stages:
          injector: {role: injector, load: {rate: 100/s}, calls: [one]}
          one: {calls: [{to: leaf, retries: "retries(1, max=10ms)", fallback: spare}]}
          leaf: {delay: constant(10ms), faults: ["error(503, 20%)", "hang(1s, 10%)"], role: terminator}
          spare: {delay: constant(1ms), role: terminator}
        """
    )
    failed = 0.3  # a hang counts as a failure, which it may become
    assert found["leaf"].per_second == pytest.approx(100 * (1 + failed))
    assert found["leaf"].busy_seconds == pytest.approx(0.010 + 0.1)
    assert found["spare"].per_second == pytest.approx(100 * failed**2)
    assert found["one"].busy_seconds >= (1 + failed) * 0.110


@pytest.mark.parametrize(
    ("delay", "mean"),
    [
        ("constant(10ms)", 0.010),
        ("uniform(10ms, 30ms)", 0.020),
        ("exponential(20ms)", 0.020),
        ("lognormal(p50=10ms, p99=40ms)", 0.010 * math.exp((math.log(4) / 2.3263) ** 2 / 2)),
    ],
)
def test_a_mean_is_the_integral_of_the_quantiles(delay, mean):
    """It is the one that the formulas give, within a hundredth."""
    assert mean_delay_seconds(parse_delay(delay)) == pytest.approx(mean, rel=0.01)


def test_an_injector_has_no_load_of_its_own():
    """Its messages wait for nobody's workers."""
    stages = {"leaf": Stage(role=Role.TERMINATOR, faults=(parse_fault("slow_body(2KB/s, 100%)"),))}
    assert loads_of(stages)["leaf"].busy_seconds == pytest.approx(0.15)
    assert "injector" not in loads_of(generate(Plan(stages=5, seed=1)).stages)

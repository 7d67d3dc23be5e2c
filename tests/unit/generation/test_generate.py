"""Generated topologies: in layers, as large as asked for, sound, reproducible, and in the published shape."""

from __future__ import annotations

import random
import statistics
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.behaviour.delays import no_samples
from simulator.errors import ConfigurationError
from simulator.generation.generate import Plan, generate
from simulator.generation.shape import MAX_CALLED, default_layers
from simulator.generation.visits import mean_visits
from simulator.topology.graph import calls_of, reached_from
from simulator.topology.model import Role
from simulator.topology.reader import parse_topology, write_topology
from tests.support.examples import examples
from tests.support.walking import layers_of, walk

SEEDS = st.integers(0, 2**63 - 1)
LARGE = Plan(stages=2000, seed=7)


@pytest.fixture(scope="module")
def large():
    return generate(LARGE)


def called_by(topology):
    """Return the stages that each stage calls, fallbacks apart."""
    return {
        name: {call.to for keys, call in calls_of(stage) if "fallback" not in keys}
        for name, stage in topology.stages.items()
    }


@examples(20)
@given(
    stages=st.integers(1, 120) | st.just(400),
    seed=SEEDS,
    faults=st.sampled_from([0.0, 0.3, 1.0]),
    options=st.sampled_from([0.0, 0.3, 1.0]),
    visits=st.floats(5, 100),
)
@example(stages=2000, seed=7, faults=0.1, options=0.3, visits=20.0)
def test_a_topology_is_sound_whatever_is_asked_for(stages, seed, faults, options, visits):
    """It has as many stages as asked for, each of them reached, in layers, and reads back as it was written."""
    plan = Plan(stages=stages, seed=seed, faulty_ratio=faults, options_ratio=options, max_visits=visits)
    topology = generate(plan)
    assert len(topology.stages) == stages
    depths = layers_of(topology)  # no call goes back: there is no cycle
    first = next(iter(topology.stages))
    assert set(reached_from(topology, first)) == set(topology.stages) - {first}
    assert max(depths.values(), default=0) == (default_layers(stages - 1) if stages > 1 else 0)
    assert (
        max(len(called) for name, called in called_by(topology).items() if name != first or stages == 1) <= MAX_CALLED
    )
    assert stages == 1 or mean_visits(topology.stages) <= visits
    assert parse_topology(write_topology(topology), "g.yaml", no_samples, "g") == topology


@examples(30)
@given(data=st.data(), injectors=st.integers(1, 5), seed=SEEDS)
def test_layers_and_injectors_are_as_asked_for(data, injectors, seed):
    """The longest chain of calls has as many stages as there are layers, and each injector has entries of its own."""
    stages = data.draw(st.integers(2 * injectors, 150))
    layers = data.draw(st.integers(1, stages - 2 * injectors + 1))
    topology = generate(Plan(stages=stages, seed=seed, layers=layers, injectors=injectors))
    assert max(layers_of(topology).values()) == layers
    own = [called_by(topology)[name] for name, stage in topology.stages.items() if stage.role is Role.INJECTOR]
    assert len(own) == injectors and all(own)
    assert len(set().union(*own)) == sum(map(len, own))
    reached = {to for name in topology.stages for to in called_by(topology)[name]}
    assert len(reached) == stages - injectors


def test_there_may_be_thousands_of_layers():
    """A chain is a topology too."""
    topology = generate(Plan(stages=3000, seed=1, layers=2999))
    assert max(layers_of(topology).values()) == 2999


def test_the_same_plan_gives_the_same_text_and_another_seed_another():
    """What is generated depends on nothing but the plan."""
    text = write_topology(generate(Plan(stages=40, seed=7, faulty_ratio=0.5, options_ratio=0.5)))
    assert text == write_topology(generate(Plan(stages=40, seed=7, faulty_ratio=0.5, options_ratio=0.5)))
    assert text != write_topology(generate(Plan(stages=40, seed=8, faulty_ratio=0.5, options_ratio=0.5)))


def test_faults_and_options_change_nothing_else():
    """The same seed with faults has the same stages, delays and calls: the two can be compared."""
    plain, faulty = generate(Plan(stages=60, seed=3)), generate(Plan(stages=60, seed=3, faulty_ratio=0.5))
    assert {name: (stage.delay, stage.calls) for name, stage in plain.stages.items()} == {
        name: (stage.delay, stage.calls) for name, stage in faulty.stages.items()
    }
    with_options = generate(Plan(stages=60, seed=3, options_ratio=1.0))
    assert called_by(with_options) == called_by(plain)


@pytest.mark.parametrize("seed", range(5))
def test_the_shape_is_the_published_one(seed):
    """Of 2,000 stages 13% are entries, 39% leaves; over a tenth of the callers call five or more, most have one."""
    topology = generate(Plan(stages=2000, seed=seed))
    called = called_by(topology)
    injector, *others = topology.stages
    assert len(called[injector]) == pytest.approx(0.13 * 2000, rel=0.01)
    assert sum(not called[name] for name in others) == pytest.approx(0.39 * 2000, rel=0.01)
    counts = [len(called[name]) for name in others if called[name]]
    assert 0.10 < sum(count >= 5 for count in counts) / len(counts) < 0.17
    callers = Counter(to for name in others for to in called[name])
    assert 0.70 < sum(count == 1 for count in callers.values()) / len(callers) < 0.85
    assert max(callers.values()) >= 10  # some that many share


def test_messages_visit_few_stages_mostly_and_many_sometimes():
    """Call graphs are small with a heavy tail, and about as deep as published: 4.27 with a deviation of 3.25."""
    chance = random.Random(1)
    walks = []
    for seed in range(6):
        topology = generate(Plan(stages=1000, seed=seed))
        walks += [walk(topology, "injector", chance) for _ in range(300)]
    visited = [len(one.visits) - 1 for one in walks]
    assert statistics.median(visited) < 10
    assert 0.02 < sum(count > 40 for count in visited) / len(visited) < 0.20
    assert 3 < statistics.mean(one.depth for one in walks) < 5
    assert 1.5 < statistics.stdev(one.depth for one in walks) < 4


def test_the_mean_of_the_visits_is_what_messages_make(large):
    """Ten thousand walks make as many visits as is computed, within four standard errors, and at most as asked for."""
    chance = random.Random(2)
    visits = [sum(walk(large, "injector", chance).visits.values()) - 1 for _ in range(10_000)]
    error = statistics.stdev(visits) / len(visits) ** 0.5
    assert mean_visits(large.stages) == pytest.approx(statistics.mean(visits), abs=4 * error)
    assert mean_visits(large.stages) <= LARGE.max_visits


def test_calls_are_made_in_every_way(large):
    """There are calls in order, in parallel, by choice, repeated and with a probability."""
    text = write_topology(large)
    for key in ("- parallel:", "- choose:", "times: 3", "probability: 5%", "- - ", "role: terminator"):
        assert key in text, key


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.6, 1.0])
def test_shares_of_faults_and_options_are_as_asked_for(share):
    """Of the stages so many have a fault, of the calls so many an option, within four standard errors."""
    topology = generate(Plan(stages=2000, seed=5, faulty_ratio=share, options_ratio=share))
    faulty = [bool(stage.faults) for stage in topology.stages.values() if stage.role is not Role.INJECTOR]
    plain = generate(Plan(stages=2000, seed=5))
    calls = {(name, keys): call for name, stage in plain.stages.items() for keys, call in calls_of(stage)}
    changed = [
        call != calls[name, keys]
        for name, stage in topology.stages.items()
        for keys, call in calls_of(stage)
        if "choose" not in keys and "fallback" not in keys
    ]
    for found in (faulty, changed):
        error = (share * (1 - share) / len(found)) ** 0.5
        assert sum(found) / len(found) == pytest.approx(share, abs=4 * error)


def test_every_option_and_fault_occurs():
    """With all the options of 500 stages there is each of them, and each fault but those that take the machine's."""
    text = write_topology(generate(Plan(stages=500, seed=1, faulty_ratio=1.0, options_ratio=1.0)))
    for key in ("timeout", "deadline", "retries", "breaker", "hedge", "optional", "fallback"):
        assert f" {key}: " in text or f" {key}:\n" in text, key
    for fault in ("error(503", "hang(", "reset(", "truncate(", "slow_body("):
        assert f"- {fault}" in text, fault
    assert "cpu(" not in text and "memory(" not in text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stages": 0}, "0 stages are out of range: must be between 1 and 10000"),
        ({"stages": 10_001}, "10001 stages are out of range: must be between 1 and 10000"),
        ({"stages": 10, "layers": 10}, "10 layers are out of range: must be between 1 and 9"),
        ({"stages": 10, "injectors": 6}, "6 injectors are out of range: must be between 1 and 5"),
        ({"stages": 10, "max_visits": 2.0}, "2 visits are out of range: must be at least 5"),
        ({"stages": 10, "max_visits": float("nan")}, "nan visits are out of range: must be at least 5"),
    ],
)
def test_what_can_not_be_is_refused(wrong, said):
    """The refusal says what is allowed."""
    with pytest.raises(ConfigurationError) as refusal:
        Plan(seed=1, **wrong)
    assert str(refusal.value) == said


def test_a_load_that_no_stage_can_carry_is_refused():
    """A million messages a second would need more workers than a stage can have."""
    with pytest.raises(ConfigurationError, match="which exceeds 100000: give a lower rate, or fewer visits"):
        generate(Plan(stages=50, seed=7, rate_per_second=1e6))

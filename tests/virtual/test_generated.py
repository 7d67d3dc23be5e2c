"""Generated topologies, other ones in each run, in virtual time: they carry the load that they were made for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.generation.generate import Plan, generate
from tests.support.accounts import run_to_its_end
from tests.support.seeds import new_seed


def generated(messages, **plan):
    """Return a generated topology whose injectors send so many messages."""
    topology = generate(Plan(rate_per_second=10.0, **plan))
    stages = {
        name: stage if stage.load is None else replace(stage, load=replace(stage.load, messages=messages))
        for name, stage in topology.stages.items()
    }
    return replace(topology, stages=stages)


def check_healthy(topology, messages):
    """Run a topology without faults: all that its injectors send is carried, and every stage forwards or delivers."""
    ledger = run_to_its_end(topology).ledger
    assert ledger.balanced, ledger.problems
    injectors = [name for name, stage in topology.stages.items() if stage.load is not None]
    assert {line.received for line in ledger.stages if line.stage in injectors} == {messages}
    assert all(line.received == line.delivered + line.forwarded for line in ledger.stages)


def check_faulty(topology):
    """Run a topology with faults and options: whatever becomes of a message is accounted for."""
    ledger = run_to_its_end(topology).ledger
    assert ledger.balanced, ledger.problems
    return ledger


def test_small_ones_carry_their_load():
    """Forty topologies of 2 to 41 stages: nothing is refused or fails."""
    first = new_seed()
    for number in range(40):
        check_healthy(generated(30, stages=2 + number, seed=first + number), 30)


def test_small_ones_with_faults_and_options_balance():
    """Forty topologies with a fault on most stages and options on every call."""
    first = new_seed()
    for number in range(40):
        check_faulty(generated(30, stages=2 + number, seed=first + number, faulty_ratio=0.6, options_ratio=1.0))


@pytest.mark.long
def test_ten_thousand_stages():
    """They are no other: a hundred messages are carried, and with faults and options each is accounted for."""
    seed = new_seed()
    check_healthy(generated(100, stages=10_000, seed=seed), 100)
    ledger = check_faulty(generated(100, stages=10_000, seed=seed, faulty_ratio=0.05, options_ratio=0.3))
    assert len(ledger.stages) == 10_000

"""Finding the capacity, with probes whose results are known."""

from __future__ import annotations

import pytest

from simulator.behaviour.verdicts import Judge
from simulator.proof.capacity.bottleneck import Bottleneck, BottleneckKind
from simulator.proof.capacity.figures import ProbeFigures, StageWork
from simulator.proof.capacity.finding import DEFAULT_THRESHOLDS, CapacitySearch, find_capacity
from simulator.proof.capacity.probe import probe_of
from tests.support.virtual import topology_of

TOPOLOGY = topology_of(
    {
        "users": {"role": "injector", "load": {"rate": "20/s"}, "calls": ["shop"]},
        "shop": {"delay": "constant(20ms)", "workers": 4},
    }
)
BUSY = Bottleneck(limit=BottleneckKind.MACHINE, stage="", why="this machine: busy")


class Machine:
    """Probes of a machine that is slow whenever `is_slow(number, rate)` says so: each message takes twice as long."""

    def __init__(self, is_slow):
        self.is_slow = is_slow
        self.rates = []

    def probe(self, rate_per_second, plan):
        self.rates.append(rate_per_second)
        slow = self.is_slow(len(self.rates), rate_per_second)
        figures = ProbeFigures(TOPOLOGY, 0.0, plan.seconds)
        figures.messages = 1000
        figures.loads["shop"] = StageWork(visits=1000, held_seconds=40.0 if slow else 20.0)
        verdicts = Judge([], [], 0.0).verdicts(None)
        return probe_of(rate_per_second, plan, verdicts, figures, BUSY if slow else None)


def find(is_slow):
    asked = CapacitySearch(
        topology=TOPOLOGY,
        thresholds=DEFAULT_THRESHOLDS,
        start_rate=50.0,
        max_rate=1000.0,
        min_rate=None,
        precision=0.02,
        probe_seconds=10.0,
    )
    machine = Machine(is_slow)
    return find_capacity(asked, machine, lambda _: None), machine.rates


def test_the_limit_of_the_system_is_found_where_the_machine_has_room():
    found, rates = find(lambda number, rate: False)
    assert (found.kept_rate, found.broken_rate) == pytest.approx((199, 202))
    assert (found.limit.limit, found.limit.stage, len(rates)) == (BottleneckKind.WORKERS, "shop", 3)


def test_a_probe_that_another_program_spoilt_is_repeated():
    """The second probe is spoilt; its repetition is kept, and nothing of it is in the result."""
    found, rates = find(lambda number, rate: number == 2)
    assert rates == pytest.approx([50, 199, 199, 202])
    assert (found.kept_rate, found.limit.limit) == (pytest.approx(199), BottleneckKind.WORKERS)


def test_a_machine_that_is_too_slow_twice_is_the_limit():
    """Above 150/s it always is: what the system could do is not known, and the stage is not named."""
    found, _ = find(lambda number, rate: rate > 150)
    assert 145 < found.kept_rate <= 150
    assert (found.limit, found.is_found) == (BUSY, False)

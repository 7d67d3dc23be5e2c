"""What is found of queues: the turn of each message, and the mean wait where theory says it."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.proof.promises.evidence import Evidence
from simulator.proof.promises.finding import PromiseVerdict, judged
from simulator.proof.promises.queueing import FIFO, THEORY, judge_queues
from simulator.proof.statistics.queues import mean_wait_mg1, mean_wait_mmc
from simulator.proof.truth.reading import open_truth
from tests.support.truths import write_truth
from tests.support.virtual import topology_of

SERVICE_SECONDS = 0.01
MESSAGES = 40_000


def found_for(folder, delay, workers, load, arrived, served):
    """Judge a queue of messages that came at these times and took so long, served in their order."""
    rate = load * workers / SERVICE_SECONDS
    topology = topology_of(
        {
            "users": {"role": "injector", "workers": 1000, "load": {"rate": f"{rate}/s"}, "calls": ["shop"]},
            "shop": {"delay": delay, "workers": workers, "queue": 10_000},
        }
    )
    free = np.zeros(workers)
    visits = []
    for number, (came, takes) in enumerate(zip(arrived.tolist(), served.tolist(), strict=True)):
        worker = int(free.argmin())
        begins = max(came, float(free[worker]))
        free[worker] = begins + takes
        waits = {"queue_wait_seconds": begins - came, "duration_seconds": begins - came + takes}
        visits.append({"message_id": f"{number:06d}", "visit": f"{number:06d}", "received_at": came, **waits})
    with open_truth(write_truth(folder, visits, topology=topology, virtual=True)) as truth:
        findings = judged(list(judge_queues(Evidence(truth), 1e-5)), 0.001)
    return {found.promise: found for found in findings if found.subject == "shop"}


def poisson(random, workers, load):
    """Return the times of Poisson arrivals that are such a load."""
    return 1000 + np.cumsum(random.exponential(SERVICE_SECONDS / workers / load, MESSAGES))


@pytest.mark.parametrize(
    ("delay", "workers", "load", "wait_seconds"),
    [
        # M/M/1 waits rho / (1 - rho) services, M/D/1 half of that.
        ("exponential(10ms)", 1, 0.5, 0.01),
        ("constant(10ms)", 1, 0.5, 0.005),
        # M/M/2 waits rho^2 / (1 - rho^2) services: Erlang's C by hand.
        ("exponential(10ms)", 2, 0.6, 0.01 * 0.36 / 0.64),
    ],
)
def test_mean_waits_of_theory_are_found(tmp_path, delay, workers, load, wait_seconds):
    """A queue that is as configured keeps the promise, and the mean wait that is told is that of the textbook."""
    random = np.random.default_rng(20)
    is_constant = delay.startswith("constant")
    served = np.full(MESSAGES, SERVICE_SECONDS) if is_constant else random.exponential(SERVICE_SECONDS, MESSAGES)
    rate = load * workers / SERVICE_SECONDS
    theory = mean_wait_mg1(rate, SERVICE_SECONDS, SERVICE_SECONDS**2) if is_constant else None
    assert (theory or mean_wait_mmc(rate, SERVICE_SECONDS, workers)) == pytest.approx(wait_seconds)
    found = found_for(tmp_path, delay, workers, load, poisson(random, workers, load), served)
    assert found[THEORY].verdict is PromiseVerdict.KEPT, found[THEORY]
    assert found[FIFO].verdict is PromiseVerdict.KEPT, found[FIFO]


@pytest.mark.parametrize(("delay", "workers"), [("exponential(10ms)", 1), ("exponential(10ms)", 2)])
def test_waits_of_a_slower_stage_are_not_those_of_theory(tmp_path, delay, workers):
    """Services that are a fifth longer make waits at least a half longer at a load of 60 %, and that is found."""
    random = np.random.default_rng(21)
    served = random.exponential(1.2 * SERVICE_SECONDS, MESSAGES)
    found = found_for(tmp_path, delay, workers, 0.6, poisson(random, workers, 0.6), served)
    assert found[THEORY].verdict is PromiseVerdict.BROKEN


def test_waits_of_uneven_arrivals_are_not_those_of_theory(tmp_path):
    """Messages that come four at a time wait longer than those of Poisson arrivals with the same rate."""
    random = np.random.default_rng(22)
    batches = np.repeat(np.cumsum(random.exponential(4 * SERVICE_SECONDS / 0.5, MESSAGES // 4)), 4)
    served = random.exponential(SERVICE_SECONDS, MESSAGES)
    found = found_for(tmp_path, "exponential(10ms)", 1, 0.5, 1000 + batches, served)
    assert found[THEORY].verdict is PromiseVerdict.BROKEN


@pytest.mark.parametrize(
    ("messages", "load", "reason"), [(19_000, 0.5, "19,000 of 20,000"), (MESSAGES, 0.95, "not between 10% and 85%")]
)
def test_theory_is_not_judged_where_its_test_would_not_hold(tmp_path, messages, load, reason):
    """With few messages, or at a load where waits hardly become independent, there is no verdict, and why."""
    random = np.random.default_rng(23)
    served = random.exponential(SERVICE_SECONDS, messages)
    found = found_for(tmp_path, "exponential(10ms)", 1, load, poisson(random, 1, load)[:messages], served)
    assert found[THEORY].verdict is PromiseVerdict.NOT_JUDGED
    assert reason in found[THEORY].reason

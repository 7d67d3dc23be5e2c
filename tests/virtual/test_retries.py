"""Retries, budgets and breakers: every attempt and every pause is the one that the seed says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import yaml

from simulator.behaviour.draws import FIRST_VISIT, draw, message_id, next_visit
from simulator.behaviour.retries import RESERVE
from simulator.engine.injection import Behaviour
from tests.support.drawn import is_struck, pause_seconds
from tests.support.processes import ROOT
from tests.support.seeds import new_seed
from tests.support.virtual import observe, topology_of

LEVELS = ("clients", "edge", "api", "catalogue", "database")
CALLERS = LEVELS[1:-1]
RETRIES = "retries(3, backoff=20ms, max=200ms{})"


def storm(messages, rate="2/s", budget="", **call):
    """Return the stages of the ready-made retry storm, with so many messages; `call` changes that of the database."""
    stages = yaml.safe_load((ROOT / "topologies" / "retry-storm.yaml").read_text())["stages"]
    stages["clients"]["load"] = {
        "rate": rate,
        "arrivals": "poisson" if budget == "" else "constant",
        "messages": messages,
    }
    for name in CALLERS:
        assert stages[name]["calls"][0]["retries"] == RETRIES.format("")
        stages[name]["calls"][0]["retries"] = RETRIES.format(budget)
    stages["catalogue"]["calls"][0] |= call
    return stages


class Budgets:
    """The retries that a budget of this share leaves to each stage; None for as many as there are."""

    def __init__(self, ratio):
        self._ratio = ratio
        self._saved = dict.fromkeys(CALLERS, RESERVE)

    def call(self, stage):
        if self._ratio is not None:
            self._saved[stage] = min(max(RESERVE, 100 * self._ratio), self._saved[stage] + self._ratio)

    def take(self, stage):
        if self._ratio is None:
            return True
        allowed = self._saved[stage] >= 1.0
        self._saved[stage] -= allowed
        return allowed


def played(topology, message, budgets, levels=LEVELS, visit=FIRST_VISIT):
    """Return how long each visit of a message takes where the last level always fails: {(stage, visit): seconds}."""
    stage, *below = levels
    model, seed = topology.stages[stage], topology.seed
    seconds = model.delay.quantile(draw(seed, stage, message, visit, "delay"))
    found = {}
    if below:
        retries = model.calls[0].retries
        if retries.count:
            budgets.call(stage)
        for attempt in range(1, retries.count + 2):
            inner = next_visit(visit, f"{stage}/0", attempt)
            found |= played(topology, message, budgets, below, inner)
            seconds += found[below[0], inner]
            if attempt > retries.count or not budgets.take(stage):
                break
            seconds += pause_seconds(0.02, 0.2, attempt, draw(seed, stage, message, visit, f"pause {attempt} 0"))
    return found | {(stage, visit): seconds}


def check_storm(messages, seed, budget=None):
    """Run the storm and play it through: the same visits, each as long; return how many each stage had."""
    text = "" if budget is None else f", budget={budget * 100:g}%"
    # A budget is shared by messages, so it is the order of their ends that counts: here one comes after the other.
    stages = storm(messages, "2/s" if budget is None else "0.1/s", text)
    seen, topology, budgets = observe(stages, seed), topology_of(stages, seed), Budgets(budget)
    expected = {
        (message, *at): seconds
        for message in (message_id(seed, "clients", number) for number in range(1, messages + 1))
        for at, seconds in played(topology, message, budgets).items()
    }
    took = {
        (record.arrival.message_id, stage, record.arrival.visit): record.duration_seconds
        for stage, records in seen.records.items()
        for record in records
    }
    assert took == pytest.approx(expected, abs=1e-6)
    assert all(record.outcome == "faulted" for records in seen.records.values() for record in records)
    return {stage: seen.count(stage) for stage in LEVELS}


@pytest.mark.parametrize(
    "messages", [20, pytest.param(200, marks=pytest.mark.long), pytest.param(2000, marks=pytest.mark.slow)]
)
def test_a_retry_storm_multiplies(messages):
    """The ready-made storm: four attempts on three levels are 64 of each message, at the very times of the seed."""
    came = check_storm(messages, new_seed())
    assert came == {stage: messages * 4 ** max(0, level - 1) for level, stage in enumerate(LEVELS)}


@pytest.mark.parametrize("messages", [100, pytest.param(1500, marks=pytest.mark.long)])
@pytest.mark.parametrize("budget", [0.1, 0.2])
def test_a_budget_bounds_the_storm(messages, budget):
    """With a budget the last stage gets 1.1^3 of the load, and what the reserves allow, and not 64 times as much."""
    came = check_storm(messages, new_seed(), budget)
    bound = float(messages)
    for stage in LEVELS[2:]:
        bound += bound * budget + RESERVE
        # With every call failing a budget is spent to its last whole retry.
        assert bound - 4 * RESERVE < came[stage] <= bound, came


@pytest.mark.long
def test_a_breaker_ends_the_storm():
    """What the topology proposes: with a breaker the database has one attempt in five seconds, for ten minutes."""
    minutes, reset = 10, 5.0
    seen = observe(storm(minutes * 120, breaker=f"breaker(failures=5, reset={reset:g}s)"), new_seed())
    came = sorted(record.arrival.received_at for record in seen.records["database"])
    last = max(record.arrival.received_at for record in seen.records["clients"])
    probes = [later for earlier, later in pairwise(came) if later - earlier >= reset]
    # Attempts that are on their way when it opens come to their end.
    assert last / reset * 0.9 < len(probes) <= last / reset + 1
    assert 5 + len(probes) <= len(came) <= 10 + len(probes)
    assert seen.count("catalogue") == 16 * seen.count("clients")


def breaker_stages(messages, faults, failures=5, reset="30s"):
    return {
        "caller": {
            "role": "injector",
            "load": {"rate": "1/s", "arrivals": "constant", "messages": messages},
            "calls": [{"to": "called", "breaker": f"breaker(failures={failures}, reset={reset})"}],
        },
        "called": {"role": "terminator", "delay": "constant(10ms)", "faults": faults},
    }


def breaker_played(messages, hits, failures, reset_seconds):
    """Return the numbers of the messages that a breaker lets through; one comes each second and takes 10 ms."""
    through, in_a_row, opened_at = [], 0, None
    for number in range(1, messages + 1):
        if opened_at is not None and number - opened_at < reset_seconds:
            continue
        through.append(number)
        if not hits(number):
            in_a_row, opened_at = 0, None
        else:
            in_a_row += 1
            if opened_at is not None or in_a_row >= failures:
                opened_at = number + 0.01
    return through


@pytest.mark.parametrize(
    ("share", "hours"), [(1.0, 1), (0.8, 1), *[pytest.param(share, 5, marks=pytest.mark.long) for share in (0.5, 0.8)]]
)
def test_a_breaker_over_hours(share, hours):
    """Which messages are let through, and when, is what a breaker on paper says for the faults of the seed."""
    seed, messages, failures = new_seed(), hours * 3600, 5
    numbers = {message_id(seed, "caller", number): number for number in range(1, messages + 1)}
    ids = {number: message for message, number in numbers.items()}

    def hits(number):
        return is_struck(seed, ("caller", "called"), ids[number], "error", share)

    seen = observe(breaker_stages(messages, [f"error(500, {share * 100:g}%)"], failures), seed)
    through = breaker_played(messages, hits, failures, 30.0)
    assert [numbers[record.arrival.message_id] for record in seen.records["called"]] == through
    assert [record.arrival.received_at for record in seen.records["called"]] == pytest.approx(through)
    refused = [call for record in seen.records["caller"] for call in record.calls if not call.attempts]
    assert len(refused) == messages - len(through)
    assert all((call.outcome, call.injected) == ("breaker_open", True) for call in refused)
    if share == 1.0:  # five failures, and from then on a probe each 31 seconds: the first message after the pause
        assert through == [1, 2, 3, 4, *range(5, messages + 1, 31)]


def test_a_breaker_closes_at_the_first_probe_after_the_repair():
    """Whatever is repaired at 10:00 is found out by the next probe, and from then on all goes through."""
    messages = 1200

    def repair(system):
        (called,) = [stage for stage in system.stages if stage.name == "called"]
        before = called.handling.behaviour
        called.handling.behaviour = Behaviour(before.identity, replace(before.model, faults=()))

    seen = observe(breaker_stages(messages, ["error(500, 100%)"]), changes=[(600.0, repair)])
    came = [round(record.arrival.received_at) for record in seen.records["called"]]
    probes = range(5, messages, 31)
    first = next(probe for probe in probes if probe > 600)
    assert came == [1, 2, 3, 4, *[probe for probe in probes if probe < 600], *range(first, messages + 1)]
    assert [str(r.outcome) for r in seen.records["called"]].count("delivered") == messages + 1 - first

"""Faults among many messages: as many as configured, those that the seed says, counted alike everywhere."""

from __future__ import annotations

import json
import uuid
from collections import Counter

import pytest
from prometheus_client import CollectorRegistry

from simulator.behaviour.distributions import Constant
from simulator.errors import InjectedFault
from simulator.stage.machine import RealMachine
from simulator.telemetry.families import Measured
from simulator.telemetry.logs import LogSink, make_logger
from simulator.telemetry.metrics import Metrics
from simulator.telemetry.record import Outcome
from tests.support.fake_time import FakeTime
from tests.support.statistics import binomial_range


def test_an_error_comes_after_the_processing(make_stage, make_message):
    """An injected error takes the time that the processing takes, and nothing is forwarded or kept."""
    rig = make_stage(delay=Constant(0.5), faults=["error(503, 100%)"], calls=("enrich",))
    with pytest.raises(InjectedFault) as raised:
        rig.handle(make_message())
    assert (raised.value.status, raised.value.injected) == (503, True)
    assert (rig.record.outcome, rig.record.code, rig.record.faults) == (Outcome.FAULTED, 503, ("error",))
    assert (rig.record.processing_seconds, rig.adapter.requests) == (0.5, [])


def test_the_interval_is_exact():
    """The tests' own yardstick is right where it can be worked out by hand: ten throws of a coin."""
    # P(0 or 10) = 2/1024, P(1 or 9) = 20/1024, P(2 or 8) = 90/1024.
    assert binomial_range(10, 0.5, 1 - 1.9 / 1024) == (0, 10)
    assert binomial_range(10, 0.5, 1 - 2.1 / 1024) == (1, 9)
    assert binomial_range(10, 0.5, 1 - 22.1 / 1024) == (2, 8)
    assert binomial_range(10, 0, 0.999) == (0, 0)


@pytest.mark.parametrize("share", [0, 0.05, 0.3, 0.45, 0.6, 1])
def test_the_rate_of_a_fault_is_what_was_configured(make_stage, make_message, share):
    """Of 4,000 messages as many are hit as the rate says, and records, metrics and logs count the very same ones."""
    registry, raw = CollectorRegistry(), []
    metrics = Metrics(registry, Measured(stage="parse", role="processor"), FakeTime())
    rig = make_stage(faults=[f"error(503, {share})"], sinks=(metrics, LogSink(make_logger(raw.append, "info"))))
    hit = set()
    for number in range(4000):
        try:
            rig.handle(make_message(message_id=str(uuid.UUID(int=number))))
        except InjectedFault:
            hit.add(str(uuid.UUID(int=number)))
    low, high = binomial_range(4000, share, 0.999)
    assert low <= len(hit) <= high
    faulted = {record.arrival.message_id for record in rig.sink.records if record.outcome is Outcome.FAULTED}
    assert faulted == hit

    def sample(name, **labels):
        return registry.get_sample_value(name, {"stage": "parse", "role": "processor", **labels}) or 0

    assert sample("simulator_messages_total", outcome="faulted") == len(hit)
    assert sample("simulator_messages_total", outcome="delivered") == 4000 - len(hit)
    assert sample("simulator_faults_injected_total", fault="error") == len(hit)
    lines = [json.loads(line) for line in raw]
    assert {line["message_id"] for line in lines if line["event"] == "fault.injected"} == hit
    handled = Counter(line["outcome"] for line in lines if line["event"] == "message.handled")
    assert handled == +Counter(faulted=len(hit), delivered=4000 - len(hit))


def test_each_fault_draws_for_itself(make_stage, make_message):
    """Two faults of 30 % each hit independently: the first 30 % of all, the second 30 % of the rest."""
    rig = make_stage(faults=["error(500, 30%)", "error(503, 30%)"])
    codes = Counter()
    for number in range(4000):
        try:
            rig.handle(make_message(message_id=f"m-{number}"))
        except InjectedFault as fault:
            codes[fault.status] += 1
    for status, share in ((500, 0.3), (503, 0.7 * 0.3)):
        low, high = binomial_range(4000, share, 0.999)
        assert low <= codes[status] <= high


def faulted(make_stage, make_message, ids, visit="0", **stage):
    """Return which of these messages a fault of 30 % hits."""
    rig, hit = make_stage(faults=["error(503, 30%)"], **stage), set()
    for message_id in ids:
        try:
            rig.handle(make_message(message_id=message_id, visit=visit))
        except InjectedFault:
            hit.add(message_id)
    return hit


def test_the_same_seed_hits_the_same_messages(make_stage, make_message):
    """In any order and by any handler, the same seed hits the same messages; another seed, others."""
    ids = [f"m-{number}" for number in range(500)]
    first = faulted(make_stage, make_message, ids)
    backwards = faulted(make_stage, make_message, ids[250:][::-1]) | faulted(make_stage, make_message, ids[:250])
    assert backwards == first
    assert faulted(make_stage, make_message, ids, seed=8) != first
    assert faulted(make_stage, make_message, ids, stage="enrich") != first


def test_another_visit_draws_anew(make_stage, make_message):
    """A message that comes again, on another visit, has the same chance again and not the same fate."""
    ids = [f"m-{number}" for number in range(4000)]
    first, second = (faulted(make_stage, make_message, ids, visit=visit) for visit in ("0", "1"))
    low, high = binomial_range(4000, 0.09, 0.999)
    assert low <= len(first & second) <= high


@pytest.mark.parametrize("size", [2**62, 2**80])
def test_memory_that_is_not_there_is_still_an_injected_fault(make_stage, make_message, size):
    """A memory fault that finds no memory ends the message as faulted, counted as the fault that it is."""
    rig = make_stage(faults=["memory(1MB, 100%)"])
    rig.work.hold = lambda _: RealMachine(lambda: None).hold(size)
    with pytest.raises(InjectedFault, match="there was no memory for"):
        rig.handle(make_message())
    assert (rig.record.outcome, rig.record.code, rig.record.faults) == (Outcome.FAULTED, 503, ("memory",))
    assert rig.capacity.inside == 0

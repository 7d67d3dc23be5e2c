"""The metrics of a stage with a clock of the test's own, and what they are told of."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from simulator.telemetry.families import Measured
from simulator.telemetry.metrics import Metrics
from tests.support.fake_time import FakeTime
from tests.support.records import arrival, attempt, called


@dataclass
class Room:
    """What a stage has room for, and what is in it."""

    workers: int = 0
    queue: int = 0
    busy: int = 0
    waiting: int = 0
    inside: int = 0


@dataclass
class State:
    """The state that the gauges of a stage read, as a test wants it."""

    capacity: Room = field(default_factory=Room)
    breakers: dict[str, int] = field(default_factory=dict)

    def open_breakers(self, downstream: str, /) -> int:
        return self.breakers.get(downstream, 0)


ALWAYS = {"stage": "parse", "role": "processor"}


class Rig:
    """The metrics of a stage `parse`, which calls `enrich` unless told otherwise, and their samples."""

    def __init__(self, downstreams=("enrich",), make_exponential=None, **measured):
        self.registry = CollectorRegistry()
        self.time = FakeTime()
        self.time.advance(50.0)
        calls = tuple((downstream, "") for downstream in downstreams)
        of = Measured(**{**ALWAYS, "calls": calls, **measured})
        self.metrics = Metrics(self.registry, of, self.time, make_exponential=make_exponential)

    def sample(self, name, **labels):
        return self.registry.get_sample_value(name, {**ALWAYS, **labels})

    def buckets(self, name, **labels):
        """Return {upper bound: count} of the buckets that are not empty, each by itself."""
        found, before = {}, 0
        for family in self.registry.collect():
            for sample in family.samples:
                if sample.name == f"{name}_bucket" and {**ALWAYS, **labels}.items() <= sample.labels.items():
                    if sample.value > before:
                        found[sample.labels["le"]] = sample.value - before
                    before = sample.value
        return found

    def series(self, name):
        """Return the labels of every series of that name, those of the stage left out."""
        return [
            {key: value for key, value in sample.labels.items() if key not in ALWAYS}
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name
        ]


def tell(metrics, *outcomes, seconds=0.5, came=None, downstream="enrich", operation=""):
    """Record a call with these attempts, (outcome, code) each, as a stage does: each attempt, and then the call."""
    came = came or arrival()
    attempts = tuple(attempt(outcome, code, number=n) for n, (outcome, code) in enumerate(outcomes, 1))
    for each in attempts:
        metrics.sending(downstream)
        metrics.attempted(came, downstream, each, None if each is attempts[-1] else 0.125, operation)
    outcome, code = outcomes[-1]
    call = called(downstream, *attempts, seconds=seconds, outcome=outcome, code=code, operation=operation)
    metrics.sent(came, call)

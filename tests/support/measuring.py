"""The metrics of a stage with a clock of the test's own, and what they are told of."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from simulator.telemetry.metrics import Metrics
from tests.support.fake_time import FakeTime
from tests.support.records import arrival, attempt, called

ALWAYS = {"stage": "parse", "role": "processor"}


class Rig:
    """The metrics of a stage `parse` that calls `enrich`, and their samples."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.time = FakeTime()
        self.time.advance(50.0)
        self.metrics = Metrics(self.registry, "parse", "processor", "/messages", self.time, ("enrich",))

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


def tell(metrics, *outcomes, seconds=0.5, came=None, downstream="enrich"):
    """Record a call with these attempts, (outcome, code) each, as a stage does: each attempt, and then the call."""
    came = came or arrival()
    attempts = tuple(attempt(outcome, code, number=n) for n, (outcome, code) in enumerate(outcomes, 1))
    for each in attempts:
        metrics.sending(downstream)
        metrics.attempted(came, downstream, each, None if each is attempts[-1] else 0.125)
    outcome, code = outcomes[-1]
    metrics.sent(came, called(downstream, *attempts, seconds=seconds, outcome=outcome, code=code))

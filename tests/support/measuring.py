"""The metrics of a stage with a clock of the test's own, and what they are told of."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from simulator.telemetry.metrics import Metrics
from simulator.telemetry.record import Arrival, Attempt, CallRecord, Clock, Outcome, StageRecord, TraceIds, Via

ALWAYS = {"stage": "parse", "role": "processor"}
SAMPLED = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "03", True)


class Time:
    def __init__(self):
        self.now = 50.0

    @property
    def clock(self):
        return Clock(lambda: self.now, lambda: 0)


class Rig:
    """The metrics of a stage `parse` that calls `enrich`, and their samples."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.time = Time()
        self.metrics = Metrics(self.registry, "parse", "processor", "/messages", self.time.clock, ("enrich",))

    def sample(self, name, **labels):
        return self.registry.get_sample_value(name, {**ALWAYS, **labels})

    def buckets(self, name, **labels):
        """Give {upper bound: count} of the buckets that are not empty, each by itself."""
        found, before = {}, 0
        for family in self.registry.collect():
            for sample in family.samples:
                if sample.name == f"{name}_bucket" and {**ALWAYS, **labels}.items() <= sample.labels.items():
                    if sample.value > before:
                        found[sample.labels["le"]] = sample.value - before
                    before = sample.value
        return found

    def series(self, name):
        """Give the labels of every series of that name, those of the stage left out."""
        return [
            {key: value for key, value in sample.labels.items() if key not in ALWAYS}
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name
        ]


def arrival(via=Via.HTTP, body_bytes=100, trace=SAMPLED, due_at=0.0):
    return Arrival("m-1", "0", "outside", via, "text/plain", body_bytes, 0.0, due_at, 0, 0.0, trace)


def record(outcome=Outcome.FORWARDED, code=200, came=None, **changes):
    values = {
        "faults": (),
        "error": "",
        "admission_seconds": 0.0,
        "queue_wait_seconds": 0.002,
        "delay_drawn_seconds": 0.03125,
        "delay_spec": "constant(31.25ms)",
        "utilisation": 0.0,
        "processing_seconds": 0.0625,
        "fault_times": (),
        "downstream_seconds": 0.0,
        "duration_seconds": 0.25,
        "answer_seconds": None,
        "pipeline_seconds": None,
        "calls": (),
    }
    return StageRecord(came or arrival(), outcome, code, **{**values, **changes})


def tell(metrics, *tries, seconds=0.5, came=None, downstream="enrich"):
    """Tell of a call with these tries, (outcome, code) each, as a stage does: try by try, and then the call."""
    came = came or arrival()
    attempts = tuple(Attempt(outcome, code, 0.25, number=n) for n, (outcome, code) in enumerate(tries, 1))
    for attempt in attempts:
        metrics.sending(downstream)
        metrics.attempted(came, downstream, attempt, None if attempt is attempts[-1] else 0.125)
    outcome, code = tries[-1]
    metrics.sent(came, CallRecord(downstream, attempts, seconds, outcome, code))

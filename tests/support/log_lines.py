"""A stage's log with the lines that it has written, and what it is told of."""

from __future__ import annotations

import json

from simulator.telemetry.logs import LogSink, make_logger
from simulator.telemetry.record import Arrival, Attempt, CallOutcome, CallRecord, Outcome, StageRecord, TraceIds, Via

TRACE = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "03", True)
LEAD = [
    "timestamp",
    "level",
    "event",
    "service",
    "stage",
    "role",
    "trace_id",
    "span_id",
    "trace_flags",
    "message_id",
]


class Log:
    """A logger with the lines that it has written."""

    def __init__(self, level="info"):
        self.raw = []
        self.logger = make_logger(self.raw.append, level, service="parse", stage="parse", role="processor")
        self.sink = LogSink(self.logger)

    @property
    def lines(self):
        return [json.loads(raw) for raw in self.raw]


def arrival(**changes):
    values = {
        "message_id": "m-1",
        "visit": "0",
        "caller": "injector",
        "via": Via.HTTP,
        "content_type": "application/json",
        "body_bytes": 17,
        "due_unix_seconds": 1.0,
        "due_at": 1.0,
        "received_unix_ns": 2,
        "received_at": 3.0,
        "trace": TRACE,
    }
    return Arrival(**{**values, **changes})


def record(outcome=Outcome.FORWARDED, code=200, came=None, **changes):
    values = {
        "faults": (),
        "error": "",
        "admission_seconds": 0.0,
        "queue_wait_seconds": 0.25,
        "delay_drawn_seconds": 0.0123456789,
        "delay_spec": "constant(10ms)",
        "utilisation": 0.0,
        "processing_seconds": 0.0125,
        "fault_times": (),
        "downstream_seconds": 0.5,
        "duration_seconds": 0.7654321987,
        "answer_seconds": None,
        "pipeline_seconds": None,
        "calls": (),
    }
    return StageRecord(came or arrival(), outcome, code, **{**values, **changes})


def call(outcome=CallOutcome.OK, code=200, error="", tries=1, **changes):
    failed = tuple(Attempt(CallOutcome.BROKEN, None, 0.125, False, "reset", n) for n in range(1, tries))
    attempts = (*failed, Attempt(outcome, code, 0.25, False, error, tries))
    return CallRecord("enrich", attempts, 0.25 + 0.125 * (tries - 1), outcome, code, error=error, **changes)

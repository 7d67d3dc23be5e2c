"""A stage's log with the lines that it has written, and what it is told of."""

from __future__ import annotations

import json

from simulator.telemetry.logs import LogSink, make_logger
from simulator.telemetry.record import CallOutcome, Outcome
from tests.support import records

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
    """Return the arrival of a message from the injector."""
    return records.arrival(**{"caller": "injector", "content_type": "application/json", "body_bytes": 17, **changes})


def record(outcome=Outcome.FORWARDED, code=200, came=None, **changes):
    """Return the record of a message, with more digits than a log has."""
    values = {
        "queue_wait_seconds": 0.25,
        "delay_drawn_seconds": 0.0123456789,
        "processed_seconds": 0.2623456789,
        "downstream_seconds": 0.5,
        "duration_seconds": 0.7654321987,
    }
    return records.record(outcome, code, came or arrival(), **{**values, **changes})


def call(outcome=CallOutcome.OK, code=200, error="", attempts=1, **changes):
    """Return a call whose attempts but the last were reset."""
    failed = [records.attempt(CallOutcome.BROKEN, None, 0.125, error="reset", number=n) for n in range(1, attempts)]
    last = records.attempt(outcome, code, error=error, number=attempts)
    seconds = 0.25 + 0.125 * (attempts - 1)
    return records.called("enrich", *failed, last, seconds=seconds, outcome=outcome, code=code, error=error, **changes)

"""Records of a message as a stage makes them, of whatever a test wants to tell a sink.

The default times are sums of powers of two, so that what is computed of them is exact.
"""

from __future__ import annotations

from simulator.telemetry.record import Arrival, Attempt, CallOutcome, CallRecord, Outcome, StageRecord, TraceIds, Via

SAMPLED = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "03", True)


def arrival(**changes):
    """Return the arrival of a message by POST."""
    values = {
        "message_id": "m-1",
        "visit": "0",
        "caller": "outside",
        "via": Via.HTTP,
        "content_type": "text/plain",
        "body_bytes": 100,
        "due_unix_seconds": 0.0,
        "due_at": 0.0,
        "received_unix_ns": 0,
        "received_at": 0.0,
        "trace": SAMPLED,
        "route": "/messages",
    }
    return Arrival(**{**values, **changes})


def record(outcome=Outcome.FORWARDED, code=200, came=None, **changes):
    """Return the record of a message: 31.25 ms drawn, and as much again of overhead."""
    values = {
        "faults": (),
        "error": "",
        "reading_seconds": 0.0,
        "queue_wait_seconds": 0.001953125,
        "delay_drawn_seconds": 0.03125,
        "delay_spec": "constant(31.25ms)",
        "utilisation": 0.0,
        "processed_seconds": 0.033203125,
        "fault_times": (),
        "downstream_seconds": 0.185546875,
        "duration_seconds": 0.25,
        "answer_seconds": None,
        "calls": (),
    }
    return StageRecord(arrival=came or arrival(), outcome=outcome, code=code, **{**values, **changes})


def attempt(outcome=CallOutcome.OK, code=200, duration_seconds=0.25, **changes):
    """Return one attempt at a call."""
    return Attempt(outcome=outcome, code=code, duration_seconds=duration_seconds, **changes)


def called(downstream="enrich", *attempts, seconds=0.5, outcome=CallOutcome.OK, code=200, **changes):
    """Return a call that ended as it is said, after these attempts."""
    values = {"downstream": downstream, "attempts": attempts, "duration_seconds": seconds}
    return CallRecord(**values, outcome=outcome, code=code, **changes)

"""The truth of a run: what was drawn, injected and attempted for each message, and how it ended, as rows of JSON.

`catalogue/truth.py` says what a row has. What equals its column's default is left out. Values are not rounded: they are
the very numbers that the metrics have counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson

from simulator.behaviour.draws import next_visit
from simulator.telemetry.observe import Sink
from simulator.telemetry.record import Attempt, CallRecord, Choice, FaultTime, StageRecord, StepDelay, Via

_MAX_ERROR_CHARACTERS = 4096


class TruthSink(Sink):
    """Write a row for each visit of a message to a stage; `write(row)` takes a line without its line break."""

    def __init__(self, stage: str, instance: int, write: Callable[[bytes], None]) -> None:
        self._stage = stage
        self._instance = instance
        self._write = write

    def handled(self, record: StageRecord) -> None:
        """Write the row."""
        self._write(line_of(visit_row(self._stage, self._instance, record)))


def line_of(row: dict[str, Any]) -> bytes:
    """Return a row as a line of JSON without its line break."""
    try:
        return orjson.dumps(row)
    except TypeError:
        # Half a surrogate pair in a text from outside costs itself and not the row; an integer may have any size.
        return json.dumps(row, ensure_ascii=False).encode(errors="replace")


def visit_row(stage: str, instance: int, record: StageRecord) -> dict[str, Any]:
    """Return the row of a visit, with those of its calls, choices, delays and faults."""
    arrival = record.arrival
    row: dict[str, Any] = {
        "kind": "visit",
        "stage": stage,
        "instance": instance,
        "message_id": arrival.message_id,
        "visit": arrival.visit,
        "caller": arrival.caller,
        "via": arrival.via,
        "trace_id": arrival.trace.trace_id,
        "span_id": arrival.trace.span_id,
        "sampled": arrival.trace.sampled,
        "due_at": arrival.due_at,
        "received_at": arrival.received_at,
        "received_unix_ns": arrival.received_unix_ns,
        "body_bytes": arrival.body_bytes,
        "outcome": record.outcome,
        "code": record.code,
        "queue_wait_seconds": record.queue_wait_seconds,
        "queued_seconds": record.queued_seconds,
        "delay_drawn_seconds": record.delay_drawn_seconds,
        "utilisation": record.utilisation,
        "processed_seconds": record.processed_seconds,
        "own_seconds": record.own_seconds,
        "overhead_seconds": record.overhead_seconds,
        "duration_seconds": record.duration_seconds,
    }
    _add_what_few_have(row, record)
    if record.calls or record.unfinished_calls:
        row["downstream_seconds"] = record.downstream_seconds
        row["calls"] = [_call(stage, arrival.visit, call) for call in (*record.calls, *record.unfinished_calls)]
    if record.choices:
        row["choices"] = [_choice(choice) for choice in record.choices]
    if record.step_delays:
        row["step_delay_seconds"] = record.step_delay_seconds
        row["step_delays"] = [_step_delay(delay) for delay in record.step_delays]
    if record.fault_times:
        row["fault_seconds"] = record.fault_seconds
        row["fault_times"] = [_fault_time(time) for time in record.fault_times]
    return row


def _add_what_few_have(row: dict[str, Any], record: StageRecord) -> None:
    arrival = record.arrival
    if arrival.operation:
        row["operation"] = arrival.operation
    if arrival.request:
        row["request"] = arrival.request
        row["end_to_end_seconds"] = record.pipeline_seconds
        if arrival.via is Via.SCHEDULE and arrival.due_at is not None:
            row["lag_seconds"] = arrival.received_at - arrival.due_at
    if arrival.deadline_seconds is not None:
        row["deadline_seconds"] = arrival.deadline_seconds
    if record.delay_spec:
        row["delay_spec"] = record.delay_spec
    if record.error:
        row["error"] = record.error[:_MAX_ERROR_CHARACTERS]
    if record.faults:
        row["faults"] = record.faults
    if record.reading_seconds:
        row["reading_seconds"] = record.reading_seconds
    if record.has_worked:
        row["has_worked"] = True
    if record.answer_seconds is not None:
        row["answer_seconds"] = record.answer_seconds
        row["accepted_work_seconds"] = record.accepted_work_seconds
    if arrival.decisions:
        row["decisions"] = dict(arrival.decisions)
    if arrival.attributes:
        row["attributes"] = dict(arrival.attributes)


def _call(stage: str, visit: str, call: CallRecord) -> dict[str, Any]:
    row: dict[str, Any] = {
        "position": call.position,
        "downstream": call.downstream,
        "operation": call.operation,
        "outcome": call.outcome,
        "code": call.code,
        "duration_seconds": call.duration_seconds,
        "attempts": [_attempt(f"{stage}/{call.position}", visit, attempt) for attempt in call.attempts],
    }
    if call.error:
        row |= {"error": call.error[:_MAX_ERROR_CHARACTERS], "injected": call.injected, "forgiven": call.forgiven}
    return row


def _attempt(call: str, visit: str, attempt: Attempt) -> dict[str, Any]:
    row: dict[str, Any] = {
        "number": attempt.number,
        "called_visit": next_visit(visit, call, attempt.number),
        "outcome": attempt.outcome,
        "code": attempt.code,
        "retryable": attempt.retryable,
        "duration_seconds": attempt.duration_seconds,
    }
    if attempt.retry_in_seconds is not None:
        row["retry_in_seconds"] = attempt.retry_in_seconds
    if attempt.error:
        row |= {"error": attempt.error[:_MAX_ERROR_CHARACTERS], "injected": attempt.injected, "ending": attempt.ending}
    return row


def _choice(choice: Choice) -> dict[str, Any]:
    return {"kind": choice.kind, "position": choice.position, "chosen": int(choice.chosen)}


def _step_delay(delay: StepDelay) -> dict[str, Any]:
    return {
        "spec": delay.spec,
        "position": delay.position,
        "drawn_seconds": delay.drawn_seconds,
        "after_seconds": delay.after_seconds,
        "duration_seconds": delay.duration_seconds,
    }


def _fault_time(time: FaultTime) -> dict[str, Any]:
    return {"fault": time.fault, "after_seconds": time.after_seconds, "duration_seconds": time.duration_seconds}

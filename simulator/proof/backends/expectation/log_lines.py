"""The lines that the logs of a run must have; what writes them is `simulator.telemetry.logs`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from simulator.proof.backends.expectation.records import ExpectedLine
from simulator.proof.backends.expectation.spans import read_object
from simulator.proof.backends.expectation.tables import Row, TruthRows, is_told, key_of
from simulator.proof.own_lines import OwnLine, own_lines
from simulator.telemetry.catalogue import events
from simulator.topology.model import LogLevel, Topology


def expected_lines(rows: TruthRows) -> Iterator[ExpectedLine]:
    """Yield a line for each message that arrived, was sent or was handled, for each injected fault and each retry.

    Those that a service logs itself, too, unless some of them are of the level debug: whether a stage logs that is not
    known.
    """
    own = _OwnLines(rows.topology)
    for visit in rows.visits:
        arrived = int(visit["received_unix_ns"])
        ended = arrived + round(visit["duration_seconds"] * 1e9)
        yield _line(visit, events.MESSAGE_RECEIVED.name, arrived, {"via": visit["via"]})
        for line in own.of(visit):
            yield _line(visit, events.SERVICE_LOG.name, ended, {"message": line.text})
        for fault in visit["faults"] or ():
            yield _line(visit, events.FAULT_INJECTED.name, ended, {"fault": fault})
        for attempt in rows.attempts.get(key_of(visit), ()):
            if attempt["retry_in_seconds"] is not None:
                keys = {"downstream": attempt["downstream"], "outcome": attempt["outcome"], "code": attempt["code"]}
                yield _line(visit, events.ATTEMPT_FAILED.name, ended, keys | {"attempt": attempt["number"]})
        made = Counter(attempt["position"] for attempt in rows.attempts.get(key_of(visit), ()))
        for call in filter(is_told, rows.calls.get(key_of(visit), ())):
            keys = {"downstream": call["downstream"], "outcome": call["outcome"], "code": call["code"]}
            keys |= {"attempts": made[call["position"]], "duration_seconds": round(call["duration_seconds"], 6)}
            yield _line(visit, events.MESSAGE_SENT.name, ended, keys)
        yield _line(visit, events.MESSAGE_HANDLED.name, ended, _handled(visit))


class _OwnLines:
    def __init__(self, topology: Topology) -> None:
        operations = {name: stage.all_operations for name, stage in topology.stages.items()}
        logs = [line for of_stage in operations.values() for operation in of_stage.values() for line in operation.log]
        has_some = bool(logs) and not any(line.level is LogLevel.DEBUG for line in logs)
        self._operations = operations if has_some else {}

    def of(self, visit: Row) -> Iterable[OwnLine]:
        operation = self._operations.get(visit["stage"], {}).get(visit["operation"])
        if operation is None or not operation.log:
            return ()
        objects = {key: read_object(visit[key]) for key in ("decisions", "attributes")}
        return own_lines(operation, visit["operation"], {**visit, **objects})


def _line(visit: Row, event: str, at_unix_ns: int, keys: Mapping[str, Any]) -> ExpectedLine:
    named = {"operation": visit["operation"]} if visit["operation"] and event in _WITH_OPERATION else {}
    return ExpectedLine(
        stage=visit["stage"],
        event=event,
        message_id=visit["message_id"],
        span_id=visit["span_id"],
        since_unix_ns=visit["received_unix_ns"],
        at_unix_ns=at_unix_ns,
        keys={**_ids(visit), **named, **keys},
    )


def _ids(visit: Row) -> dict[str, str]:
    traced = {"trace_id": visit["trace_id"], "span_id": visit["span_id"]} if visit["trace_id"] else {}
    return {"stage": visit["stage"], "message_id": visit["message_id"], **traced}


def _handled(visit: Row) -> dict[str, Any]:
    keys = {
        "outcome": visit["outcome"],
        "code": visit["code"],
        "queue_wait_seconds": _rounded(visit["queue_wait_seconds"]),
        "delay_drawn_seconds": _rounded(visit["delay_drawn_seconds"]),
        "overhead_seconds": _rounded(visit["overhead_seconds"]),
        "downstream_seconds": _rounded(visit["downstream_seconds"]),
        "duration_seconds": _rounded(visit["duration_seconds"]),
        "body_bytes": visit["body_bytes"],
    }
    if visit["faults"]:
        keys["fault"] = ",".join(visit["faults"])
    decisions, attributes = read_object(visit["decisions"]), read_object(visit["attributes"])
    return keys | ({"decisions": decisions} if decisions else {}) | ({"attributes": attributes} if attributes else {})


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


_WITH_OPERATION = (events.MESSAGE_RECEIVED.name, events.SERVICE_LOG.name, events.MESSAGE_HANDLED.name)

"""The spans that a visit of a message must have in a backend; what makes them is `simulator.telemetry.traces`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from simulator.net.status import is_success
from simulator.proof.backends.expectation.naming import SpanNames
from simulator.proof.backends.expectation.positions import call_at
from simulator.proof.backends.expectation.records import ANY_VALUE, ExpectedSpan, ExpectedVisit, SpanPart
from simulator.proof.backends.expectation.tables import Row, TruthRows, key_of
from simulator.proof.backends.held import CLIENT, INTERNAL, SERVER
from simulator.telemetry.record import MIN_WAIT_SPAN_SECONDS, CallOutcome, Outcome, Via
from simulator.telemetry.traces import ROOT
from simulator.topology.model import Forward

_FAILURES = (Outcome.FAILED, Outcome.FAULTED, Outcome.BROKEN_OFF)
_SERVER_ERROR, _CLIENT_ERROR = 500, 400


class VisitSpans:
    """The expected spans of the visits of a run."""

    def __init__(self, rows: TruthRows) -> None:
        self._rows = rows
        self._stages = rows.topology.stages
        self._names = SpanNames(rows.topology)

    def of(self, visit: Row) -> ExpectedVisit | None:
        """Return the spans of a visit; None if it has none: it is not sampled, or its stage makes none for it."""
        if visit["stage"] not in self._stages or not visit["sampled"] or not visit["trace_id"]:
            return None
        spans = self._around(visit)
        if spans:
            spans += self._inner(visit)
        spans += self._calls(visit, len(spans))
        return self._visit(visit, spans) if spans else None

    def _around(self, visit: Row) -> list[ExpectedSpan]:
        """Return the span in which a message is handled, and that of its request if it is another one."""
        has_server = self._stages[visit["stage"]].has_server_span or visit["via"] != Via.HTTP
        own = self._own(visit)
        if own.part is not SpanPart.ACCEPTED:
            return [own] if has_server else []
        return [own, self._server_of_accepted(visit)] if has_server else [own]

    def _visit(self, visit: Row, spans: list[ExpectedSpan]) -> ExpectedVisit:
        return ExpectedVisit(
            stage=visit["stage"],
            message_id=visit["message_id"],
            visit=visit["visit"],
            trace_id=visit["trace_id"],
            span_id=visit["span_id"],
            start_unix_ns=_start(visit),
            end_unix_ns=_after(visit, visit["duration_seconds"]),
            spans=tuple(spans),
        )

    def _own(self, visit: Row) -> ExpectedSpan:
        """Return the span in which a message is handled."""
        code = visit["code"]
        is_failure = visit["outcome"] in _FAILURES
        own = ExpectedSpan(
            part=SpanPart.SERVER,
            stage=visit["stage"],
            name="",
            kind=SERVER,
            span_id=visit["span_id"],
            start_unix_ns=_start(visit),
            end_unix_ns=_after(visit, visit["duration_seconds"]),
            attributes=self._facts(visit),
            is_error=is_failure or (code is not None and code >= _SERVER_ERROR),
        )
        if visit["via"] != Via.HTTP:
            name = self._stages[visit["stage"]].span or ROOT
            return replace(
                own,
                part=SpanPart.INJECT,
                kind=INTERNAL,
                name=name,
                is_error=is_failure,
                attributes={**own.attributes, "simulator.injector.lag_seconds": ANY_VALUE},
            )
        if self._is_accepted(visit):
            return replace(
                own, part=SpanPart.ACCEPTED, kind=INTERNAL, name="accepted", start_unix_ns=None, is_error=is_failure
            )
        name, attributes = self._names.server(visit["stage"], visit["operation"])
        status = {} if code is None else {"http.response.status_code": code}
        return replace(own, name=name, attributes={**own.attributes, **attributes, **status})

    def _is_accepted(self, visit: Row) -> bool:
        operation = self._stages[visit["stage"]].all_operations.get(visit["operation"])
        return visit["answer_seconds"] is not None or (operation is not None and operation.forward is Forward.ACCEPT)

    def _server_of_accepted(self, visit: Row) -> ExpectedSpan:
        """Return the span of the request that was answered while the message is handled."""
        name, attributes = self._names.server(visit["stage"], visit["operation"])
        code = visit["code"]
        return ExpectedSpan(
            part=SpanPart.SERVER,
            stage=visit["stage"],
            name=name,
            kind=SERVER,
            start_unix_ns=_start(visit),
            attributes=attributes if code is None else {**attributes, "http.response.status_code": code},
            is_error=code is not None and code >= _SERVER_ERROR,
        )

    def _facts(self, visit: Row) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "simulator.stage": visit["stage"],
            "simulator.role": str(self._stages[visit["stage"]].role),
            "simulator.message_id": visit["message_id"],
            "simulator.outcome": visit["outcome"],
            "simulator.overhead_seconds": visit["overhead_seconds"],
        }
        if visit["operation"]:
            facts["simulator.operation"] = visit["operation"]
        facts |= read_object(visit["attributes"])
        facts |= {f"simulator.decision.{name}": value for name, value in read_object(visit["decisions"]).items()}
        if visit["faults"]:
            facts["simulator.fault"] = ",".join(visit["faults"])
        if round(visit["reading_seconds"], 6):
            facts["simulator.reading_seconds"] = visit["reading_seconds"]
        if visit["queue_wait_seconds"] is not None:
            facts["simulator.queue_wait_seconds"] = visit["queue_wait_seconds"]
        if visit["delay_drawn_seconds"] is not None:
            facts |= _delay(visit["delay_drawn_seconds"], visit["delay_spec"])
            facts["simulator.processing_seconds"] = visit["own_seconds"]
        return facts

    def _inner(self, visit: Row) -> Iterator[ExpectedSpan]:
        """Yield the spans of what took time inside."""
        waited = visit["queue_wait_seconds"]
        if waited is None:
            return
        before = visit["reading_seconds"]
        working = before + waited
        if waited >= MIN_WAIT_SPAN_SECONDS:
            yield _inner(visit, SpanPart.QUEUE_WAIT, "queue.wait", (before, working))
        drawn = visit["delay_drawn_seconds"]
        if drawn is None:
            return
        if drawn > 0 or visit["has_worked"]:
            times = (working, max(working, visit["processed_seconds"]))
            yield _inner(visit, SpanPart.PROCESS, "process", times, _delay(drawn, visit["delay_spec"]))
        for time in self._rows.fault_times.get(key_of(visit), ()):
            fault = time["fault"]
            yield _inner(visit, SpanPart.FAULT, f"fault.{fault}", _times(time), {"simulator.fault": fault})
        for delay in self._rows.step_delays.get(key_of(visit), ()):
            drawn_between = _delay(delay["drawn_seconds"], delay["spec"])
            yield _inner(visit, SpanPart.DELAY, "delay", _times(delay), drawn_between)

    def _calls(self, visit: Row, first: int) -> list[ExpectedSpan]:
        """Return the spans of calls and attempts; `first` is the place of the first one in the visit."""
        spans: list[ExpectedSpan] = []
        attempts: dict[str, list[Row]] = {}
        for attempt in self._rows.attempts.get(key_of(visit), ()):
            attempts.setdefault(attempt["position"], []).append(attempt)
        operation = self._stages[visit["stage"]].all_operations.get(visit["operation"])
        for made in self._rows.calls.get(key_of(visit), ()):
            call = None if operation is None else call_at(operation.calls, made["position"])
            within = None
            if call is not None and (call.retries.count or call.hedge_seconds):
                within = first + len(spans)
                spans.append(self._call(visit, made, len(attempts.get(made["position"], ()))))
            for attempt in attempts.pop(made["position"], ()):
                spans.append(self._attempt(visit, attempt, within))
        return spans

    def _call(self, visit: Row, made: Row, attempts: int) -> ExpectedSpan:
        name, attributes = self._names.call(made["downstream"], made["operation"])
        is_broken_off = made["outcome"] == CallOutcome.ABANDONED
        if is_broken_off:  # the stage was stopped before it could say anything about the call
            attributes = {}
        else:
            attributes |= {"simulator.call.outcome": made["outcome"], "simulator.call.attempts": attempts}
        return ExpectedSpan(
            part=SpanPart.CALL,
            stage=visit["stage"],
            name=name,
            kind=INTERNAL,
            parent_id=visit["span_id"],
            attributes=attributes,
            is_error=made["outcome"] != CallOutcome.OK and not is_broken_off,
        )

    def _attempt(self, visit: Row, attempt: Row, within: int | None) -> ExpectedSpan:
        called, of, code = attempt["downstream"], attempt["operation"], attempt["code"]
        name, attributes = self._names.client(visit["stage"], visit["operation"], called, of)
        if self._names.is_database(called, of):
            if code is not None and not is_success(code):
                attributes["db.response.status_code"] = str(code)
            is_error = code is None or not is_success(code)
        else:
            attributes |= {} if code is None else {"http.response.status_code": code}
            attributes |= {"http.request.resend_count": attempt["number"] - 1} if attempt["number"] > 1 else {}
            # An attempt that was abandoned for another one has not failed.
            is_error = code >= _CLIENT_ERROR if code is not None else attempt["outcome"] != CallOutcome.ABANDONED
        return ExpectedSpan(
            part=SpanPart.CLIENT,
            stage=visit["stage"],
            name=name,
            kind=CLIENT,
            parent_id="" if within is not None else visit["span_id"],
            within=within,
            calls=attempt["called_visit"] or "",
            attributes=attributes,
            is_error=is_error,
        )


def read_object(text: Any) -> Mapping[str, Any]:
    """Return the object in a column of JSON, which may be read already; empty for none."""
    if isinstance(text, (str, bytes)):
        text = orjson.loads(text) if text else {}
    return text or {}


def _inner(
    visit: Row, part: SpanPart, name: str, times: tuple[float, float], attributes: Mapping[str, Any] | None = None
) -> ExpectedSpan:
    return ExpectedSpan(
        part=part,
        stage=visit["stage"],
        name=name,
        kind=INTERNAL,
        parent_id=visit["span_id"],
        start_unix_ns=_after(visit, times[0]),
        end_unix_ns=_after(visit, times[1]),
        attributes=attributes or {},
    )


def _times(row: Row) -> tuple[float, float]:
    return row["after_seconds"], row["after_seconds"] + row["duration_seconds"]


def _delay(drawn_seconds: float, spec: str) -> dict[str, Any]:
    return {"simulator.delay.drawn_seconds": drawn_seconds, "simulator.delay.spec": spec}


def _start(visit: Row) -> int:
    """Return when the span of a visit begins: of an injector's message when it was due."""
    if visit["via"] == Via.HTTP or visit["due_at"] is None:
        return _after(visit, 0.0)
    return _after(visit, visit["due_at"] - visit["received_at"])


def _after(visit: Row, seconds: float) -> int:
    arrived: int = visit["received_unix_ns"]
    return arrived + round(seconds * 1e9)

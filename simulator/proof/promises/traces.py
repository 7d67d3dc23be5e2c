"""Traces: each one tree, each visit under the attempt that caused it, and as many spans as the truth implies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from simulator.proof.promises.draws import step_at
from simulator.proof.promises.evidence import Evidence
from simulator.proof.promises.finding import Finding
from simulator.proof.promises.signal_files import SpanRow
from simulator.telemetry.record import MIN_WAIT_SPAN_SECONDS
from simulator.topology.model import Forward
from simulator.topology.steps import Call

TREES, PARENTS, SPANS = "whole traces", "parents of spans", "spans = truth"
_INTERNAL, _SERVER, _CLIENT = 1, 2, 3
_KINDS = {_SERVER: "server", _CLIENT: "client"}
_VISITS = """
    SELECT v.stage, v.operation, v.message_id, v.visit, v.caller, v.via, v.trace_id, v.span_id,
           v.queue_wait_seconds AS wait, v.delay_drawn_seconds AS drawn, v.has_worked, len(v.faults) AS faults,
           (SELECT count(*) FROM fault_times f WHERE f.stage = v.stage AND f.message_id = v.message_id
            AND f.visit = v.visit) AS fault_times,
           (SELECT count(*) FROM step_delays d WHERE d.stage = v.stage AND d.message_id = v.message_id
            AND d.visit = v.visit) AS step_delays
    FROM visits v WHERE v.sampled ORDER BY v.received_at, v.visit
"""
_CAUSES = """
    SELECT a.downstream, a.message_id, a.called_visit, a.stage, a.visit FROM attempts a
"""
_ATTEMPTS = (
    "SELECT v.trace_id, a.stage, count(*) FROM attempts a JOIN visits v USING (stage, message_id, visit) "
    "WHERE v.sampled GROUP BY ALL"
)
_CALLS = (
    "SELECT v.trace_id, c.stage, v.operation, c.position, count(*) FROM calls c "
    "JOIN visits v USING (stage, message_id, visit) WHERE v.sampled GROUP BY ALL"
)

VisitId = tuple[str, str, str]  # stage, message and visit
SpanId = tuple[str, str]  # trace and span
Expected = Counter[tuple[str, str, str]]  # trace, stage and what kind of span


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitSpan:
    """A visit with the span in which it was handled; `is_own` means that the stage made that span itself."""

    of: VisitId
    operation: str
    caller: str
    span: SpanId
    is_own: bool
    is_accepted: bool
    is_root: bool
    inner: Mapping[str, int]


def judge_traces(evidence: Evidence, alpha: float) -> Iterator[Finding]:
    """Yield the findings of all traces, and of the spans of each stage."""
    del alpha
    reason = evidence.gap or _why_not(evidence)
    if reason:
        yield from (Finding(promise=name, subject="every trace").not_judged(reason) for name in (TREES, PARENTS, SPANS))
        return
    traces = _Traces(evidence)
    yield traces.trees()
    yield traces.parents()
    yield from traces.counts()


def _why_not(evidence: Evidence) -> str:
    if evidence.is_virtual:
        return "no spans are made in virtual time"
    if evidence.telemetry is None:
        return "the run wrote no spans to files: run --telemetry DIR"
    dropped = sum(evidence.report.get("spans_dropped", {}).values())
    return f"{dropped:,} spans did not reach the files, as the report says" if dropped else ""


class _Traces:
    """The spans of a run beside the visits of its truth."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._spans: dict[SpanId, SpanRow] = {(span.trace_id, span.span_id): span for span in evidence.spans}
        self._visits = {visit.of: visit for visit in _visits(evidence)}
        self._own = {visit.span: visit for visit in self._visits.values() if visit.is_own}

    @cached_property
    def _causes(self) -> dict[VisitId, VisitId]:
        """Return the visit of the caller by the visit that it caused."""
        rows = self._evidence.truth.rows(_CAUSES)
        return {(called, ident, caused): (stage, ident, visit) for called, ident, caused, stage, visit in rows}

    def trees(self) -> Finding:
        """Judge that every span has its parent in its trace, and that each trace has one root."""
        roots: Counter[str] = Counter()
        orphans = []
        for span in self._evidence.spans:
            if not span.parent_id:
                roots[span.trace_id] += 1
            elif (span.trace_id, span.parent_id) not in self._spans:
                visit = self._own.get((span.trace_id, span.span_id))
                if visit is None or visit.caller != "outside":
                    orphans.append(span)
        several = [trace_id for trace_id, count in roots.items() if count > 1]
        twice = len(self._evidence.spans) - len(self._spans)
        example = ""
        if orphans:
            example = f"{orphans[0].service}: {orphans[0].name} of trace {orphans[0].trace_id} has no parent there"
        elif several:
            example = f"trace {several[0]} has {roots[several[0]]} roots"
        elif twice:
            example = f"{twice:,} spans are there twice"
        return Finding(
            promise=TREES,
            subject="every trace",
            configured="one tree for each message",
            injected=f"{len({visit.span[0] for visit in self._visits.values()}):,} messages",
            observed=f"{len({span.trace_id for span in self._evidence.spans}):,} traces, {len(self._spans):,} spans",
            test="parents looked up",
            checked=len(self._evidence.spans),
        ).exact(len(orphans) + len(several) + twice, example)

    def parents(self) -> Finding:
        """Judge that the span of each visit is below the client's span of the attempt that caused it."""
        wrong, checked = [], 0
        for visit in self._own.values():
            span = self._spans.get(visit.span)
            if span is None or visit.caller == "outside":
                continue
            checked += 1
            attempt = self._parent(self._parent(span) if visit.is_accepted and self._has_server(visit) else span)
            is_right = attempt is not None and attempt.kind == _CLIENT and attempt.service == visit.caller
            if not is_right or self._owner_of(attempt) != self._owner_of_caller(visit.of):
                wrong.append(visit)
        example = ""
        if wrong:
            stage, ident, _ = wrong[0].of
            example = f"the span of {stage} for message {ident} is not below the attempt of {wrong[0].caller}"
        return Finding(
            promise=PARENTS,
            subject="every visit",
            configured="below the attempt that caused it",
            observed=f"{checked - len(wrong):,} of {checked:,}",
            test="ancestors followed to the caller's visit",
            checked=checked,
        ).exact(len(wrong), example)

    def counts(self) -> Iterator[Finding]:
        """Judge for each stage that it has made as many spans of each kind as the truth implies, in every trace."""
        expected, found = self._expected(), self._found()
        stages = sorted({stage for _, stage, _ in expected | found})
        for stage in stages:
            due = {key: count for key, count in expected.items() if key[1] == stage}
            made = {key: count for key, count in found.items() if key[1] == stage}
            wrong = [key for key in due.keys() | made.keys() if due.get(key, 0) != made.get(key, 0)]
            example = ""
            if wrong:
                key = min(wrong)
                example = f"trace {key[0]} has {made.get(key, 0)} spans {key[2]} of it, not {due.get(key, 0)}"
            yield Finding(
                promise=SPANS,
                subject=stage,
                configured="as many as the truth implies",
                injected=f"{sum(due.values()):,} spans",
                observed=f"{sum(made.values()):,} spans",
                test="spans of each kind counted in each trace",
                checked=sum(due.values()),
            ).exact(len(wrong), example)

    def _parent(self, span: SpanRow | None) -> SpanRow | None:
        return None if span is None else self._spans.get((span.trace_id, span.parent_id))

    def _has_server(self, visit: VisitSpan) -> bool:
        return self._evidence.topology.stages[visit.of[0]].has_server_span

    def _owner_of(self, span: SpanRow | None) -> VisitId | None:
        """Return the visit whose span is the nearest above, or this one."""
        for _ in range(len(self._spans)):
            if span is None:
                return None
            if (visit := self._own.get((span.trace_id, span.span_id))) is not None:
                return visit.of
            span = self._parent(span)
        return None

    def _owner_of_caller(self, of: VisitId) -> VisitId | None:
        """Return the nearest visit above that has a span of its own."""
        cause = self._causes.get(of)
        while cause is not None and cause in self._visits and not self._visits[cause].is_own:
            cause = self._causes.get(cause)
        return cause

    def _expected(self) -> Expected:
        expected: Expected = Counter()
        for visit in self._visits.values():
            trace_id, stage = visit.span[0], visit.of[0]
            if self._has_server(visit) or visit.is_root:
                expected[trace_id, stage, "root" if visit.is_root else "server"] += 1
            if visit.is_accepted:
                expected[trace_id, stage, "accepted"] += 1
            if visit.is_own:
                for kind, count in visit.inner.items():
                    expected[trace_id, stage, kind] += count
        for trace_id, stage, count in self._evidence.truth.rows(_ATTEMPTS):
            expected[trace_id, stage, "client"] += count
        stages = self._evidence.topology.stages
        for trace_id, stage, operation, position, count in self._evidence.truth.rows(_CALLS):
            call = step_at(stages[stage].all_operations[operation], position)
            if isinstance(call, Call) and (call.retries.count or call.hedge_seconds):
                expected[trace_id, stage, "call"] += count
        return +expected

    def _found(self) -> Expected:
        known = {visit.span[0] for visit in self._visits.values()}
        roots = {visit.span for visit in self._visits.values() if visit.is_root}
        return Counter(
            (span.trace_id, span.service, _kind(span, roots)) for span in self._evidence.spans if span.trace_id in known
        )


def _kind(span: SpanRow, roots: set[SpanId]) -> str:
    if span.kind != _INTERNAL:
        return _KINDS.get(span.kind, str(span.kind))
    if (span.trace_id, span.span_id) in roots:
        return "root"
    return span.name.partition(" ")[0].partition(".")[0] if span.name.startswith(("call ", "fault.")) else span.name


def _visits(evidence: Evidence) -> Iterator[VisitSpan]:
    rows = evidence.truth.rows(_VISITS)
    for stage, operation, ident, visit, caller, via, trace_id, span_id, wait, drawn, worked, _, faults, delays in rows:
        model = evidence.topology.stages[stage]
        is_accepted = via == "http" and model.all_operations[operation].forward is Forward.ACCEPT
        has_inner = wait is not None and drawn is not None
        inner = {
            "queue.wait": int(wait is not None and wait >= MIN_WAIT_SPAN_SECONDS),
            "process": int(has_inner and (drawn > 0 or worked)),
            "fault": faults if has_inner else 0,
            "delay": delays if has_inner else 0,
        }
        yield VisitSpan(
            of=(stage, ident, visit),
            operation=operation,
            caller=caller,
            span=(trace_id, span_id),
            is_own=model.has_server_span or is_accepted or via != "http",
            is_accepted=is_accepted,
            is_root=via != "http",
            inner=inner,
        )

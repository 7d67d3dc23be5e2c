"""Logs: a line for each event of the truth, and in each line what the truth has."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from simulator.proof.own_lines import OwnLine, own_lines
from simulator.proof.promises.evidence import Evidence
from simulator.proof.promises.finding import Finding
from simulator.topology.model import LogLevel

LINES, VALUES, OWN = "log lines = truth", "values of log lines = truth", "own log lines = truth"
# Lines have six digits after the point.
_ROUNDING_SECONDS = 0.6e-6
_TRUE_COUNTS = """
    SELECT stage, 'message.received' AS event, count(*) AS count FROM visits GROUP BY stage
    UNION ALL SELECT stage, 'message.handled', count(*) FROM visits GROUP BY stage
    UNION ALL SELECT stage, 'fault.injected', sum(len(faults)) FROM visits GROUP BY stage
    UNION ALL SELECT stage, 'message.sent', count(*) FROM calls WHERE outcome <> 'abandoned' GROUP BY stage
    UNION ALL SELECT stage, 'attempt.failed', count(retry_in_seconds) FROM attempts GROUP BY stage
"""
_LOGGED_COUNTS = "SELECT stage, event, count(*) FROM log_lines GROUP BY ALL"
_HANDLED = """
    SELECT stage, line ->> 'message_id' AS message_id, line ->> 'span_id' AS span_id, line ->> 'outcome' AS outcome,
           (line ->> 'code')::BIGINT AS code, (line ->> 'body_bytes')::BIGINT AS body_bytes,
           (line ->> 'queue_wait_seconds')::DOUBLE AS queue_wait_seconds,
           (line ->> 'delay_drawn_seconds')::DOUBLE AS delay_drawn_seconds,
           (line ->> 'processing_seconds')::DOUBLE AS processing_seconds,
           (line ->> 'overhead_seconds')::DOUBLE AS overhead_seconds,
           (line ->> 'downstream_seconds')::DOUBLE AS downstream_seconds,
           (line ->> 'duration_seconds')::DOUBLE AS duration_seconds
    FROM log_lines WHERE event = 'message.handled'
"""
_OWN = """
    SELECT stage, line ->> 'message_id', line ->> 'level', line ->> 'message' FROM log_lines
    WHERE event = 'service.log'
"""
_OF_OWN = """
    SELECT message_id, delay_drawn_seconds, decisions::VARCHAR AS decisions, attributes::VARCHAR AS attributes
    FROM visits WHERE stage = ? AND operation = ?
"""
_TIMES = (
    *(("queue_wait_seconds", "v.queue_wait_seconds"), ("delay_drawn_seconds", "v.delay_drawn_seconds")),
    ("processing_seconds", "CASE WHEN v.delay_drawn_seconds IS NULL THEN 0 ELSE v.own_seconds END"),
    *(("overhead_seconds", "v.overhead_seconds"), ("downstream_seconds", "v.downstream_seconds")),
    ("duration_seconds", "v.duration_seconds"),
)


def judge_logs(evidence: Evidence, alpha: float) -> Iterator[Finding]:
    """Yield the findings of each stage."""
    del alpha
    reason = evidence.gap or _why_not(evidence)
    if reason:
        yield from (Finding(promise=name, subject="every stage").not_judged(reason) for name in (LINES, VALUES, OWN))
        return
    logged = {(stage, event): count for stage, event, count in evidence.log_rows(_LOGGED_COUNTS)}
    if not any(event == "message.received" for _, event in logged):
        yield Finding(promise=LINES, subject="every stage").not_judged("lines of the level info are not logged")
        return
    due: dict[str, dict[str, int]] = {}
    for stage, event, count in evidence.truth.rows(_TRUE_COUNTS):
        due.setdefault(stage, {})[event] = int(count or 0)
    for stage in sorted(due):
        yield _lines(stage, due[stage], {event: logged.get((stage, event), 0) for event in due[stage]})
    yield from _values(evidence)
    yield from _own(evidence)


def _why_not(evidence: Evidence) -> str:
    report = evidence.report
    lost = sum((*report.get("log_lines_dropped", {}).values(), *report.get("log_lines_deleted", {}).values()))
    return f"{lost:,} lines are missing in the logs, as the report says" if lost else ""


def _lines(stage: str, due: dict[str, int], logged: dict[str, int]) -> Finding:
    wrong = [event for event in due if due[event] != logged[event]]
    example = "; ".join(f"{logged[event]:,} lines {event}, not {due[event]:,}" for event in wrong)
    return Finding(
        promise=LINES,
        subject=stage,
        configured="a line for each event",
        injected=f"{sum(due.values()):,} events",
        observed=f"{sum(logged.values()):,} lines",
        test="lines counted by event",
        checked=sum(due.values()),
    ).exact(len(wrong), example)


def _values(evidence: Evidence) -> Iterator[Finding]:
    differ = [
        f"abs(l.{name} - ({true})) > {_ROUNDING_SECONDS} OR (l.{name} IS NULL) <> (({true}) IS NULL)"
        for name, true in _TIMES
    ]
    differ += [f"l.{name} IS DISTINCT FROM v.{name}" for name in ("outcome", "code", "body_bytes")]
    query = f"""
        SELECT v.stage, count(*), count(*) FILTER (l.stage IS NULL OR {" OR ".join(differ)}),
               min(v.message_id) FILTER (l.stage IS NULL OR {" OR ".join(differ)})
        FROM visits v LEFT JOIN ({_HANDLED}) l
          ON l.stage = v.stage AND l.message_id = v.message_id AND coalesce(l.span_id, '') = v.span_id
        GROUP BY v.stage ORDER BY v.stage
    """
    for stage, count, wrong, example in evidence.log_rows(query):
        yield Finding(
            promise=VALUES,
            subject=stage,
            configured="message.handled = truth",
            observed=f"{count - wrong:,} of {count:,} lines",
            test="outcome, status, size and every duration compared",
            checked=count,
        ).exact(wrong, f"that of message {example}")


def _own(evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding of each stage that logs lines of its own: each has the text that its message gives it."""
    logged: dict[str, Counter[tuple[str, OwnLine]]] = {}
    for stage, message_id, level, text in evidence.log_rows(_OWN):
        logged.setdefault(stage, Counter())[message_id, OwnLine(LogLevel(level), text)] += 1
    due: dict[str, Counter[tuple[str, OwnLine]]] = {}
    for stage, name, operation in evidence.operations():
        if operation.log:
            of_stage = due.setdefault(stage, Counter())
            for message_id, delay, *objects in evidence.truth.rows(_OF_OWN, [stage, name]):
                decisions, attributes = (json.loads(text) if text else {} for text in objects)
                visit = {"message_id": message_id, "delay_drawn_seconds": delay}
                lines = own_lines(operation, name, {**visit, "decisions": decisions, "attributes": attributes})
                of_stage.update((message_id, line) for line in lines)
    for stage in sorted(due.keys() | logged.keys()):
        yield _own_of(evidence, stage, due.get(stage, Counter()), logged.get(stage, Counter()))


def _own_of(
    evidence: Evidence, stage: str, due: Counter[tuple[str, OwnLine]], logged: Counter[tuple[str, OwnLine]]
) -> Finding:
    if not any(line.level is LogLevel.DEBUG for _, line in logged):
        # A stage that logs from info on leaves out what is below.
        due = Counter({key: count for key, count in due.items() if key[1].level is not LogLevel.DEBUG})
    finding = Finding(
        promise=OWN,
        subject=stage,
        configured="the lines of its `log`",
        injected=f"{due.total():,} lines",
        observed=f"{logged.total():,} lines",
        test="level and text of each line made again from the truth",
        checked=max(due.total(), logged.total()),
    )
    if stage in evidence.changed:
        return finding.not_judged("the stage was changed while it ran")
    wrong = (due - logged) + (logged - due)
    message_id, line = next(iter(wrong), ("", None))
    return finding.exact(wrong.total(), "" if line is None else f"{line.level} {line.text!r} of message {message_id}")

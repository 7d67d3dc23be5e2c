"""Messages and attempts: nothing lost, nothing doubled, no retry that nobody announced, none more than allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simulator.behaviour.retries import RESERVE
from simulator.proof.promises.draws import step_at, without_times
from simulator.proof.promises.evidence import Evidence, subject_of
from simulator.proof.promises.finding import Finding
from simulator.proof.promises.texts import milliseconds
from simulator.topology.steps import Call

LOST, DOUBLED, UNANNOUNCED, COUNT, PAUSES, BUDGETS, WAITED = (
    "no message lost",
    "no message doubled",
    "no unannounced attempt",
    "retries as configured",
    "pauses of retries as drawn",
    "retry budgets",
    "callers wait for their answers",
)
_ROUNDING_SECONDS = 1e-6
# Live an answer is on its way, and the stage that sent it may be held up before it looks at the clock.
_LATE_LOOK_SECONDS, _LATE_LOOK_RATIO = 0.001, 0.05
# A row of attempts; where a call is made in a topology, and by which message it was made, at which position.
Row = tuple[Any, ...]
Place = tuple[str, str, str]
Made = tuple[str, str, str]
_ANSWERED = """
    SELECT a.stage, a.downstream, a.message_id, a.called_visit, a.number, count(v.visit) AS visits
    FROM attempts a LEFT JOIN visits v
      ON v.stage = a.downstream AND v.message_id = a.message_id AND v.visit = a.called_visit
    WHERE a.outcome IN ('ok', 'error_status') AND list_contains(?, a.downstream)
    GROUP BY ALL ORDER BY ALL
"""
_VISITS = "SELECT stage, message_id, visit, count(*) AS times FROM visits GROUP BY ALL ORDER BY ALL"
_CAUSES = """
    SELECT v.stage, v.caller, v.message_id, v.visit, count(a.number) AS attempts
    FROM visits v LEFT JOIN attempts a
      ON a.stage = v.caller AND a.downstream = v.stage AND a.message_id = v.message_id AND a.called_visit = v.visit
    WHERE v.caller <> 'outside' GROUP BY ALL ORDER BY ALL
"""
_ATTEMPTS = """
    SELECT a.stage, v.operation, a.instance, a.message_id, a.visit, a.position, a.number, a.outcome, a.ending,
           a.duration_seconds, a.retry_in_seconds, c.duration_seconds
    FROM attempts a JOIN visits v USING (stage, message_id, visit)
         JOIN calls c USING (stage, message_id, visit, position)
    ORDER BY a.stage, v.operation, a.message_id, a.visit, a.position, a.number
"""
_CALLS = """
    SELECT c.stage, v.operation, c.instance, c.position, count(*)
    FROM calls c JOIN visits v USING (stage, message_id, visit) GROUP BY ALL ORDER BY ALL
"""
_WAITS = """
    SELECT a.stage, a.downstream, count(*) AS answered, median(a.duration_seconds - took) AS usual,
           count(*) FILTER (a.duration_seconds < took - ?) AS shorter, min(a.duration_seconds - took) AS least
    FROM attempts a JOIN (
        SELECT stage, message_id, visit, coalesce(answer_seconds, duration_seconds) AS took FROM visits
        WHERE NOT list_has_any(faults, ['truncate', 'slow_body'])
    ) v ON v.stage = a.downstream AND v.message_id = a.message_id AND v.visit = a.called_visit
    WHERE a.outcome IN ('ok', 'error_status') GROUP BY ALL ORDER BY ALL
"""


def judge_attempts(evidence: Evidence, alpha: float) -> Iterator[Finding]:
    """Yield the findings of the whole run, and of each call."""
    del alpha
    if evidence.gap:
        yield from (
            Finding(promise=name, subject="every message").not_judged(evidence.gap)
            for name in (LOST, DOUBLED, UNANNOUNCED)
        )
        return
    yield _lost(evidence)
    yield _doubled(evidence)
    yield _unannounced(evidence)
    yield from _retries(evidence)
    yield from _waits(evidence)


def _lost(evidence: Evidence) -> Finding:
    rows = evidence.truth.rows(_ANSWERED, [sorted(evidence.started)])
    wrong = [row for row in rows if row[5] == 0]
    example = "{0} -> {1}: message {2} was answered, but {1} knows nothing of it".format(*wrong[0]) if wrong else ""
    return Finding(
        promise=LOST,
        subject="every call",
        configured="each answered attempt has its visit",
        injected=f"{len(rows):,} answered attempts",
        observed=f"{sum(row[5] > 0 for row in rows):,} with a visit",
        test="attempts joined with visits",
        checked=len(rows),
    ).exact(len(wrong), example)


def _doubled(evidence: Evidence) -> Finding:
    rows = evidence.truth.rows(_VISITS)
    wrong = [row for row in rows if row[3] > 1]
    example = f"{wrong[0][0]} handled one visit of message {wrong[0][1]} {wrong[0][3]} times" if wrong else ""
    return Finding(
        promise=DOUBLED,
        subject="every stage",
        configured="each visit is handled once",
        injected=f"{len(rows):,} visits",
        observed=f"{sum(row[3] for row in rows):,} handled",
        test="visits counted by their ids",
        checked=len(rows),
    ).exact(len(wrong), example)


def _unannounced(evidence: Evidence) -> Finding:
    rows = evidence.truth.rows(_CAUSES)
    wrong = [row for row in rows if row[4] != 1]
    example = (
        "{0} was visited by message {2} of {1}, whose attempts do not have that visit".format(*wrong[0])
        if wrong
        else ""
    )
    return Finding(
        promise=UNANNOUNCED,
        subject="every call",
        configured="each visit has its attempt",
        injected=f"{len(rows):,} visits",
        observed=f"{sum(row[4] == 1 for row in rows):,} with one attempt",
        test="visits joined with attempts",
        checked=len(rows),
    ).exact(len(wrong), example)


def _retries(evidence: Evidence) -> Iterator[Finding]:
    made: dict[Place, dict[Made, list[Row]]] = {}
    for row in evidence.truth.rows(_ATTEMPTS):
        stage, operation, _, ident, visit, position, *_ = row
        of_call = made.setdefault((stage, operation, without_times(position)), {})
        of_call.setdefault((ident, visit, position), []).append(row)
    calls: dict[Place, dict[int, int]] = {}
    for stage, operation, instance, position, count in evidence.truth.rows(_CALLS):
        of_instance = calls.setdefault((stage, operation, without_times(position)), {})
        of_instance[instance] = of_instance.get(instance, 0) + count
    for (stage, operation, place), of_call in made.items():
        call = step_at(evidence.topology.stages[stage].all_operations[operation], place)
        if not isinstance(call, Call) or stage in evidence.changed:
            continue
        subject = f"{subject_of(stage, operation)} -> {call.target}"
        yield _count(subject, call, of_call)
        if call.retries.count and call.hedge_seconds is None:
            yield _pauses(evidence, stage, subject, call, of_call)
        if call.retries.budget_ratio is not None:
            yield _budget(subject, call.retries.budget_ratio, of_call, calls[stage, operation, place])


def _is_free(attempt: Row) -> bool:
    """Return whether the attempt after this one takes nothing of the retries: the message had not been accepted."""
    return bool(attempt[10] == 0 and (attempt[8] or attempt[7] == "unreachable"))


def _count(subject: str, call: Call, made: Mapping[Made, list[Row]]) -> Finding:
    """Judge the number of attempts: the first, the retries, and with hedging twice as many."""
    allowed = (1 + call.retries.count) * (1 if call.hedge_seconds is None else 2)
    counts = {of: len(attempts) - sum(map(_is_free, attempts)) for of, attempts in made.items()}
    wrong = [of for of, count in counts.items() if count > allowed]
    example = f"message {wrong[0][0]} had {counts[wrong[0]]} attempts" if wrong else ""
    return Finding(
        promise=COUNT,
        subject=subject,
        configured=f"{call.retries} retries" + ("" if call.hedge_seconds is None else ", hedged"),
        injected=f"{len(made):,} calls",
        observed=f"{sum(map(len, made.values())):,} attempts, {max(counts.values())} at most",
        test="attempts of each call counted",
        checked=len(made),
    ).exact(len(wrong), example)


def _pauses(evidence: Evidence, stage: str, subject: str, call: Call, made: Mapping[Made, list[Row]]) -> Finding:
    """Judge that pauses are as drawn, and that they were made: a call lasts as long as its attempts and pauses."""
    draws, checked, wrong, example = evidence.draws(stage), 0, 0, ""
    for (ident, visit, position), attempts in made.items():
        pauses = [row[10] for row in attempts if row[10] is not None and not _is_free(row)]
        checked += len(pauses)
        for failed, pause in enumerate(pauses, 1):
            due = call.retries.pause_seconds(failed, draws.u(ident, visit, f"pause {failed} {position}"))
            if abs(due - pause) > 1e-9:
                wrong += 1
                example = example or f"message {ident} paused {pause:.6g} s, its seed says {due:.6g} s"
        taken = sum(row[9] for row in attempts) + sum(pauses)
        if pauses and attempts[0][11] < taken - _ROUNDING_SECONDS:
            wrong += 1
            example = example or f"message {ident} did not pause as long as it says"
    return Finding(
        promise=PAUSES,
        subject=subject,
        configured=str(call.retries),
        observed=f"{checked:,} pauses",
        test="every pause made again from the seed",
        checked=checked,
    ).exact(wrong, example)


def _budget(subject: str, ratio: float, made: Mapping[Made, list[Row]], calls: Mapping[int, int]) -> Finding:
    retries = dict.fromkeys(calls, 0)
    for attempts in made.values():
        retries[attempts[0][2]] += len(attempts) - 1 - sum(map(_is_free, attempts))
    allowed = {instance: ratio * count + RESERVE for instance, count in calls.items()}
    wrong = [instance for instance in calls if retries[instance] > allowed[instance] + 1e-6]
    example = f"instance {wrong[0]} made {retries[wrong[0]]:,} retries" if wrong else ""
    return Finding(
        promise=BUDGETS,
        subject=subject,
        configured=f"{ratio:.3%} of the calls and {RESERVE:g}",
        injected=f"{sum(calls.values()):,} calls",
        observed=f"{sum(retries.values()):,} retries",
        test="retries counted by instance",
        checked=sum(calls.values()),
    ).exact(len(wrong), example)


def _waits(evidence: Evidence) -> Iterator[Finding]:
    late_look = _ROUNDING_SECONDS if evidence.is_exact_in_time else _LATE_LOOK_SECONDS
    for caller, called, answered, usual, shorter, least in evidence.truth.rows(_WAITS, [late_look]):
        finding = Finding(
            promise=WAITED,
            subject=f"{caller} -> {called}",
            configured="no attempt is shorter than the visit that it waits for",
            observed=f"on the way p50 {milliseconds(usual)}, least {milliseconds(least)}",
            test="duration of attempts against that of their visits",
            checked=answered,
        )
        allowed = 0.0 if evidence.is_exact_in_time else _LATE_LOOK_RATIO * answered + 3
        yield finding.exact(shorter if shorter > allowed else 0, f"the shortest by {milliseconds(-least)}")

"""Time: every second of a visit belongs to something, and what is the stage's own overhead is said."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.proof.promises.evidence import Evidence
from simulator.proof.promises.finding import Finding
from simulator.proof.promises.texts import milliseconds

ATTRIBUTED = "no unattributed time"
_ROUNDING_SECONDS = 1e-6
# The time downstream is at least that of the longest call, and at most that of all one after the other, with what the
# stage needs around each attempt: live a thread may be held up there.
_AROUND_SECONDS = 0.05
_VISITS = """
    SELECT v.stage, count(*) AS visits,
           count(*) FILTER (abs(v.duration_seconds - v.reading_seconds - coalesce(v.queue_wait_seconds, 0)
               - v.fault_seconds - v.downstream_seconds - v.step_delay_seconds - v.own_seconds) > ?) AS unequal,
           count(*) FILTER (v.downstream_seconds < coalesce(c.longest, 0) - ?
               OR v.downstream_seconds > coalesce(c.total, 0) + ?) AS beyond,
           quantile_cont(v.overhead_seconds, 0.5) AS usual, quantile_cont(v.overhead_seconds, 0.99) AS high,
           sum(v.duration_seconds) AS seconds
    FROM visits v LEFT JOIN (
        SELECT stage, message_id, visit, max(duration_seconds) AS longest, sum(duration_seconds) AS total
        FROM calls GROUP BY ALL
    ) c USING (stage, message_id, visit)
    GROUP BY v.stage ORDER BY v.stage
"""


def judge_time(evidence: Evidence, alpha: float) -> Iterator[Finding]:
    """Yield the findings of each stage."""
    del alpha
    around = _ROUNDING_SECONDS if evidence.is_exact_in_time else _AROUND_SECONDS
    rows = evidence.truth.rows(_VISITS, [_ROUNDING_SECONDS, around, around])
    for stage, visits, unequal, beyond, usual, high, seconds in rows:
        example = "the parts do not add up" if unequal else "the time downstream is not that of the calls"
        yield Finding(
            promise=ATTRIBUTED,
            subject=stage,
            configured="reading, waiting, delay, faults, calls and overhead add up",
            injected=f"{seconds:.1f} s in {visits:,} visits",
            observed=f"overhead p50 {milliseconds(usual)}, p99 {milliseconds(high)}",
            test="parts added up, time downstream against the calls",
            checked=visits,
        ).exact(unequal + beyond, example)

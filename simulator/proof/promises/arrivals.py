"""Arrivals: each message due when the schedule and the seed say, at the rate that is configured, and sent in time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np

from simulator.behaviour.arrivals import PoissonArrivals, arrival_draw
from simulator.behaviour.draws import message_id
from simulator.behaviour.schedules import RunningSchedule, Schedule
from simulator.proof.promises.evidence import Evidence
from simulator.proof.promises.finding import Finding, PromiseVerdict
from simulator.proof.promises.texts import milliseconds
from simulator.proof.statistics.arrivals import dispersion, dispersion_p_value, gaps_p_value, rate_p_value
from simulator.proof.statistics.goodness import Floats

AS_SCHEDULED, RATE, DISPERSION, KEPT = (
    "arrivals as scheduled",
    "arrival rate",
    "dispersion of arrivals",
    "schedule kept",
)
# Live a time that is both computed and told is told to the nearest rounding of a clock.
_ROUNDING_SECONDS = 1e-6
# A machine that is busy elsewhere holds up some messages, and a schedule that slips all of them, more and more.
_MAX_LAG_SECONDS, _LAG_RATIO = 0.1, 0.5
_BUSY = "; a machine that is busy, or too slow for this rate, keeps a lower --rate"
_SENT = """
    SELECT message_id, due_at, lag_seconds FROM visits
    WHERE stage = ? AND via = 'schedule' AND due_at IS NOT NULL ORDER BY due_at, message_id
"""


def judge_arrivals(evidence: Evidence, alpha: float) -> Iterator[Finding]:
    """Yield the findings of each injector with a schedule."""
    del alpha
    for name, stage in evidence.topology.stages.items():
        schedule = None if stage.load is None else stage.load.schedule
        if schedule is None or stage.input is not None or name not in evidence.started:
            continue
        rows = evidence.truth.columns(_SENT, [name])
        finding = Finding(promise=AS_SCHEDULED, subject=name, configured=str(schedule))
        if name in evidence.changed or evidence.gap:
            yield finding.not_judged(evidence.gap or "the stage was changed while it ran")
            continue
        yield from _of_injector(finding, rows, schedule, evidence.truth.manifest.seed)
        yield _kept(evidence, name, rows["lag_seconds"])


def _of_injector(finding: Finding, rows: dict[str, Floats], schedule: Schedule, seed: int) -> Iterator[Finding]:
    sent = {str(ident): float(due) for ident, due in zip(rows["message_id"], rows["due_at"], strict=True)}
    due, expected, missing = _due(finding.subject, schedule, seed, sent)
    if not len(due):
        yield finding.exact(0)
        return
    real = np.array([sent[ident] for ident in due])
    scheduled = np.array(list(due.values()))
    start = float(np.median(real - scheduled))
    off = np.abs(real - scheduled - start)
    wrong = int(np.count_nonzero(off > _ROUNDING_SECONDS)) + len(missing) + len(sent) - len(due)
    example = f"message {missing[0]} is missing" if missing else f"off by {off.max():.6f} s"
    seconds = real.max() - real.min()
    found = Finding(
        promise=AS_SCHEDULED,
        subject=finding.subject,
        configured=finding.configured,
        injected=f"{len(due):,} due within {scheduled[-1]:.1f} s",
        observed=f"{len(sent):,} within {seconds:.1f} s",
        test="every due time made again from the seed",
        checked=len(due) + len(missing),
    )
    yield found.exact(wrong, example)
    if isinstance(schedule.arrivals, PoissonArrivals):
        yield from _poisson(found, np.array(expected))


def _due(
    stage: str, schedule: Schedule, seed: int, sent: dict[str, float]
) -> tuple[dict[str, float], list[float], list[str]]:
    """Return when each message was due that was sent, how many were expected by then, and which others are missing."""
    due: dict[str, float] = {}
    expected: list[float] = []
    missing: list[str] = []
    skipped: list[str] = []
    turn = RunningSchedule.starting(schedule, 0.0)
    for number in count(1):
        following = turn.next(arrival_draw(seed, stage, number))
        if following is None or len(due) == len(sent) or len(skipped) > len(sent):
            break
        turn, ident = following, message_id(seed, stage, number)
        if ident in sent:
            due[ident] = turn.due_at
            missing += skipped
            skipped.clear()
        else:
            skipped.append(ident)
        expected.append(turn.expected)
    return due, expected[: len(due)], missing


def _poisson(found: Finding, expected: Floats) -> Iterator[Finding]:
    rate = Finding(
        promise=RATE,
        subject=found.subject,
        configured=found.configured,
        injected=f"{expected[-1]:,.0f} expected",
        observed=f"{len(expected):,} sent",
        test="gamma: the time of the last",
        p_value=rate_p_value(expected),
        checked=len(expected),
    )
    yield rate
    index, p_value = dispersion(expected), dispersion_p_value(expected)
    if index is None or p_value is None:
        return
    yield Finding(
        promise=DISPERSION,
        subject=found.subject,
        configured="index 1 (Poisson)",
        observed=f"index {index:.2f}",
        test="Kolmogorov-Smirnov of the gaps, chi-squared of the dispersion",
        p_value=min(1.0, 2 * min(p_value, gaps_p_value(expected))),
        checked=len(expected),
    )


def _kept(evidence: Evidence, name: str, lags: Floats) -> Finding:
    missed = evidence.truth.value("SELECT coalesce(sum(missed), 0) FROM seconds WHERE stage = ?", [name])
    exact = evidence.is_exact_in_time
    late = _ROUNDING_SECONDS if exact else _MAX_LAG_SECONDS
    finding = Finding(
        promise=KEPT,
        subject=name,
        configured=f"{_LAG_RATIO:.0%} within {1000 * late:g} ms",
        observed=f"lag p50 {_ms(lags, 0.5)}, p99 {_ms(lags, 0.99)}, max {_ms(lags, 1.0)}; {missed:,} missed",
        test="how late each message was sent",
        checked=len(lags),
    )
    wrong = int(np.count_nonzero(lags > late))
    is_kept = not len(lags) or float(np.quantile(lags, _LAG_RATIO)) <= late
    found = finding.exact(0 if is_kept else wrong, f"later than {1000 * late:g} ms{'' if exact else _BUSY}")
    if found.verdict is PromiseVerdict.KEPT and (lags < -_ROUNDING_SECONDS).any():
        return finding.exact(int(np.count_nonzero(lags < -_ROUNDING_SECONDS)), "sent before they were due")
    return found


def _ms(values: Floats, ratio: float) -> str:
    return milliseconds(float(np.quantile(values, ratio))) if len(values) else "-"

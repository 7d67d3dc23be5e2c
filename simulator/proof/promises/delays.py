"""Delays: drawn as the seed says, distributed as configured, and taken in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from simulator.behaviour.distributions import Constant, Delay
from simulator.proof.promises.draws import Draws
from simulator.proof.promises.evidence import Evidence, subject_of
from simulator.proof.promises.finding import Finding, PromiseVerdict
from simulator.proof.promises.texts import milliseconds
from simulator.proof.statistics.goodness import Floats, fit_p_value, idle_seconds
from simulator.proof.statistics.percentiles import percentile_p_value
from simulator.proof.statistics.power import smallest_stretch_shown
from simulator.topology.steps import Pause
from simulator.topology.walking import all_steps
from simulator.units import MAX_DURATION_SECONDS

AS_DRAWN, DISTRIBUTION, PERCENTILES, TAKEN = (
    "delays as drawn",
    "delays as distributed",
    "percentiles of delays",
    "delays taken",
)
_RATIOS = (0.5, 0.9, 0.99)
# A distribution that many draws fit is fitted by these.
_MAX_FITTED = 20_000
# A stage learns to end early by what its answer takes, which is never more than this (behaviour/corrections.py).
_MAX_EARLY_SECONDS = 0.002
_ROUNDING_SECONDS = 1e-6
# Of the mean delay: live, the mean of many messages is early by no more, see `_taken`.
_EARLY_RATIO = 0.01
_DRAWN = """
    SELECT message_id, visit, delay_drawn_seconds AS drawn, delay_spec AS spec, utilisation, own_seconds AS own,
           overhead_seconds AS overhead
    FROM visits WHERE stage = ? AND operation = ? AND delay_drawn_seconds IS NOT NULL ORDER BY received_at, visit
"""
_STEP_DELAYS = """
    SELECT spec, position, message_id, visit, drawn_seconds AS drawn, duration_seconds AS took
    FROM step_delays WHERE stage = ? ORDER BY spec, message_id, visit, after_seconds
"""


def judge_delays(evidence: Evidence, alpha: float) -> Iterator[Finding]:
    """Yield the findings of each operation, and of the delays between its calls."""
    for stage, operation, made in evidence.operations():
        subject, found = subject_of(stage, operation), evidence.truth.columns(_DRAWN, [stage, operation])
        if not len(found["drawn"]):
            yield Finding(promise=AS_DRAWN, subject=subject, configured=str(made.delay)).exact(0)
            continue
        unchanged = found["spec"] == str(made.delay)
        rows = {name: values[unchanged] for name, values in found.items()}
        yield _as_drawn(subject, str(made.delay), rows, _dues(evidence.draws(stage), made.delay, rows))
        yield from _distribution(subject, made.delay, rows, alpha)
        yield _taken(subject, made.delay, found, evidence.is_exact_in_time)
    for stage in sorted(evidence.started):
        yield from _step_delays(evidence, stage)


def _as_drawn(subject: str, spec: str, rows: dict[str, Any], dues: Iterable[float]) -> Finding:
    """Judge each draw in `rows` by what its seed says, in the same order."""
    wrong, example = 0, ""
    for message_id, drawn, due in zip(rows["message_id"], rows["drawn"], dues, strict=True):
        if abs(due - drawn) > 1e-9 * max(1.0, due):
            wrong += 1
            example = example or f"message {message_id} drew {drawn:.6g} s, its seed says {due:.6g} s"
    return Finding(
        promise=AS_DRAWN,
        subject=subject,
        configured=spec,
        injected=_percentiles(rows["drawn"]),
        observed=f"{len(rows['drawn']):,} draws",
        test="every draw made again from the seed",
        checked=len(rows["drawn"]),
    ).exact(wrong, example)


def _dues(draws: Draws, delay: Delay, rows: dict[str, Any]) -> Iterator[float]:
    for message_id, visit, utilisation in zip(rows["message_id"], rows["visit"], rows["utilisation"], strict=True):
        yield min(delay.under_load(draws.u(message_id, visit, "delay"), utilisation), MAX_DURATION_SECONDS)


def _pause_dues(draws: Draws, delay: Delay, rows: dict[str, Any]) -> Iterator[float]:
    for message_id, visit, position in zip(rows["message_id"], rows["visit"], rows["position"], strict=True):
        yield min(delay.quantile(draws.u(message_id, visit, f"delay {position}")), MAX_DURATION_SECONDS)


def _distribution(subject: str, delay: Delay, rows: dict[str, Any], alpha: float) -> Iterator[Finding]:
    idle = idle_seconds(delay, rows["drawn"], rows["utilisation"])[:_MAX_FITTED]
    if not len(idle) or isinstance(delay, Constant):
        return  # that every draw is a constant, their seed says
    yield Finding(
        promise=DISTRIBUTION,
        subject=subject,
        configured=str(delay),
        injected=_percentiles(rows["drawn"]),
        observed=_percentiles(rows["own"]),
        test="Kolmogorov-Smirnov",
        p_value=fit_p_value(delay, idle),
        checked=len(idle),
        shows=_stretch_shown(delay, len(idle), alpha),
    )
    smallest = min(percentile_p_value(delay, idle, ratio) for ratio in _RATIOS)
    yield Finding(
        promise=PERCENTILES,
        subject=subject,
        configured=", ".join(f"p{100 * ratio:g} {milliseconds(delay.quantile(ratio))}" for ratio in _RATIOS),
        injected=_percentiles(idle),
        observed=_percentiles(rows["own"]),
        test="exact binomial of what does not exceed each",
        p_value=min(1.0, len(_RATIOS) * smallest),
        checked=len(idle),
    )


def _taken(subject: str, delay: Delay, rows: dict[str, Any], is_exact: bool) -> Finding:
    """Judge that the stage's own time was what was drawn, or longer, but for what it has learned to end early.

    Live a stage starts its answer as much early as answers take; that settles where few end early, so on average none
    is early by more than rounding.
    """
    overhead: Floats = rows["overhead"]
    finding = Finding(
        promise=TAKEN,
        subject=subject,
        configured="at least what was drawn",
        injected=f"mean {milliseconds(float(rows['drawn'].mean()))}",
        observed=f"mean {milliseconds(float(rows['own'].mean()))}, overhead {_middle_and_tail(overhead)}",
        test="own time against the draw of each message",
        checked=len(overhead),
    )
    allowed = 0.0 if is_exact else _MAX_EARLY_SECONDS
    wrong = int(np.count_nonzero(overhead < -allowed - _ROUNDING_SECONDS))
    found = finding.exact(wrong, f"the shortest was {milliseconds(-float(overhead.min()))} too short")
    mean_early, mean_drawn = -float(overhead.mean()), float(rows["drawn"].mean())
    if found.verdict is PromiseVerdict.KEPT and mean_early > _EARLY_RATIO * mean_drawn + _ROUNDING_SECONDS:
        return finding.exact(len(overhead), f"on average it took {milliseconds(mean_early)} less than was drawn")
    return found


def _step_delays(evidence: Evidence, stage: str) -> Iterator[Finding]:
    rows = evidence.truth.columns(_STEP_DELAYS, [stage])
    delays = {str(step.delay): step.delay for step in _pauses(evidence, stage)}
    for spec in sorted(set(rows["spec"])):
        chosen = rows["spec"] == spec
        drawn, took = rows["drawn"][chosen], rows["took"][chosen]
        subject, early = f"{stage}, between calls", int(np.count_nonzero(took < drawn - _ROUNDING_SECONDS))
        common = {"subject": subject, "configured": spec, "injected": _percentiles(drawn), "checked": len(drawn)}
        if spec in delays:
            of_spec = {name: values[chosen] for name, values in rows.items()}
            yield _as_drawn(subject, spec, of_spec, _pause_dues(evidence.draws(stage), delays[spec], of_spec))
        if spec in delays:
            yield Finding(
                promise=DISTRIBUTION,
                observed=_percentiles(took),
                test="Kolmogorov-Smirnov",
                p_value=fit_p_value(delays[spec], drawn[:_MAX_FITTED]),
                **common,
            )
        test = "what each took against its draw"
        yield Finding(promise=TAKEN, observed=_percentiles(took), test=test, **common).exact(early)


def _pauses(evidence: Evidence, stage: str) -> Iterator[Pause]:
    for made in evidence.topology.stages[stage].all_operations.values():
        yield from (step for _, step in all_steps(made.calls) if isinstance(step, Pause))


def _stretch_shown(delay: Delay, draws: int, alpha: float) -> str:
    stretch = smallest_stretch_shown(delay, draws, alpha)
    return "nothing: too few messages" if stretch is None else f"a delay {100 * (stretch - 1):.3g} % longer"


def _percentiles(seconds: Floats) -> str:
    found: list[float] = np.quantile(seconds, _RATIOS).tolist() if len(seconds) else []
    return ", ".join(f"p{100 * ratio:g} {milliseconds(value)}" for ratio, value in zip(_RATIOS, found, strict=False))


def _middle_and_tail(seconds: Floats) -> str:
    p50, p99 = np.quantile(seconds, (0.5, 0.99)).tolist()
    return f"p50 {milliseconds(p50)}, p99 {milliseconds(p99)}"

"""Queues: first come, first served, by as many workers as configured, and as long as theory says where it is exact."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from simulator.behaviour.arrivals import PoissonArrivals
from simulator.behaviour.distributions import Constant, Exponential
from simulator.proof.promises.evidence import Evidence
from simulator.proof.promises.finding import Finding
from simulator.proof.promises.texts import milliseconds
from simulator.proof.statistics.batch_means import BATCHES, mean_p_value
from simulator.proof.statistics.goodness import Floats
from simulator.proof.statistics.queues import mean_wait_mg1, mean_wait_mmc, served_fifo
from simulator.topology.model import Forward, Role, Stage
from simulator.topology.steps import Call

FIFO, THEORY = "first come, first served", "queueing theory"
_ROUNDING_SECONDS = 1e-6
# Live a message that is answered before it is processed is answered between asking for a worker and waiting for one.
_ANSWERING_SECONDS = 0.1
_MIN_LOAD, _MAX_LOAD = 0.1, 0.85
# Waits depend on each other over about 1 / (1 - load)^2 messages (the relaxation time of M/M/1). A batch is 250 times
# as long: with less than that the p-value was found too small in simulated queues that keep the promise.
_RELAXATIONS = 250 * BATCHES
_VISITS = """
    SELECT received_at + queued_seconds AS came, received_at + queued_seconds + queue_wait_seconds AS began,
           received_at + duration_seconds AS ended, queue_wait_seconds AS wait
    FROM visits WHERE stage = ? AND instance = ? AND queue_wait_seconds IS NOT NULL
    ORDER BY came, began, message_id, visit
"""


def judge_queues(evidence: Evidence, alpha: float) -> Iterator[Finding]:
    """Yield the findings of each instance."""
    del alpha
    for name in sorted(evidence.started):
        stage = evidence.topology.stages[name]
        for instance in range(1, stage.instances + 1):
            subject = name if stage.instances == 1 else f"{name}.{instance}"
            finding = Finding(promise=FIFO, subject=subject, configured=f"{stage.workers} workers")
            if name in evidence.changed or evidence.gap:
                yield finding.not_judged(evidence.gap or "the stage was changed while it ran")
                continue
            rows = evidence.truth.columns(_VISITS, [name, instance])
            yield _served(subject, stage, rows, evidence.is_exact_in_time)
        yield from _theory(evidence, name, stage)


def _served(subject: str, stage: Stage, rows: dict[str, Floats], is_exact: bool) -> Finding:
    """Judge that no message began before its turn; how much later it began is the machine's, and is told."""
    is_answered_before = any(made.forward is Forward.ACCEPT for made in stage.all_operations.values())
    tolerance = _ANSWERING_SECONDS if is_answered_before and not is_exact else _ROUNDING_SECONDS
    workers = min(stage.workers, max(1, len(rows["came"])))
    served = served_fifo(rows["came"].tolist(), rows["began"].tolist(), rows["ended"].tolist(), workers)
    late, waited = served.late_seconds, rows["wait"] > _ROUNDING_SECONDS
    count = int(np.count_nonzero(waited))
    early = int(np.count_nonzero(late < -tolerance))
    idle = int(np.count_nonzero(late[waited] > _ROUNDING_SECONDS)) if is_exact else 0
    finding = Finding(
        promise=FIFO,
        subject=subject,
        configured=f"{stage.workers} workers, {stage.queue} may wait",
        injected=f"{len(late):,} messages",
        observed=f"{count:,} waited"
        + (f", p99 {milliseconds(float(np.quantile(rows['wait'], 0.99)))}" if count else ""),
        test="each wait made again from arrivals and departures (Kiefer and Wolfowitz)",
        checked=len(late),
    )
    least = -float(late.min()) if len(late) else 0.0
    example = f"began up to {milliseconds(least)} before their turn" if early else "waited while a worker was free"
    return finding.exact(early + idle, example)


def _theory(evidence: Evidence, name: str, stage: Stage) -> Iterator[Finding]:
    """Judge the mean wait where a formula is exact: Poisson arrivals of one injector that calls nothing else."""
    rate, delay = _poisson_rate(evidence, name), stage.delay
    is_alone = stage.instances == 1 and not (stage.has_calls or stage.faults or stage.rate_limit or stage.operations)
    if rate is None or not is_alone or stage.forward is Forward.ACCEPT or not evidence.is_exact_in_time:
        return
    if isinstance(delay, Exponential):
        model, due = f"M/M/{stage.workers}", mean_wait_mmc(rate, delay.mean_seconds, stage.workers)
        load = rate * delay.mean_seconds / stage.workers
    elif isinstance(delay, Constant) and stage.workers == 1:
        model, due = "M/D/1", mean_wait_mg1(rate, delay.value_seconds, delay.value_seconds**2)
        load = rate * delay.value_seconds
    else:
        return
    waits = evidence.truth.columns(_VISITS, [name, 1])["wait"]
    finding = Finding(promise=THEORY, subject=name, configured=f"{model} at a load of {load:.0%}")
    if not _MIN_LOAD <= load <= _MAX_LOAD:
        yield finding.not_judged(f"the load is not between {_MIN_LOAD:.0%} and {_MAX_LOAD:.0%}")
        return
    if len(waits) < (needed := math.ceil(_RELAXATIONS / (1 - load) ** 2)):
        yield finding.not_judged(f"too few messages: {len(waits):,} of {needed:,}")
        return
    yield Finding(
        promise=THEORY,
        subject=name,
        configured=finding.configured,
        injected=f"mean wait {milliseconds(due)}",
        observed=f"mean wait {milliseconds(float(waits.mean()))}",
        test=f"Student's t of {BATCHES} batch means",
        p_value=mean_p_value(waits, due),
        checked=len(waits),
    )


def _poisson_rate(evidence: Evidence, name: str) -> float | None:
    """Return the rate at which an injector alone sends to a stage, by a Poisson process; None for any other stage."""
    callers = [
        (caller, step)
        for caller, stage in evidence.topology.stages.items()
        for made in stage.all_operations.values()
        for step in made.calls
        if not isinstance(step, Call) or step.to == name
    ]
    if len(callers) != 1 or not isinstance(callers[0][1], Call):
        return None
    caller, call = evidence.topology.stages[callers[0][0]], callers[0][1]
    is_plain = call.probability_ratio >= 1.0 and call.when is None and not call.retries.count and str(call.times) == "1"
    load = caller.load
    if caller.role is not Role.INJECTOR or not is_plain or call.hedge_seconds or load is None:
        return None
    if caller.workers < 1000 or str(caller.delay) != "constant(0s)":
        return None
    return load.rate_per_second if isinstance(load.arriving, PoissonArrivals) else None

"""Every promise, and the judging of all of them for one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from simulator.proof.promises import arrivals, attempts, delays, ledger, logs, metrics, queueing, shares, time, traces
from simulator.proof.promises.evidence import Evidence
from simulator.proof.promises.finding import Finding, judged

# The probability that a run that keeps every promise is found to break one, whatever its size.
FALSE_ALARM_RATIO = 0.001


@dataclass(frozen=True)
class Promise:
    """A promise by its name, in one sentence, and how it is tested."""

    name: str
    help: str
    test: str


@dataclass(frozen=True)
class Judging:
    """What judges some promises: `judge(evidence, alpha)` yields their findings."""

    judge: Callable[[Evidence, float], Iterator[Finding]]
    promises: tuple[Promise, ...]


JUDGINGS = (
    Judging(
        delays.judge_delays,
        (
            Promise(delays.AS_DRAWN, "each delay is what the seed says", "exact"),
            Promise(delays.DISTRIBUTION, "delays are distributed as configured", "Kolmogorov and Smirnov"),
            Promise(delays.PERCENTILES, "p50, p90 and p99 of the delays are those configured", "exact binomial"),
            Promise(delays.TAKEN, "a stage takes what was drawn, and says what more it takes", "exact"),
        ),
    ),
    Judging(
        shares.judge_shares,
        (
            Promise(shares.AS_DRAWN, "each fault, step and decision is what the seed says", "exact"),
            Promise(shares.SHARES, "faults, steps and decisions have the shares configured", "exact binomial"),
        ),
    ),
    Judging(
        arrivals.judge_arrivals,
        (
            Promise(arrivals.AS_SCHEDULED, "each message is due when schedule and seed say", "exact"),
            Promise(arrivals.RATE, "Poisson arrivals have the rate of their profile", "gamma"),
            Promise(arrivals.DISPERSION, "Poisson arrivals are as uneven as they must be", "chi-squared, and of gaps"),
            Promise(arrivals.KEPT, "messages are sent when they are due", "bound: half of them within 100 ms"),
        ),
    ),
    Judging(
        attempts.judge_attempts,
        (
            Promise(attempts.LOST, "each answered attempt has its visit at the called stage", "exact"),
            Promise(attempts.DOUBLED, "each visit is handled once", "exact"),
            Promise(attempts.UNANNOUNCED, "each visit has its attempt at the calling stage", "exact"),
            Promise(attempts.COUNT, "no call has more attempts than configured", "exact"),
            Promise(attempts.PAUSES, "pauses before retries are what the seed says, and are made", "exact"),
            Promise(attempts.BUDGETS, "retries stay within their budget", "exact"),
            Promise(attempts.WAITED, "no attempt is shorter than the visit that it waits for", "bound: 5 % by 1 ms"),
        ),
    ),
    Judging(
        queueing.judge_queues,
        (
            Promise(queueing.FIFO, "waits are those of a queue that serves first come, first served", "exact"),
            Promise(queueing.THEORY, "mean waits of M/M/c and M/D/1 are those of theory", "Student's t of batch means"),
        ),
    ),
    Judging(ledger.judge_ledger, (Promise(ledger.LEDGER, "every count of the ledger is that of the truth", "exact"),)),
    Judging(
        traces.judge_traces,
        (
            Promise(traces.TREES, "each message has one trace, each trace one root, each span its parent", "exact"),
            Promise(traces.PARENTS, "each visit's span is below the attempt that caused it", "exact"),
            Promise(traces.SPANS, "there are as many spans as the truth implies", "exact"),
        ),
    ),
    Judging(
        logs.judge_logs,
        (
            Promise(logs.LINES, "there is a line for each event of the truth", "exact"),
            Promise(logs.VALUES, "each line `message.handled` has what the truth has", "exact"),
            Promise(logs.OWN, "each line of a service's own `log` has the text that its message gives it", "exact"),
        ),
    ),
    Judging(
        metrics.judge_metrics,
        (
            Promise(metrics.COUNTS, "each counter is what the truth has, to the unit", "exact"),
            Promise(metrics.BUCKETS, "each bucket of each histogram is what the truth has, to the unit", "exact"),
        ),
    ),
    Judging(
        time.judge_time,
        (Promise(time.ATTRIBUTED, "the parts of each visit add up, and calls are what it waits for", "exact"),),
    ),
)
PROMISES = tuple(promise for judging in JUDGINGS for promise in judging.promises)


def judge(evidence: Evidence, alpha: float = FALSE_ALARM_RATIO) -> list[Finding]:
    """Return the findings of every promise; if all are kept, one is found broken with a probability of `alpha`."""
    # What one of many tests would show: the correction is not known before all are made, but about this.
    single = alpha / 100
    return judged([found for judging in JUDGINGS for found in judging.judge(evidence, single)], alpha)

"""Metrics: every counter and every bucket is what the truth has, to the unit."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simulator.proof.promises.evidence import Evidence
from simulator.proof.promises.finding import Finding
from simulator.telemetry.catalogue import metrics as catalogue
from simulator.telemetry.catalogue.metric_records import Metric
from simulator.telemetry.metrics import code_label
from simulator.telemetry.record import CallOutcome

COUNTERS, BUCKETS = "counters = truth", "histograms = truth"
# Sums of many floats depend on their order.
_SUM_RATIO = 1e-9
# What tells the series of a metric apart, of those that are compared; others are added up.
Key = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Told:
    """A metric as the truth has it: `query` returns the stage, then the values of `labels`, then the value.

    The value of a counter is its count; of a histogram each value that it has counted.
    """

    metric: Metric
    query: str
    labels: tuple[str, ...] = ()


_OPERATION = ("operation",)
_CODE = "coalesce(code::VARCHAR, outcome)"
_COUNTERS = (
    Told(
        metric=catalogue.MESSAGES,
        query="SELECT stage, operation, outcome, count(*) FROM visits GROUP BY ALL",
        labels=("operation", "outcome"),
    ),
    Told(
        metric=catalogue.FAULTS_INJECTED,
        query="SELECT stage, operation, fault, count(*) "
        "FROM (SELECT stage, operation, unnest(faults) AS fault FROM visits) GROUP BY ALL",
        labels=("operation", "fault"),
    ),
    Told(
        metric=catalogue.INJECTOR_DUE,
        query="SELECT stage, sum(due) FROM seconds GROUP BY ALL",
    ),
    Told(
        metric=catalogue.INJECTOR_MISSED,
        query="SELECT stage, sum(missed) FROM seconds GROUP BY ALL",
    ),
)
_HISTOGRAMS = (
    Told(
        metric=catalogue.MESSAGE_BYTES,
        query="SELECT stage, operation, coalesce(body_bytes, 0) FROM visits",
        labels=_OPERATION,
    ),
    Told(
        metric=catalogue.QUEUE_WAIT,
        query="SELECT stage, operation, queue_wait_seconds FROM visits WHERE queue_wait_seconds IS NOT NULL",
        labels=_OPERATION,
    ),
    Told(
        metric=catalogue.DELAY_DRAWN,
        query="SELECT stage, operation, delay_drawn_seconds FROM visits WHERE delay_drawn_seconds IS NOT NULL",
        labels=_OPERATION,
    ),
    Told(
        metric=catalogue.PROCESSING,
        query="SELECT stage, operation, own_seconds FROM visits WHERE delay_drawn_seconds IS NOT NULL",
        labels=_OPERATION,
    ),
    Told(
        metric=catalogue.OVERHEAD,
        query="SELECT stage, operation, greatest(0.0, overhead_seconds) FROM visits",
        labels=_OPERATION,
    ),
    Told(
        metric=catalogue.ATTEMPT_DURATION,
        query=f"SELECT stage, downstream, operation, {_CODE}, duration_seconds FROM attempts",
        labels=("downstream", "downstream_operation", "code"),
    ),
    Told(
        metric=catalogue.CALL_DURATION,
        query="SELECT stage, downstream, operation, outcome, duration_seconds FROM calls WHERE outcome <> 'abandoned'",
        labels=("downstream", "downstream_operation", "outcome"),
    ),
    Told(
        metric=catalogue.PIPELINE_DURATION,
        query="SELECT stage, outcome, end_to_end_seconds FROM visits WHERE end_to_end_seconds IS NOT NULL",
        labels=("outcome",),
    ),
    Told(
        metric=catalogue.ACCEPTED_WORK,
        query="SELECT stage, operation, outcome, accepted_work_seconds FROM visits "
        "WHERE accepted_work_seconds IS NOT NULL",
        labels=("operation", "outcome"),
    ),
)


def judge_metrics(evidence: Evidence, alpha: float) -> Iterator[Finding]:
    """Yield the findings of each metric."""
    del alpha
    reason = evidence.gap or _why_not(evidence)
    if reason:
        yield from (Finding(promise=name, subject="every metric").not_judged(reason) for name in (COUNTERS, BUCKETS))
        return
    yield from (_counter(evidence, told) for told in _COUNTERS)
    yield from (_histogram(evidence, told) for told in _HISTOGRAMS)


def _why_not(evidence: Evidence) -> str:
    if evidence.is_virtual:
        return "no metrics are made in virtual time"
    if evidence.telemetry is None:
        return "the run wrote no metrics to files: run --telemetry DIR"
    dropped = sum(evidence.report.get("data_points_dropped", {}).values())
    return f"{dropped:,} points did not reach the files, as the report says" if dropped else ""


def _counter(evidence: Evidence, told: Told) -> Finding:
    due: dict[Key, int] = {}
    for row in evidence.truth.rows(told.query):
        due[_key(row[:-1], told)] = int(row[-1])
    made: dict[Key, int] = {}
    for point in evidence.points:
        if point.name == told.metric.otel_name:
            key = (point.service, *(_label(point.attributes, label) for label in told.labels))
            made[key] = made.get(key, 0) + round(point.value)
    wrong = [key for key in due.keys() | made.keys() if due.get(key, 0) != made.get(key, 0)]
    example = f"{' '.join(min(wrong))} is {made.get(min(wrong), 0):,}, not {due.get(min(wrong), 0):,}" if wrong else ""
    return Finding(
        promise=COUNTERS,
        subject=told.metric.name,
        configured="counts of the truth",
        injected=f"{sum(due.values()):,}",
        observed=f"{sum(made.values()):,}",
        test="every series compared",
        checked=len(due),
    ).exact(len(wrong), example)


@dataclass(frozen=True, kw_only=True)
class CountedValues:
    """A histogram: its count by bucket, and the sum of its values."""

    buckets: tuple[int, ...]
    sum: float


def _histogram(evidence: Evidence, told: Told) -> Finding:
    bounds = tuple(map(float, told.metric.buckets or ()))
    values: dict[Key, list[float]] = {}
    for row in evidence.truth.rows(told.query):
        values.setdefault(_key(row[:-1], told), []).append(float(row[-1]))
    due = {key: _counted(bounds, found) for key, found in values.items()}
    made = _made(evidence, told, len(bounds) + 1)
    wrong = sorted(key for key in due.keys() | made.keys() if _difference(bounds, due.get(key), made.get(key)))
    example = ""
    if wrong:
        example = f"{' '.join(wrong[0])}: {_difference(bounds, due.get(wrong[0]), made.get(wrong[0]))}"
    return Finding(
        promise=BUCKETS,
        subject=told.metric.name,
        configured="values of the truth in their buckets",
        injected=f"{sum(map(len, values.values())):,} values",
        observed=f"{sum(sum(one.buckets) for one in made.values()):,} counted",
        test="every bucket and sum of every series made again",
        checked=len(due),
    ).exact(len(wrong), example)


def _made(evidence: Evidence, told: Told, size: int) -> dict[Key, CountedValues]:
    made: dict[Key, CountedValues] = {}
    for point in evidence.points:
        if point.name == told.metric.otel_name and point.count:
            key = (point.service, *(_label(point.attributes, label) for label in told.labels))
            before = made.get(key, CountedValues(buckets=(0,) * size, sum=0.0))
            buckets = tuple(map(sum, zip(before.buckets, point.bucket_counts, strict=False)))
            made[key] = CountedValues(buckets=buckets, sum=before.sum + point.sum)
    return made


def _counted(bounds: tuple[float, ...], values: list[float]) -> CountedValues:
    buckets = [0] * (len(bounds) + 1)
    for value in values:
        buckets[bisect.bisect_left(bounds, value)] += 1
    return CountedValues(buckets=tuple(buckets), sum=math.fsum(values))


def _difference(bounds: tuple[float, ...], due: CountedValues | None, made: CountedValues | None) -> str:
    if due is None or made is None:
        return "the series is missing" if made is None else "the truth has no such series"
    for bound, true, counted in zip((*bounds, math.inf), due.buckets, made.buckets, strict=True):
        if true != counted:
            return f"{counted:,} in the bucket up to {bound:g}, not {true:,}"
    is_same = math.isclose(due.sum, made.sum, rel_tol=_SUM_RATIO, abs_tol=_SUM_RATIO)
    return "" if is_same else f"a sum of {made.sum:.9g}, not {due.sum:.9g}"


def _key(row: tuple[object, ...], told: Told) -> Key:
    stage, *labels = map(str, row)
    if told.metric is catalogue.ATTEMPT_DURATION and labels[-1].isdecimal():
        labels[-1] = code_label(int(labels[-1]), CallOutcome.ERROR_STATUS)
    return (stage, *labels)


def _label(attributes: Mapping[str, object], label: str) -> str:
    """Return the value of a label; one that is left out is empty."""
    return str(attributes.get(catalogue.ATTRIBUTES.get(label, label), ""))

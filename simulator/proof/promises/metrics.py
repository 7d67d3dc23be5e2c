"""Metrics: every counter and every bucket is what the truth has, to the unit."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simulator.proof.promises.evidence import Evidence
from simulator.proof.promises.finding import Finding
from simulator.proof.promises.metric_values import COUNTERS, HISTOGRAMS, Row, Told
from simulator.proof.promises.signal_files import MetricPoint
from simulator.telemetry.catalogue import metrics as catalogue
from simulator.telemetry.catalogue.metric_records import Metric

COUNTS, BUCKETS = "counters = truth", "histograms = truth"
# Sums of many floats depend on their order.
_SUM_RATIO = 1e-9
# The current second is told when it is over, and a message counts at a moment close to its end.
_LAST_SECONDS = 1.5
# Requests without a route were no messages, and what was sent without an answer the truth has as attempts.
_NEEDED = {
    catalogue.HTTP_DURATION.otel_name: "http.route",
    catalogue.HTTP_CLIENT_DURATION.otel_name: "http.response.status_code",
}
# What tells the series of a metric apart, of those that are compared; others are added up.
Key = tuple[str, ...]


def judge_metrics(evidence: Evidence, alpha: float) -> Iterator[Finding]:
    """Yield the findings of each metric."""
    del alpha
    reason = evidence.gap or _why_not(evidence)
    if reason:
        yield from (Finding(promise=name, subject="every metric").not_judged(reason) for name in (COUNTS, BUCKETS))
        return
    yield from (_counter(evidence, told) for told in COUNTERS)
    # Exponential histograms have buckets of their own, so that only their counts can be compared.
    in_total = any(point.is_exponential for point in evidence.points)
    for told in HISTOGRAMS:
        yield _total(evidence, told) if told.in_total or in_total else _histogram(evidence, told)
    yield _per_second(evidence)


def _why_not(evidence: Evidence) -> str:
    if evidence.is_virtual:
        return "no metrics are made in virtual time"
    if evidence.telemetry is None:
        return "the run wrote no metrics to files: run --telemetry DIR"
    dropped = sum(evidence.report.get("data_points_dropped", {}).values())
    return f"{dropped:,} points did not reach the files, as the report says" if dropped else ""


def _counter(evidence: Evidence, told: Told) -> Finding:
    due = Counter({_key(row): int(row[-1]) for row in told.rows(evidence)})
    made: Counter[Key] = Counter()
    for key, point in _points(evidence, told):
        made[key] += round(point.value)
    return _compared(COUNTS, told.metric, due, made)


def _total(evidence: Evidence, told: Told) -> Finding:
    """Judge only how many values a histogram has counted."""
    due = Counter(_key(row) for row in told.rows(evidence))
    made: Counter[Key] = Counter()
    for key, point in _points(evidence, told):
        made[key] += point.count
    return _compared(BUCKETS, told.metric, due, made)


def _per_second(evidence: Evidence) -> Finding:
    """Judge that the counts of all seconds add up to the messages; those of a stage's last second are not told."""
    told = Told(metric=catalogue.MESSAGES_PER_SECOND, rows=_ended)
    ends: dict[Key, list[float]] = {}
    for row in told.rows(evidence):
        ends.setdefault(_key(row), []).append(row[-1])
    made: Counter[Key] = Counter()
    for key, point in _points(evidence, told):
        made[key] += round(point.sum)
    due: Counter[Key] = Counter()
    for key, at in ends.items():
        certain = sum(one < max(at) - _LAST_SECONDS for one in at)
        due[key] = min(len(at), max(certain, made[key]))
    return _compared(BUCKETS, told.metric, due, made)


def _ended(evidence: Evidence) -> Iterator[Row]:
    return iter(evidence.truth.rows("SELECT stage, received_at + duration_seconds FROM visits"))


def _compared(promise: str, metric: Metric, due: Counter[Key], made: Counter[Key]) -> Finding:
    wrong = [key for key in due.keys() | made.keys() if due[key] != made[key]]
    example = f"{' '.join(min(wrong))} is {made[min(wrong)]:,}, not {due[min(wrong)]:,}" if wrong else ""
    return Finding(
        promise=promise,
        subject=metric.name,
        configured="counts of the truth",
        injected=f"{due.total():,}",
        observed=f"{made.total():,}",
        test="every series compared",
        checked=len(due),
    ).exact(len(wrong), example)


@dataclass(frozen=True, kw_only=True)
class CountedValues:
    """A histogram: its upper bounds, its count by bucket, and the sum of its values."""

    bounds: tuple[float, ...]
    buckets: tuple[int, ...]
    sum: float


def _histogram(evidence: Evidence, told: Told) -> Finding:
    values: dict[Key, list[float]] = {}
    for row in told.rows(evidence):
        values.setdefault(_key(row), []).append(float(row[-1]))
    due = {key: _counted(_bounds(evidence, told.metric, key[0]), found) for key, found in values.items()}
    made = _made(evidence, told)
    found_wrong = {key: _difference(due.get(key), made.get(key)) for key in due.keys() | made.keys()}
    wrong = sorted(key for key, difference in found_wrong.items() if difference)
    example = f"{' '.join(wrong[0])}: {found_wrong[wrong[0]]}" if wrong else ""
    return Finding(
        promise=BUCKETS,
        subject=told.metric.name,
        configured="values of the truth in their buckets",
        injected=f"{sum(map(len, values.values())):,} values",
        observed=f"{sum(sum(one.buckets) for one in made.values()):,} counted",
        test="every bucket and sum of every series made again",
        checked=len(due),
    ).exact(len(wrong), example)


def _bounds(evidence: Evidence, metric: Metric, stage: str) -> tuple[float, ...]:
    """Return the upper bounds of a metric's buckets in a stage; requests are counted at its objectives, too."""
    objectives: set[float] = set()
    if metric is catalogue.HTTP_DURATION:
        slos = [made.slo for made in evidence.topology.stages[stage].all_operations.values() if made.slo is not None]
        objectives = {slo.latency.seconds for slo in slos if slo.latency is not None}
    return tuple(sorted({*map(float, metric.buckets), *objectives}))


def _points(evidence: Evidence, told: Told) -> Iterator[tuple[Key, MetricPoint]]:
    for point in evidence.points:
        needed = _NEEDED.get(point.name)
        if point.name == told.metric.otel_name and (needed is None or point.attributes.get(needed)):
            yield (point.service, *(_label(point.attributes, label) for label in told.labels)), point


def _made(evidence: Evidence, told: Told) -> dict[Key, CountedValues]:
    made: dict[Key, CountedValues] = {}
    for key, point in _points(evidence, told):
        if point.count:
            bounds = tuple(map(float, point.bounds))
            before = made.get(key, CountedValues(bounds=bounds, buckets=(0,) * (len(bounds) + 1), sum=0.0))
            buckets = tuple(map(sum, zip(before.buckets, point.bucket_counts, strict=False)))
            made[key] = CountedValues(bounds=bounds, buckets=buckets, sum=before.sum + point.sum)
    return made


def _counted(bounds: tuple[float, ...], values: list[float]) -> CountedValues:
    buckets = [0] * (len(bounds) + 1)
    for value in values:
        buckets[bisect.bisect_left(bounds, value)] += 1
    return CountedValues(bounds=bounds, buckets=tuple(buckets), sum=math.fsum(values))


def _difference(due: CountedValues | None, made: CountedValues | None) -> str:
    if due is None or made is None:
        return "the series is missing" if made is None else "the truth has no such series"
    if due.bounds != made.bounds:
        return f"buckets up to {', '.join(map(str, made.bounds))}"
    for bound, true, counted in zip((*due.bounds, math.inf), due.buckets, made.buckets, strict=True):
        if true != counted:
            return f"{counted:,} in the bucket up to {bound:g}, not {true:,}"
    is_same = math.isclose(due.sum, made.sum, rel_tol=_SUM_RATIO, abs_tol=_SUM_RATIO)
    return "" if is_same else f"a sum of {made.sum:.9g}, not {due.sum:.9g}"


def _key(row: Row) -> Key:
    return tuple(map(str, row[:-1]))


def _label(attributes: Mapping[str, object], label: str) -> str:
    """Return the value of a label; one that is left out is empty."""
    return str(attributes.get(catalogue.ATTRIBUTES.get(label, label), ""))

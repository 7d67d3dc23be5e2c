"""Which series miss counts, and how many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from simulator.proof.backends.expectation.counts import COMPARED
from simulator.proof.backends.expectation.records import ExpectedCount
from simulator.proof.backends.findings import BackendCheck, BackendFinding, some
from simulator.proof.backends.held import HeldCount
from simulator.proof.backends.judging.gaps import clock

# Labels that tell series of the same metric apart, in the order in which they are shown.
_OWN_LABELS = ("stage", "operation", "outcome", "fault", "downstream", "downstream_operation", "code")
_Key = tuple[str, tuple[tuple[str, str], ...]]
# A gap between samples that are so many times as far apart as usual.
_GAP_FACTOR = 3


def judge_counts(expected: Sequence[ExpectedCount], held: Sequence[HeldCount], end_unix_seconds: float) -> BackendCheck:
    """Return the check that each series counted what happened. `end_unix_seconds` is the end of the run."""
    wanted = {_key(one.name, one.labels): one.count for one in expected}
    found: defaultdict[_Key, list[HeldCount]] = defaultdict(list)
    compared = {metric.exposed for metric in COMPARED}
    for one in (one for one in held if one.name in compared):
        found[_key(one.name, one.labels)].append(one)
    missing, short, doubled, high = [], [], [], []
    for key in sorted(wanted.keys() | found.keys()):
        count, there = wanted.get(key, 0), round(sum(one.count for one in found.get(key, ())))
        if not count and not there:
            continue
        entry = (_shown(key), count, there)
        if key not in found:
            missing.append(entry)
        elif there < count:
            short.append(entry)
        elif count and there % count == 0 and there // count > 1:
            doubled.append(entry)
        elif there > count:
            high.append(entry)
    last = max((one.last_unix_seconds for one in held), default=0.0)
    findings = [
        *_finding("series missing", missing, "are not there"),
        *_finding("counts missing", short, f"miss counts{_too_early(last, end_unix_seconds)}"),
        *_finding("counts doubled", doubled, "counted everything more than once"),
        *_finding("counts too high", high, "counted what did not happen in this run"),
    ]
    counted = sum(1 for count in wanted.values() if count)
    return BackendCheck(name="counts", kept=f"{counted} series have the counts of the run", findings=tuple(findings))


def sample_remarks(held: Sequence[HeldCount]) -> list[str]:
    """Return remarks on gaps between samples, which lose no counts, but what happened in between."""
    gaps = [one for one in held if one.interval_seconds and one.gap_seconds >= _GAP_FACTOR * one.interval_seconds]
    if not gaps:
        return []
    worst = max(gaps, key=lambda one: one.gap_seconds)
    usual = f"where they usually have one every {worst.interval_seconds:.1f} s"
    return [f"{len(gaps)} of {len(held)} series have no sample for up to {worst.gap_seconds:.1f} s, {usual}"]


def _key(name: str, labels: Mapping[str, str]) -> _Key:
    return name, tuple((label, labels[label]) for label in _OWN_LABELS if labels.get(label))


def _shown(key: _Key) -> str:
    name, labels = key
    return f"{name}{{{', '.join(f'{label}={value}' for label, value in labels)}}}"


def _finding(name: str, entries: Sequence[tuple[str, int, int]], meaning: str) -> list[BackendFinding]:
    if not entries:
        return []
    off = sum(abs(count - there) for _, count, there in entries)
    return [
        BackendFinding(
            name=name,
            count=len(entries),
            meaning=f"{len(entries)} series {meaning}: {off:,} counts",
            examples=some(f"{shown}: {there:,} for {count:,}" for shown, count, there in entries),
        )
    ]


def _too_early(last_unix_seconds: float, end_unix_seconds: float) -> str:
    """Return why counts may be missing at the end of a run: its stages ended after the last scrape."""
    if not last_unix_seconds or last_unix_seconds >= end_unix_seconds:
        return ""
    before = end_unix_seconds - last_unix_seconds
    at = clock(round(last_unix_seconds * 1e9))
    return f" (the last sample, of {at}, is {before:.1f} s before the end of the run: what came later was not scraped)"

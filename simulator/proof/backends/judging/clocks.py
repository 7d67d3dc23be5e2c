"""Times that were moved: all of a service by the same amount, as by a clock that differs, or some."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from simulator.proof.backends.expectation.records import SpanPart
from simulator.proof.backends.findings import BackendCheck, BackendFinding, share, some
from simulator.proof.backends.matching import SpanPair

# Backends keep times in units of up to a millisecond.
_TOLERANCE_NS = 1_000_000
# Spans of libraries have the time of day, those of the stage what has passed since the arrival: clocks drift apart.
_LOOSE_NS = 5_000_000
_SAME_RATIO = 0.9


def judge_clocks(pairs: Sequence[SpanPair], offsets: Mapping[str, float]) -> BackendCheck:
    """Return the check of all times. `offsets` are those of the stages' clocks, in seconds, that the truth has."""
    by_service: defaultdict[str, list[SpanPair]] = defaultdict(list)
    for pair in pairs:
        if pair.held is not None:
            by_service[pair.expected.stage].append(pair)
    findings: list[BackendFinding] = []
    for service, found in sorted(by_service.items()):
        offset_ns = round(offsets.get(service, 0.0) * 1e9)
        offset_ns = offset_ns if abs(offset_ns) > _LOOSE_NS else 0
        shift_ns = _shift(found)
        if abs(shift_ns + offset_ns) > _TOLERANCE_NS:
            findings.append(_skew(service, shift_ns + offset_ns, len(found)))
        moved = [pair for pair in found if _is_moved(pair, shift_ns)]
        if moved:
            findings.append(_moved(service, moved, len(found)))
    count = sum(len(found) for found in by_service.values())
    return BackendCheck(name="clocks", kept=f"the times of {count:,} spans are as they were", findings=tuple(findings))


def _shift(pairs: Sequence[SpanPair]) -> int:
    """Return by how many nanoseconds nearly all spans are later than they should be, 0 if they do not agree."""
    shifts = [
        pair.held.start_unix_ns - pair.expected.start_unix_ns
        for pair in pairs
        if pair.held is not None and pair.expected.start_unix_ns is not None
    ]
    if not shifts:
        return 0
    middle = statistics.median_low(shifts)
    agreeing = sum(abs(shift - middle) <= _TOLERANCE_NS for shift in shifts)
    return middle if abs(middle) > _TOLERANCE_NS and agreeing >= _SAME_RATIO * len(shifts) else 0


def _is_moved(pair: SpanPair, shift_ns: int) -> bool:
    """Return whether a span is elsewhere than all of its service are."""
    held, expected, visit = pair.held, pair.expected, pair.visit
    if held is None:
        return False
    start, end = held.start_unix_ns - shift_ns, held.end_unix_ns - shift_ns
    if expected.start_unix_ns is not None and abs(start - expected.start_unix_ns) > _TOLERANCE_NS:
        return True
    if expected.end_unix_ns is not None and abs(end - expected.end_unix_ns) > _TOLERANCE_NS:
        return True
    # Where the truth has no time of its own, a span is within its visit.
    is_early = expected.start_unix_ns is None and start < visit.start_unix_ns - _LOOSE_NS
    # The span of a request that was accepted ends when the answer has left, and the work may be done by then.
    must_be_within = expected.end_unix_ns is None and expected.part is not SpanPart.SERVER
    is_late = must_be_within and end > visit.end_unix_ns + _LOOSE_NS
    return is_early or is_late or start > end


def _skew(service: str, shift_ns: int, count: int) -> BackendFinding:
    seconds = shift_ns / 1e9
    return BackendFinding(
        name="clock skew",
        count=count,
        total=count,
        meaning=f"the clock of {service} is {abs(seconds):.3f} s {'ahead' if seconds > 0 else 'behind'}, in all spans",
    )


def _moved(service: str, moved: Sequence[SpanPair], total: int) -> BackendFinding:
    return BackendFinding(
        name="times moved",
        count=len(moved),
        total=total,
        meaning=f"{share(len(moved), total)} spans of {service} have other times",
        examples=some(f"{pair.visit.trace_id}: {pair.expected.name or pair.expected.part}" for pair in moved),
    )

"""Which lines of the logs are missing, doubled or altered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from simulator.proof.backends.expectation.records import ExpectedLine
from simulator.proof.backends.findings import BackendCheck, BackendFinding, of_each, share, some
from simulator.proof.backends.held import HeldLine
from simulator.proof.backends.judging.attributes import Bearer, judge_attributes
from simulator.proof.backends.judging.gaps import DOWN, Timed, find_gaps


@dataclass(frozen=True, kw_only=True)
class LinePair:
    """A line that must be there, and the one that is; None if it is missing."""

    expected: ExpectedLine
    held: HeldLine | None


def judge_lines(
    expected: Sequence[ExpectedLine], held: Iterable[HeldLine], messages: Collection[str]
) -> list[BackendCheck]:
    """Return the checks of the lines about messages; those of other runs' messages, and other events, are left out."""
    events = {line.event for line in expected}
    own = [line for line in held if line.message_id in messages and line.event in events | {""}]
    pairs, rest = _matched(expected, own)
    there = [pair for pair in pairs if pair.held is not None]
    return [
        _presence_check(pairs),
        _copies_check(rest, len(there)),
        _attribute_check(there),
    ]


def _matched(expected: Sequence[ExpectedLine], held: Sequence[HeldLine]) -> tuple[list[LinePair], list[HeldLine]]:
    """Return the pairs, and the lines that are left over."""
    free = dict(enumerate(held))
    found: dict[int, HeldLine] = {}
    # What has lost its stage is looked for by its span, and what has lost that by its message.
    for of in (_key, _span_key, _stage_key):
        groups: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, line in free.items():
            groups[of(line)].append(place)
        wanted: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for index, one in enumerate(expected):
            if index not in found:
                wanted[of(one)].append(index)
        for key, indexes in wanted.items():
            _take(expected, indexes, groups.get(key, []), free, found)
    return [LinePair(expected=one, held=found.get(index)) for index, one in enumerate(expected)], list(free.values())


def _take(
    expected: Sequence[ExpectedLine],
    indexes: list[int],
    places: list[int],
    free: dict[int, HeldLine],
    found: dict[int, HeldLine],
) -> None:
    """Pair lines that are alike, such as those of the calls of a visit: first those that have the most in common."""
    scores = [
        (_common(expected[index], free[place]) if len(indexes) > 1 or len(places) > 1 else 0, index, place)
        for index in indexes
        for place in places
    ]
    for _, index, place in sorted(scores, key=lambda entry: (-entry[0], entry[1], entry[2])):
        if index not in found and place in free:
            found[index] = free.pop(place)


def _common(expected: ExpectedLine, held: HeldLine) -> int:
    return sum(held.keys.get(key) == value for key, value in expected.keys.items())


def _key(line: ExpectedLine | HeldLine) -> tuple[str, ...]:
    return line.event, line.message_id, line.span_id, line.stage


def _span_key(line: ExpectedLine | HeldLine) -> tuple[str, ...]:
    return line.event, line.message_id, line.span_id


def _stage_key(line: ExpectedLine | HeldLine) -> tuple[str, ...]:
    return line.event, line.message_id, line.stage


def _presence_check(pairs: Sequence[LinePair]) -> BackendCheck:
    missing = [pair.expected for pair in pairs if pair.held is None]
    timed: defaultdict[str, list[Timed]] = defaultdict(list)
    for pair in pairs:
        timed[pair.expected.stage].append(
            Timed(pair.expected.at_unix_ns, pair.held is not None, pair.expected.message_id)
        )
    gaps = find_gaps(timed)
    findings: list[BackendFinding] = []
    for gap in gaps:
        inside = [line for line in missing if gap.has(line.stage, line.since_unix_ns, line.at_unix_ns)]
        meaning = f"no line is there {gap.shown()}, of {', '.join(gap.services)}: {DOWN}"
        findings.append(BackendFinding(name="gap in time", count=len(inside), meaning=meaning))
    left = [
        line for line in missing if not any(gap.has(line.stage, line.since_unix_ns, line.at_unix_ns) for gap in gaps)
    ]
    if left:
        kinds = Counter(f"{line.stage} {line.event}" for line in left)
        findings.append(
            BackendFinding(
                name="lines missing",
                count=len(left),
                total=len(pairs),
                meaning=f"{share(len(left), len(pairs))} are not there: {of_each(list(kinds.items()))}",
                examples=some(f"{line.message_id}: {line.stage} {line.event}" for line in left),
            )
        )
    return BackendCheck(name="lines", kept=f"{len(pairs):,} of {len(pairs):,} are there", findings=tuple(findings))


def _copies_check(rest: Sequence[HeldLine], there: int) -> BackendCheck:
    findings: tuple[BackendFinding, ...] = ()
    if rest:
        kinds = Counter(f"{line.stage} {line.event}" for line in rest)
        findings = (
            BackendFinding(
                name="lines doubled",
                count=len(rest),
                meaning=f"{len(rest):,} are there more often than they were written: {of_each(list(kinds.items()))}",
                examples=some(f"{line.message_id}: {line.stage} {line.event}" for line in rest),
            ),
        )
    return BackendCheck(name="copies", kept=f"each of {there:,} lines is there once", findings=findings)


def _attribute_check(there: Sequence[LinePair]) -> BackendCheck:
    findings, compared = judge_attributes(
        (
            Bearer(
                stage=pair.expected.stage,
                shown=f"{pair.expected.message_id}: {pair.expected.stage} {pair.expected.event}",
                expected=pair.expected.keys,
                held=pair.held.keys,
            )
            for pair in there
            if pair.held is not None
        ),
        "line",
    )
    return BackendCheck(name="keys", kept=f"{compared:,} keys", findings=tuple(findings))

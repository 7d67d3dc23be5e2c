"""Attributes that were dropped, renamed or changed, of spans or of log lines."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.proof.backends.expectation.records import ANY_VALUE
from simulator.proof.backends.findings import BackendFinding, of_each, share, some
from simulator.telemetry.catalogue.attributes import ATTRIBUTES
from simulator.telemetry.logs import MAX_TEXT_CHARACTERS

_KNOWN = frozenset(attribute.name for attribute in ATTRIBUTES)
# Of the places where an attribute is missing, the share in which another one must have its value to be it.
_RENAMED_RATIO = 0.95
_MAX_COMPARED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """What must have attributes, and those that it has. `shown` names it in examples."""

    stage: str
    shown: str
    expected: Mapping[str, Any]
    held: Mapping[str, Any]


@dataclass
class _Deviation:
    missing: list[Bearer] = field(default_factory=list)
    changed: list[Bearer] = field(default_factory=list)


def judge_attributes(bearers: Iterable[Bearer], what: str) -> tuple[list[BackendFinding], int]:
    """Return what is wrong with attributes, each named once for all stages, and how many were compared.

    `what` is what has them: span or line.
    """
    deviations: defaultdict[str, _Deviation] = defaultdict(_Deviation)
    totals: Counter[str] = Counter()
    for bearer in bearers:
        for name, value in bearer.expected.items():
            totals[name] += 1
            if name not in bearer.held:
                deviations[name].missing.append(bearer)
            elif not is_same(value, bearer.held[name]):
                deviations[name].changed.append(bearer)
    findings: list[BackendFinding] = []
    for name, deviation in sorted(deviations.items()):
        if deviation.missing:
            findings.append(_missing(name, deviation.missing, totals[name], what))
        if deviation.changed:
            findings.append(_changed(name, deviation.changed, totals[name]))
    return findings, sum(totals.values())


def is_same(expected: Any, held: Any) -> bool:
    """Return whether a value is what was expected: numbers to what a double has, texts as far as limits let them be."""
    if expected is ANY_VALUE:
        return True
    if isinstance(expected, bool) or isinstance(held, bool):
        return bool(expected is held)
    if isinstance(expected, (int, float)) and isinstance(held, (int, float)):
        return math.isclose(expected, held, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(expected, str) and isinstance(held, str) and len(held) >= MAX_TEXT_CHARACTERS:
        return expected[: MAX_TEXT_CHARACTERS // 2] == held[: MAX_TEXT_CHARACTERS // 2]
    return bool(expected == held)


def _missing(name: str, missing: list[Bearer], total: int, what: str) -> BackendFinding:
    other = _other_name(name, missing)
    where = of_each(list(Counter(bearer.stage for bearer in missing).items()))
    if other:
        kind, meaning = (
            "attribute renamed",
            f"{name} is {other} there, in {share(len(missing), total)} {what}s: {where}",
        )
    else:
        kind, meaning = "attribute dropped", f"{name} is missing in {share(len(missing), total)} {what}s: {where}"
    return BackendFinding(
        name=kind, count=len(missing), total=total, meaning=meaning, examples=some(one.shown for one in missing)
    )


def _changed(name: str, changed: list[Bearer], total: int) -> BackendFinding:
    where = of_each(list(Counter(bearer.stage for bearer in changed).items()))
    return BackendFinding(
        name="attribute changed",
        count=len(changed),
        total=total,
        meaning=f"{name} has another value in {share(len(changed), total)}: {where}",
        examples=some(f"{one.held[name]!r:.60} is not {one.expected[name]!r:.60}" for one in changed),
    )


def _other_name(name: str, missing: list[Bearer]) -> str:
    """Return the attribute that has the values of one that is missing, "" for none.

    Of an attribute whose values are not known, it is the only unknown one that is in all the places.
    """
    compared = missing[:_MAX_COMPARED]
    if any(bearer.expected[name] is not ANY_VALUE for bearer in compared):
        return _most(compared, lambda bearer, key: is_same(bearer.expected[name], bearer.held[key]))
    return _most(compared, lambda bearer, key: True, must_be_one=True)


def _most(compared: list[Bearer], fits: Callable[[Bearer, str], bool], must_be_one: bool = False) -> str:
    counts = Counter(
        key
        for bearer in compared
        for key in bearer.held
        if key not in bearer.expected and key not in _KNOWN and fits(bearer, key)
    )
    found = [key for key, count in counts.most_common() if count >= _RENAMED_RATIO * len(compared)]
    if not found or (must_be_one and len(found) > 1):
        return ""
    return found[0]

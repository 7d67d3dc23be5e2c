"""The ledger: what it counts at every stage and every call is what the truth has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from simulator.proof.promises.evidence import Evidence
from simulator.proof.promises.finding import Finding
from simulator.telemetry.record import Outcome
from simulator.topology.graph import label

LEDGER = "ledger"
_STAGES = """
    SELECT stage, CASE WHEN ? THEN operation ELSE '' END AS name, outcome, count(*) FROM visits GROUP BY ALL
"""
_ATTEMPTS = "SELECT stage, downstream, operation, outcome, count(*) FROM attempts GROUP BY ALL"
_RECEIVED = "SELECT caller, stage, operation, count(*) FROM visits WHERE caller <> 'outside' GROUP BY ALL"
_IN_DOUBT = ("timeout", "broken", "abandoned")


def judge_ledger(evidence: Evidence, alpha: float) -> Iterator[Finding]:
    """Yield a finding for each line of the ledger."""
    del alpha
    ledger = evidence.report.get("ledger", {})
    finding = Finding(promise=LEDGER, subject="every stage and call", configured="counts of the ledger = truth")
    if evidence.gap or not ledger:
        yield finding.not_judged(evidence.gap or "the run has no report")
        return
    whole, by_operation = _outcomes(evidence, False), _outcomes(evidence, True)
    for line in ledger["stages"]:
        yield _line(label((line["stage"], "")), _of_stage(line), whole.get((line["stage"], ""), {}))
    for line in ledger.get("operations", ()):
        found = by_operation.get((line["stage"], line["operation"]), {})
        yield _line(label((line["stage"], line["operation"])), _of_stage(line), found)
    attempts, received = _attempts(evidence), _received(evidence)
    for line in ledger["calls"]:
        of = line["caller"], line["called"], line["operation"]
        found = {**attempts.get(of, {}), "received": received.get(of, 0)}
        yield _line(f"{of[0]} -> {label((of[1], of[2]))}", _of_call(line), found, _imbalance(line))


def _imbalance(line: dict[str, Any]) -> list[str]:
    """Return why a call does not balance: a stage received what no attempt can have sent it, or less."""
    answered, received = line["answered"] + line["answered_with_error"], line["received"]
    if received is None or answered <= received <= answered + line["in_doubt"]:
        return []
    return [f"{answered:,} answered and {line['in_doubt']:,} in doubt, but {received:,} received"]


def _line(subject: str, told: dict[str, int], found: dict[str, int], more: Sequence[str] = ()) -> Finding:
    differences = [
        *more,
        *_differences(told, found),
    ]
    return Finding(
        promise=LEDGER,
        subject=subject,
        configured="counts of the ledger = truth",
        injected=_shown(found),
        observed=_shown(told),
        test="counts compared, sums of calls",
        checked=len(told),
    ).exact(len(differences), "; ".join(differences))


def _differences(told: dict[str, int], found: dict[str, int]) -> list[str]:
    return [
        f"{name} is {told.get(name, 0):,} in the ledger and {found.get(name, 0):,} in the truth"
        for name in told
        if told.get(name, 0) != found.get(name, 0)
    ]


def _of_stage(line: dict[str, Any]) -> dict[str, int]:
    return {name: int(line[name]) for name in ("received", *map(str, Outcome))}


def _of_call(line: dict[str, Any]) -> dict[str, int]:
    counts = {name: line[name] for name in ("sent", "answered", "answered_with_error", "unreachable", "in_doubt")}
    return counts if line["received"] is None else {**counts, "received": line["received"]}


def _outcomes(evidence: Evidence, by_operation: bool) -> dict[tuple[str, str], dict[str, int]]:
    found: dict[tuple[str, str], dict[str, int]] = {}
    for stage, name, outcome, count in evidence.truth.rows(_STAGES, [by_operation]):
        counts = found.setdefault((stage, name), {"received": 0})
        counts["received"] += count
        counts[outcome] = count
    return found


def _attempts(evidence: Evidence) -> dict[tuple[str, str, str], dict[str, int]]:
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    names = {"ok": "answered", "error_status": "answered_with_error", "unreachable": "unreachable"}
    for caller, called, operation, outcome, count in evidence.truth.rows(_ATTEMPTS):
        counts = found.setdefault((caller, called, operation), {"sent": 0, "in_doubt": 0})
        counts["sent"] += count
        name = "in_doubt" if outcome in _IN_DOUBT else names[outcome]
        counts[name] = counts.get(name, 0) + count
    return found


def _received(evidence: Evidence) -> dict[tuple[str, str, str], int]:
    return {(caller, stage, operation): count for caller, stage, operation, count in evidence.truth.rows(_RECEIVED)}


def _shown(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)

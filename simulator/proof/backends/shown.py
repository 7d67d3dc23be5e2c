"""The verdicts on backends as text for a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from simulator.proof.backends.findings import BackendCheck, BackendVerdict
from simulator.proof.junit import Judgement

_NAME_WIDTH = 14


def verdict_lines(verdicts: Iterable[BackendVerdict], is_quiet: bool = False) -> Iterator[str]:
    """Yield a line for each check of each backend, with what was found wrong and examples below it.

    `is_quiet` leaves out what is as it should be.
    """
    for verdict in verdicts:
        yield verdict.backend
        for check in verdict.checks:
            if not (is_quiet and check.is_kept):
                yield from _check_lines(check)
        for remark in verdict.remarks:
            yield f"  note  {remark}"


def _check_lines(check: BackendCheck) -> Iterator[str]:
    if check.is_kept:
        yield f"  ok    {check.name:<{_NAME_WIDTH}} {check.kept}"
    for finding in check.findings:
        yield f"  FAIL  {check.name:<{_NAME_WIDTH}} {finding.name}: {finding.meaning}"
        for example in finding.examples:
            yield f"        {'':<{_NAME_WIDTH}} {example}"


def verdict_judgements(verdicts: Iterable[BackendVerdict]) -> Iterator[Judgement]:
    """Yield a judgement for each check of each backend, for JUnit XML."""
    for verdict in verdicts:
        for check in verdict.checks:
            problem = "\n".join(f"{finding.name}: {finding.meaning}" for finding in check.findings)
            yield Judgement(group=verdict.backend, name=check.name, problem=problem)


def verdicts_json(verdicts: Iterable[BackendVerdict]) -> dict[str, Any]:
    """Return the verdicts, ready for a JSON encoder."""
    found = list(verdicts)
    return {
        "is_good": all(verdict.is_good for verdict in found),
        "backends": [asdict(verdict) | {"is_good": verdict.is_good} for verdict in found],
    }

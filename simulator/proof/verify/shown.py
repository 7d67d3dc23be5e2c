"""The verdict as people and programs read it: a table, JSON, and a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from simulator.proof.junit import Judgement
from simulator.proof.promises.every import FALSE_ALARM_RATIO
from simulator.proof.promises.finding import Finding, PromiseVerdict

_STYLES = {PromiseVerdict.KEPT: "green", PromiseVerdict.BROKEN: "bold red", PromiseVerdict.NOT_JUDGED: "yellow"}
VERSION = 1


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return a table with a line for each finding."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("verdict", "promise", "subject", "configured", "injected", "observed", "test"):
        table.add_column(name, overflow="fold")
    for found in findings:
        reason = f" ({found.reason})" if found.verdict is PromiseVerdict.NOT_JUDGED else ""
        style = _STYLES[found.verdict]
        table.add_row(
            f"[{style}]{found.verdict}[/]",
            *map(_plain, (found.promise, found.subject, found.configured, found.injected, found.observed)),
            _plain(f"{_test(found)}{reason}"),
        )
    return table


def problems(findings: Sequence[Finding]) -> list[str]:
    """Return a line for each promise that is broken."""
    broken = [found for found in findings if found.verdict is PromiseVerdict.BROKEN]
    return [f"broken: {found.promise}: {found.subject}: {found.reason}" for found in broken]


def summary(findings: Sequence[Finding]) -> str:
    """Return in two sentences how many promises are kept, and how often that is wrong."""
    counts = Counter(found.verdict for found in findings)
    told = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in PromiseVerdict)
    return (
        f"{told}. Of {1 / FALSE_ALARM_RATIO:,.0f} runs that keep every promise, "
        "one or none is found to break one by chance."
    )


def verdict_json(findings: Sequence[Finding], messages: int, topology: str, seed: int) -> dict[str, Any]:
    """Return the verdict as it is in JSON."""
    return {
        "version": VERSION,
        "topology": topology,
        "seed": seed,
        "messages": messages,
        "false_alarm_ratio": FALSE_ALARM_RATIO,
        "verdict": str(PromiseVerdict.BROKEN if problems(findings) else PromiseVerdict.KEPT),
        "findings": [asdict(found) for found in findings],
    }


def verdict_judgements(findings: Sequence[Finding], gap: str) -> Iterator[Judgement]:
    """Yield a judgement for each finding with a verdict, and one for the run itself: `gap` is what is missing of it."""
    yield Judgement(group="run", name="the run itself", problem=gap)
    for found in findings:
        if found.verdict is not PromiseVerdict.NOT_JUDGED:
            problem = found.reason if found.verdict is PromiseVerdict.BROKEN else ""
            yield Judgement(group=found.promise, name=found.subject, problem=problem)


def _test(found: Finding) -> str:
    p_value = "" if found.p_value is None else f", p = {found.p_value:.2g}"
    return f"{found.test}{p_value}{f'; would show {found.shows}' if found.shows else ''}"


def _plain(text: str) -> str:
    return text.replace("[", "\\[")

"""What JUnit XML says of a run: a test case for each threshold, stage, call, and other problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.local.finished import FinishedRun
from simulator.local.folder import write
from simulator.proof.junit import Judgement, junit_xml


def write_run_junit(path: Path, finished: FinishedRun) -> None:
    """Write the file. Raise StartError if that can't be done."""
    report = finished.report
    properties = {"seed": str(report["seed"]), "program_version": str(report["program_version"])}
    xml = junit_xml(str(report["topology"]), run_judgements(report, finished.problems), properties)
    write(path, xml.decode())


def run_judgements(report: Mapping[str, Any], problems: Sequence[str]) -> Iterator[Judgement]:
    """Yield what was judged in a run; a problem that is of no stage, call or threshold is a test case of its own."""
    told: set[str] = set()
    for threshold in report.get("thresholds", ()):
        yield Judgement(group="thresholds", name=threshold["threshold"], problem=_broken(threshold))
        told |= {problem for problem in problems if threshold["threshold"] in problem}
    names = [line["stage"] for line in report["ledger"]["stages"]]
    calls = [f"{call['caller']} -> {_target(call)}" for call in report["ledger"]["calls"]]
    for group, of_group in (("stages", names), ("calls", calls)):
        for name in of_group:
            found = [problem for problem in problems if problem.startswith((f"{name}:", f"{name} "))]
            if group == "stages":
                found = [problem for problem in found if not problem.startswith(f"{name} ->")]
            told.update(found)
            yield Judgement(group=group, name=name, problem="\n".join(found))
    for problem in problems:
        if problem not in told:
            yield Judgement(group="run", name=problem, problem=problem)


def _target(call: Mapping[str, Any]) -> str:
    return f"{call['called']}.{call['operation']}" if call["operation"] else str(call["called"])


def _broken(threshold: Mapping[str, Any]) -> str:
    return "" if threshold["kept"] else f"broken: {threshold['observed']}"

"""The result of a run: its report in the folder, the ledger on the terminal, and the exit code."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from simulator import __version__
from simulator.behaviour.verdicts import Verdict, as_dicts
from simulator.errors import StartError
from simulator.local.finished import AfterRun, FinishedRun, nothing_after
from simulator.local.folder import RunFolder, write
from simulator.local.losses import reported_losses, spans_not_forwarded
from simulator.local.supervisor import Result
from simulator.local.terminal import Outlet
from simulator.local.verdict_table import verdict_table
from simulator.local.view import ledger_tables
from simulator.telemetry.run_files import RunFiles, labels, older_log
from simulator.topology.model import Topology

# Of report.json: a new key leaves it as it is, a key that is gone or means something else makes it one more.
REPORT_VERSION = 1
_BAD_LINES_NAMED = 5


def conclude(
    result: Result,
    topology: Topology,
    folder: RunFolder,
    as_json: bool,
    outlet: Outlet,
    out: Console,
    err: Console,
    after: AfterRun = nothing_after,
) -> int:
    """Write the report, show the account and return the exit code; what can't be written is reported as a problem.

    `after` is called when all that is in the run's folder, and on standard output, has been written.
    """
    problems = [*result.ledger.problems, *_broken(result.verdicts)]
    problems += result.unwritten
    report = make_report(result, topology, folder)
    text = json.dumps(report, indent=2) + "\n"
    try:
        write(folder.report, text)
    except StartError as error:
        problems.append(str(error))
    if as_json:
        outlet.write(text)
        outlet.flush()
    else:
        out.print()
        out.print(ledger_tables(result.ledger, result.latencies, result.whole))
        if result.verdicts:
            out.print()
            out.print(verdict_table(result.verdicts))
    _report_lost_output(outlet, folder, as_json, problems, err)
    if result.ledger.bad_lines:
        _name_bad_lines(topology, folder, result.ledger.bad_lines, err)
    for line in reported_losses(result, folder):
        err.print(line, style="yellow", soft_wrap=True, markup=False)
    finished = FinishedRun(files=folder, topology=topology, report=report, problems=tuple(problems))
    problems += after(finished, lambda line: err.print(line, soft_wrap=True, markup=False, highlight=False))
    for problem in problems:
        err.print(f"wrong: {problem}", style="bold red", soft_wrap=True, markup=False)
    if not result.ledger.problems:
        err.print("The ledger balances: every message is accounted for.", style="green")
    return 1 if problems else 0


def make_report(result: Result, topology: Topology, files: RunFiles) -> Mapping[str, Any]:
    """Return what is in report.json; `schema report` prints its JSON Schema."""
    return {
        "version": REPORT_VERSION,
        "program_version": __version__,
        "topology": topology.name,
        "seed": topology.seed,
        "seconds": round(result.seconds, 3),
        "ledger": result.ledger.as_dict(),
        "latency_seconds": {**result.latencies, **result.operations, "end to end": result.whole.every},
        "request_latency_seconds": result.whole.requests,
        "accepted_work_seconds": result.whole.accepted,
        "thresholds": as_dicts(result.verdicts),
        "log_lines_dropped": dict(result.log_lines_dropped),
        "log_lines_deleted": dict(result.log_lines_deleted),
        "truth_rows_dropped": dict(result.truth_rows_dropped),
        "truth_rows_deleted": dict(result.truth_rows_deleted),
        "spans_dropped": dict(result.spans_dropped),
        "log_records_dropped": dict(result.log_records_dropped),
        "data_points_dropped": dict(result.data_points_dropped),
        "spans_not_passed_on": spans_not_forwarded(files),
    }


def _broken(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield the thresholds that were not kept."""
    for verdict in verdicts:
        if not verdict.kept:
            yield f"threshold {verdict.threshold}: {verdict.observed_text}"


def _report_lost_output(outlet: Outlet, folder: RunFolder, as_json: bool, problems: list[str], err: Console) -> None:
    """Report that standard output ended before the run; that is a problem only if nothing else was asked for."""
    if outlet.lost is None:
        return
    text = f"standard output could not be written: {outlet.lost}; the report is in {folder.path}"
    if as_json:
        problems.append(text)
    else:
        err.print(text, style="yellow", soft_wrap=True)


def _name_bad_lines(topology: Topology, folder: RunFolder, count: int, err: Console) -> None:
    """Print the first lines of the input that were not messages; the injectors' logs have them all."""
    logs = [
        folder.log(label)
        for name, stage in topology.stages.items()
        if stage.input is not None
        for label in labels(name, stage.instances)
    ]
    logs = [log for newest in logs for log in (older_log(newest), newest)]
    named = itertools.islice(itertools.chain.from_iterable(map(_bad_lines, logs)), _BAD_LINES_NAMED)
    for number, reason in named:
        err.print(f"line {number} of the input was not sent: {reason}", style="yellow", soft_wrap=True, markup=False)
    if count > _BAD_LINES_NAMED:
        err.print(f"and {count - _BAD_LINES_NAMED} more: see {folder.logs}", style="yellow", soft_wrap=True)


def _bad_lines(log: Path) -> Iterator[tuple[int, str]]:
    try:
        with log.open("rb") as lines:
            for line in lines:
                if b'"event":"input.bad_line"' in line and line.endswith(b"\n"):
                    entry = json.loads(line)
                    yield entry["line"], entry["error"]
    except OSError:
        return  # there is no older one, or the folder of the run is gone, which the report has reported

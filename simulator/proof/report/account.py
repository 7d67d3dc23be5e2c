"""What the folder of a run says of it, also if the run was killed before it could write its report."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simulator.errors import ConfigurationError, StartError
from simulator.local.conclusion import make_report
from simulator.local.folder import LOCK, MARKER
from simulator.local.ledger import make_ledger
from simulator.local.supervisor import Result
from simulator.telemetry import tally
from simulator.telemetry.end_to_end import end_to_end
from simulator.telemetry.run_files import RunFiles, labels
from simulator.telemetry.standing import operation_percentiles, percentiles
from simulator.telemetry.tally import Tallies, TallyReader
from simulator.topology.model import Topology
from simulator.topology.reader import read_topology
from simulator.topology.requests import request_kinds

_KILLED = "the run was killed before it could write its report: the counts are those that its stages left"
_ACTIVE = "the run has not ended: this is how it stands"


@dataclass(frozen=True, kw_only=True)
class RunAccount:
    """What is in report.json, or what of it the counts of the stages say; `missing` says what could not be had."""

    files: RunFiles
    report: Mapping[str, Any]
    missing: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """Return what is wrong with the run: of its ledger, and the thresholds that were broken."""
        broken = [one for one in self.report.get("thresholds", ()) if not one["kept"]]
        return [
            *self.report["ledger"].get("problems", ()),
            *(f"threshold {one['threshold']}: {one['observed']}" for one in broken),
        ]


def read_account(folder: Path) -> RunAccount:
    """Return the account of the run in a folder. Raise StartError if it is not the folder of a run."""
    files = RunFiles(folder)
    if not (folder / MARKER).is_file():
        raise StartError(f"{folder} is not the folder of a run: a run makes runs/NAME, or the folder of --report")
    try:
        report = json.loads(files.report.read_bytes())
        if not isinstance(report, dict) or not isinstance(report.get("ledger"), dict):
            raise ValueError("it has no ledger")
    except FileNotFoundError:
        return _counted_account(files)
    except (OSError, ValueError) as error:
        raise StartError(f"{files.report} can't be read: {error}") from None
    return RunAccount(files=files, report=report)


def _counted_account(files: RunFiles) -> RunAccount:
    """Return what the files that stages count in say. Raise StartError if they can't be read."""
    missing = _ACTIVE if _is_active(files) else _KILLED
    try:
        topology = read_topology(files.topology)
    except ConfigurationError as error:
        raise StartError(f"the run in {files.path} was killed before it had begun: {error}") from None
    with contextlib.ExitStack() as readers:
        tallies, lost = {}, []
        for name, stage in topology.started.items():
            found = []
            for label in labels(name, stage.instances):
                try:
                    reader = TallyReader(files.tally(label))
                except (OSError, ValueError):
                    lost.append(f"{label} left no counts")
                    continue
                readers.callback(reader.close)
                found.append(reader)
            if found:
                tallies[name] = Tallies(found)
        if not tallies:
            raise StartError(
                f"the run in {files.path} left neither a report nor counts, as a run in virtual time that was killed"
            )
        result = _result(topology, tallies, missing)
    return RunAccount(files=files, report=make_report(result, topology, files), missing=(missing, *lost))


def _result(topology: Topology, tallies: Mapping[str, Tallies], why: str) -> Result:
    counts = {name: source.counts() for name, source in tallies.items()}
    everywhere = {name: counts.get(name, {}) for name in topology.stages}
    ledger = make_ledger(topology, {n: _Counts(c) for n, c in everywhere.items()}, dict.fromkeys(tallies, "-"), tallies)
    stages, operations = (tuple(replace(line, ended="") for line in of) for of in (ledger.stages, ledger.operations))
    return Result(
        ledger=replace(ledger, stages=stages, operations=operations, problems=(why,)),
        latencies={name: percentiles(source.durations(tally.HANDLING)) for name, source in tallies.items()},
        operations=operation_percentiles(tallies),
        whole=end_to_end(tallies, request_kinds(topology)),
        seconds=0.0,
    )


class _Counts(dict[str, int]):
    """Counts of which those that nobody has left are 0."""

    def __missing__(self, _: str) -> int:
        return 0


def _is_active(files: RunFiles) -> bool:
    """Return whether a run has the folder."""
    try:
        lock = os.open(files.path / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False

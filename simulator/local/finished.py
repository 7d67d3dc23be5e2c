"""What a command may do with a run that is over: `local` hands it the run, and knows nothing of what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.telemetry.run_files import RunFiles
from simulator.topology.model import Topology


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A run whose report.json has been written, and what is wrong with it so far; `report` is what is in that file."""

    files: RunFiles
    topology: Topology
    report: Mapping[str, Any]
    problems: Sequence[str]


# Called with a run that is over and with a function that shows a line to the user. Return further problems.
AfterRun = Callable[[FinishedRun, Callable[[str], None]], Sequence[str]]


def nothing_after(_: FinishedRun, __: Callable[[str], None]) -> Sequence[str]:
    """Do nothing, and return no problems."""
    return ()

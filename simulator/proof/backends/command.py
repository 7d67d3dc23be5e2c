"""`verify` with backends: judge what they hold of a run, print it, and return the exit code."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import orjson

from simulator.local.command import RunRequest, run_topology
from simulator.local.finished import FinishedRun
from simulator.local.folder import write
from simulator.proof.after_run import after_run
from simulator.proof.backends.judgement import BackendJudge, Backends, settled
from simulator.proof.backends.shown import verdict_judgements, verdict_lines, verdicts_json
from simulator.proof.junit import junit_xml
from simulator.proof.truth.reading import open_truth

_DEFAULT_DURATION = "60s"
_RAN = (0, 1)  # the exit codes of a run to its end


@dataclass(frozen=True, kw_only=True)
class BackendRequest:
    """What the command line asked for. `settle_seconds` is how long after its end a run may take to arrive.

    `is_quiet` means that only what is wrong is shown, and `junit` is a file for the verdict as JUnit XML.
    """

    backends: Backends
    settle_seconds: float
    as_json: bool = False
    is_quiet: bool = False
    junit: Path | None = None


def verify_backends(
    run_folder: Path,
    request: BackendRequest,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Judge the backends by the truth of a run, print the verdict, and return 0 if all is well, 1 with findings.

    Raise TruthError or BackendError if the truth or a backend can't be read.
    """
    with open_truth(run_folder) as truth:
        judge = BackendJudge(truth)
        until = (truth.manifest.ended_unix_seconds or 0.0) + request.settle_seconds
    verdicts = settled(lambda: judge.verdicts(request.backends), until, now, sleep)
    if request.junit is not None:
        judgements = verdict_judgements(verdicts)
        write(request.junit, junit_xml("verify", judgements, {"run": str(run_folder)}).decode())
    if request.as_json:
        click.echo(orjson.dumps(verdicts_json(verdicts), option=orjson.OPT_INDENT_2))
    else:
        for line in verdict_lines(verdicts, request.is_quiet):
            click.echo(line)
    return 0 if all(verdict.is_good for verdict in verdicts) else 1


def run_and_judge(
    run: RunRequest, request: BackendRequest, program: Sequence[str], environment: Mapping[str, str]
) -> int:
    """Run a topology, whose account goes to standard error, and then judge the backends.

    Without a bound of its own the run has a default one: a topology may have no end.
    """
    if run.duration is None and run.overrides.messages is None:
        run = replace(run, duration=_DEFAULT_DURATION)
    folders: list[Path] = []

    def after(finished: FinishedRun, show: Callable[[str], None]) -> Sequence[str]:
        folders.append(finished.files.path)
        return after_run(finished, show)

    with contextlib.redirect_stdout(sys.stderr):
        code = run_topology(run, program, environment, after)
    if code not in _RAN or not folders:
        return code
    return max(code, verify_backends(folders[0], request))

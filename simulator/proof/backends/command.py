"""`verify --backend`: judge what backends hold of a run, print it, and return the exit code."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import orjson

from simulator.proof.backends.judgement import BackendJudge, Backends, settled
from simulator.proof.backends.shown import verdict_lines, verdicts_json
from simulator.proof.truth.reading import open_truth


@dataclass(frozen=True, kw_only=True)
class BackendRequest:
    """What the command line asked for. `settle_seconds` is how long after its end a run may take to arrive."""

    run: Path
    backends: Backends
    settle_seconds: float
    as_json: bool = False


def verify_backends(
    request: BackendRequest, now: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Judge the backends and print the verdict; 0 if all is well, 1 with findings.

    Raise TruthError or BackendError if the truth or a backend can't be read.
    """
    with open_truth(request.run) as truth:
        judge = BackendJudge(truth)
        until = (truth.manifest.ended_unix_seconds or 0.0) + request.settle_seconds
    verdicts = settled(lambda: judge.verdicts(request.backends), until, now, sleep)
    if request.as_json:
        click.echo(orjson.dumps(verdicts_json(verdicts), option=orjson.OPT_INDENT_2))
    else:
        for line in verdict_lines(verdicts):
            click.echo(line)
    return 0 if all(verdict.is_good for verdict in verdicts) else 1

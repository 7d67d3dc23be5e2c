"""A benchmark as a program: signals stop it in order, and its exit code is the result."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from benchmarks.errors import BenchmarkFailed

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_as_program(command: click.Command, when_stopped: str) -> NoReturn:
    """Run a command that returns its exit code: 1 for a failed benchmark, 2 for bad usage, 130 if it was stopped."""
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        sys.exit(command.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BenchmarkFailed as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo(when_stopped, err=True)
        sys.exit(130)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Stop everything in order; a second signal must not prevent that."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt

"""The program's commands together, and their exit codes.

0: good. 1: it ran and something is wrong. 2: bad usage or configuration, or it could not start. 130: Ctrl-C before it
was up.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from simulator import __version__
from simulator.commands.help_text import HelpfulCommand
from simulator.commands.program import CONFIG, PIPELINE, Program
from simulator.errors import ConfigurationError, StartError
from simulator.grants import complain_of_machine, open_standard_streams

COMMANDS = (
    "check",
    "compare",
    "console",
    "find-capacity",
    "fork-server",
    "generate",
    "render",
    "report",
    "run",
    "schema",
    "set",
    "stage",
    "verify",
)


def main(arguments: Sequence[str], program: Program) -> int:
    """Run a command and return its exit code."""
    try:
        open_standard_streams()
        code = _run_command(arguments, program)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (OSError, RuntimeError) as error:
        return complain_of_machine(error, program.name)
    return code


def _run_command(arguments: Sequence[str], program: Program) -> int:
    try:
        result = cli.main(list(arguments), prog_name=program.name, standalone_mode=False, obj=program)
        return int(result or 0)
    except click.ClickException as error:
        error.show()
    except ConfigurationError as error:
        click.echo(f"{len(error.problems)} mistake{'s' if len(error.problems) > 1 else ''}:", err=True)
        click.echo(str(error), err=True)
    except StartError as error:
        click.echo(str(error), err=True)
    return 2


class Commands(HelpfulCommand, click.Group):
    """The commands, imported when they are called: a stage's process has no use for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; `None` if there is none of that name."""
        del ctx
        return _import_command(cmd_name) if cmd_name in COMMANDS else None


def _import_command(name: str) -> click.Command:
    """Import a command, which is a function of its name in a module of its name."""
    name = name.replace("-", "_")
    command: click.Command = getattr(import_module(f"simulator.commands.{name}"), name)
    return command


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.pass_context
def cli(context: click.Context) -> int | None:
    """Simulate web services that are completely observable.

    Without a command: run one stage from instance/config.py; if that file is missing, run the default pipeline.

    \b
    Try:  PROGRAM run
          PROGRAM run checkout --set payment.delay='constant(1s)'
          PROGRAM check checkout
    """
    if context.invoked_subcommand is not None:
        return None
    program: Program = context.obj
    if program.config.exists():
        return _invoke("stage", context)
    click.echo(f"There is no {CONFIG}, so this runs the default pipeline, {PIPELINE}.", err=True)
    click.echo(f"For a stage of your own: {program.how_to_configure}, edit it, and start again.\n", err=True)
    return _invoke("run", context)


def _invoke(name: str, context: click.Context) -> int:
    command = _import_command(name)
    with command.make_context(name, [], parent=context) as command_context:
        return int(command.invoke(command_context))

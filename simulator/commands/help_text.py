"""Help that names the command the user typed, whether the program is installed or started from a checkout."""

from __future__ import annotations

import textwrap

import click

from simulator.commands.program import Program
from simulator.commands.ready_made import files_by_name

_PLACEHOLDER = "PROGRAM"


class HelpfulCommand(click.Command):
    """A command in whose docstring PROGRAM stands for what the user types."""

    def get_help(self, ctx: click.Context) -> str:
        """Return the help."""
        return super().get_help(ctx).replace(_PLACEHOLDER, ctx.find_root().info_name or "")


class TopologyCommand(HelpfulCommand):
    """A command that takes a topology: its help ends with the names of those that come with the program."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names."""
        program = ctx.find_object(Program)
        names = ", ".join(files_by_name(program.root)) if program else ""
        text = f"TOPOLOGY is a file, or the name of a ready-made one: {names}."
        formatter.write_paragraph()
        formatter.write(textwrap.fill(text, formatter.width, break_on_hyphens=False) + "\n")

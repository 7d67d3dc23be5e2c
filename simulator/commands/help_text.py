"""Help that names the command the user typed, whether the program is installed or started from a checkout."""

from __future__ import annotations

import click

_PLACEHOLDER = "PROGRAM"


class HelpfulCommand(click.Command):
    """A command in whose docstring PROGRAM stands for what the user types."""

    def get_help(self, ctx: click.Context) -> str:
        """Return the help."""
        return super().get_help(ctx).replace(_PLACEHOLDER, ctx.find_root().info_name or "")

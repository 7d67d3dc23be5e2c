"""The command `schema`: the JSON Schema of a topology file."""

from __future__ import annotations

import click

from simulator.commands.help_text import HelpfulCommand


@click.command(cls=HelpfulCommand)
@click.option("--version", type=int, default=1, metavar="N", help="The version of the notation.  [default: 1]")
def schema(version: int) -> int:
    """Print the JSON Schema of a topology file, by which editors complete, explain and check one.

    \b
    Try:  PROGRAM schema > schema.json
          and as the first line of a topology:  # yaml-language-server: $schema=schema.json
    """
    from simulator.topology.schema import schema_text

    click.echo(schema_text(version), nl=False)
    return 0

"""The command `schema`: the JSON Schema of a topology file, or of a run's report."""

from __future__ import annotations

import click

from simulator.commands.help_text import HelpfulCommand


@click.command(cls=HelpfulCommand)
@click.argument("what", type=click.Choice(["topology", "report"]), default="topology")
@click.option("--version", type=int, default=1, metavar="N", help="The version of the format.  [default: 1]")
def schema(what: str, version: int) -> int:
    """Print the JSON Schema of a topology file, by which editors complete, explain and check one.

    With `report` it is that of the file report.json, which every run writes.

    \b
    Try:  PROGRAM schema > schema.json
          and as the first line of a topology:  # yaml-language-server: $schema=schema.json
          PROGRAM schema report > report-schema.json
    """
    if what == "report":
        from simulator.local.report_schema import report_schema_text

        click.echo(report_schema_text(version), nl=False)
        return 0
    from simulator.topology.schema import schema_text

    click.echo(schema_text(version), nl=False)
    return 0

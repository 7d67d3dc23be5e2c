"""The command `generate`: a random topology as a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simulator.commands.help_text import HelpfulCommand


@click.command(cls=HelpfulCommand)
@click.option(
    "--stages",
    type=click.IntRange(1, 10_000),
    default=20,
    metavar="N",
    help="Stages, injectors included.  [default: 20]",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="Seed for every choice.  [default: drawn]")
@click.option("--name", metavar="NAME", help="The topology's name.  [default: generated-STAGES]")
@click.option("--layers", type=click.IntRange(1), metavar="N", help="Length of the longest chain of calls.")
@click.option("--injectors", type=click.IntRange(1), default=1, metavar="N", help="Injectors.  [default: 1]")
@click.option(
    "--visits",
    "max_visits",
    type=click.FloatRange(5),
    default=20,
    metavar="N",
    help="Upper bound of the visits to stages that a message makes on average, without retries.  [default: 20]",
)
@click.option(
    "--rate", default="10/s", show_default=True, metavar="RATE", help="Messages per second from each injector."
)
@click.option(
    "--faults", default="0%", show_default=True, metavar="SHARE", help="Share of the stages that sometimes fail."
)
@click.option(
    "--options",
    default="0%",
    show_default=True,
    metavar="SHARE",
    help="Share of the calls that have timeouts, retries, breakers, hedges or fallbacks, or are optional.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to a new file instead of standard output."
)
@click.option("--overwrite", is_flag=True, help="Write to --output even where it exists.")
def generate(output: Path | None, overwrite: bool, seed: int | None, **given: Any) -> int:
    """Write a random topology in the shape of a large system of microservices.

    Entries, services, databases and caches form layers; calls go to deeper layers, in order, in parallel or by choice,
    and some are rare. Fan-out, depth, the share of leaves and the size of call graphs follow published studies of
    Alibaba and Meta: most messages visit a few stages, some visit hundreds. At the given rate no stage has more than
    70% of its workers busy. The same options and seed give the same file, byte for byte.

    \b
    Try:  PROGRAM generate --stages 30 --seed 7 --output shop.yaml
          PROGRAM check shop.yaml
          PROGRAM generate --stages 1000 --visits 40 --rate 50/s --faults 5% --options 30%
    """
    import secrets

    from simulator.generation.command import generate_text, plan_of, write_new

    chosen = secrets.randbits(31) if seed is None else seed
    generated = generate_text(plan_of(seed=chosen, **given))
    if output is None:
        click.echo(generated.text, nl=False)
    else:
        write_new(output, generated.text, overwrite)
    click.echo(generated.summary, err=True)
    return 0

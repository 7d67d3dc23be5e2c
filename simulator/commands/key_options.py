"""The options that set the keys of one stage: --KEY for each key of `instance/config.py`."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import click

from simulator.commands.help_text import HelpfulCommand


class KeyedCommand(HelpfulCommand):
    """A command with an option for each key, made from the catalogue once it is called."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its own parameters and those of the keys."""
        *own, help_option = super().get_params(ctx)
        return [*own, *_all_key_options(), help_option]


@functools.cache
def _all_key_options() -> tuple[click.Option, ...]:
    return tuple(_key_options())


def _key_options() -> Iterator[click.Option]:
    from simulator.topology.layers import KEYS

    for key, text in KEYS.items():
        flag = f"--{key.lower().replace('_', '-')}"
        if key == "HEADERS":
            yield click.Option([flag, "--header", key], metavar="TEXT", help=text, multiple=True, callback=_as_list)
        else:
            yield click.Option([flag, key], metavar="TEXT", help=text)


def _as_list(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> list[str] | None:
    return list(values) or None

"""The options that set the keys of one stage: --KEY for each key of `instance/config.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from simulator.topology.layers import KEYS


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each key to a command."""
    for key, text in reversed(list(KEYS.items())):
        flag = f"--{key.lower().replace('_', '-')}"
        if key == "HEADERS":
            option = click.option(flag, "--header", key, metavar="TEXT", help=text, multiple=True, callback=_as_list)
        else:
            option = click.option(flag, key, metavar="TEXT", help=text)
        command = option(command)
    return command


def _as_list(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> list[str] | None:
    return list(values) or None

"""The topologies that come with the program, found by name from any folder."""

from __future__ import annotations

import stat
import textwrap
from collections.abc import Iterable
from pathlib import Path

import click

from simulator.commands.help_text import HelpfulCommand
from simulator.commands.program import Program
from simulator.errors import ConfigurationError

_FOLDER = "topologies"
_SUFFIX = ".yaml"
_MIN_BEGINNING = 3  # characters of a name by which it is recognized


class TopologyCommand(HelpfulCommand):
    """A command that takes a topology: its help ends with the names of those that come with the program."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names."""
        program = ctx.find_object(Program)
        names = ", ".join(files_by_name(program.root)) if program else ""
        text = f"TOPOLOGY is a file, or the name of a ready-made one: {names}."
        formatter.write_paragraph()
        formatter.write(textwrap.fill(text, formatter.width, break_on_hyphens=False) + "\n")


def topology_file(given: Path, root: Path) -> Path:
    """Return the topology that a command line names: the user's own file, or else a ready-made one.

    `checkout`, `checkout.yaml` and `topologies/checkout.yaml` name the same one, and `hotrod` is short for
    `systems/hotrod`. `root` has the folder of the ready-made ones. Raise ConfigurationError if there is neither.
    """
    try:
        is_folder = stat.S_ISDIR(given.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_folder = None
    except (OSError, ValueError):
        return given  # it is there, or can't be: the reader says what is wrong with it
    if is_folder is False:
        return given
    ready_made = files_by_name(root)
    name = _name(given)
    if name in ready_made:
        return ready_made[name]
    if found := [path for known, path in ready_made.items() if _short(known) == name]:
        return found[0]
    if is_folder:
        return given
    raise ConfigurationError.of(_absent(name, ready_made), str(given))


def files_by_name(root: Path) -> dict[str, Path]:
    """Return the ready-made topologies: {`checkout`, or `systems/hotrod` for one in a folder: file}."""
    folder = root / _FOLDER
    paths = sorted(folder.rglob(f"*{_SUFFIX}"), key=lambda path: (len(path.parts), path))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}


def _name(given: Path) -> str:
    """Return the name that a path may stand for, as it would be written without the folder and the suffix."""
    plain = given.with_suffix("") if given.suffix == _SUFFIX else given
    return plain.as_posix().removeprefix(f"{_FOLDER}/")


def _absent(name: str, ready_made: Iterable[str]) -> str:
    from simulator.nearest import asked_for, nearest  # a stage knows its file, and saves the memory
    from simulator.quoting import listed

    full_names = list(ready_made)
    short = _short(name)
    by_short_name = {_short(full): full for full in reversed(full_names)}
    meant = [full for full in full_names if len(short) >= _MIN_BEGINNING and _short(full).startswith(short)]
    meant = meant or [nearest(name, full_names) or by_short_name.get(nearest(short, by_short_name), "")]
    hint = asked_for(meant) or f"there are {listed(full_names)}"
    return f"no such file, and no ready-made topology of this name; {hint}"


def _short(name: str) -> str:
    return name.rpartition("/")[2]

"""Files that must not be the same: what a topology reads, and what it or its run writes.

Files are compared by identity, not by name: links of both kinds and other spellings of a path are the same file.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.behaviour.empirical import Samples
from simulator.behaviour.profiles.replay import Replay
from simulator.errors import ConfigurationError, Problem
from simulator.local.plan import STANDARD_INPUT
from simulator.topology.model import Stage

_STDIN, _STDOUTS = 0, {1: "standard output", 2: "standard error"}
# Most values in a stage are such, and hold no other.
_PLAIN = frozenset({type(None), bool, int, float, str})


@dataclass(frozen=True)
class _File:
    """A file that is read or written: what it is for, its name, and what it is."""

    use: str
    name: str
    identity: object

    def __str__(self) -> str:
        return f"{self.use} ({self.name})"


def check_files(stages: Mapping[str, Stage], sources: Iterable[Path], folder: Path | None = None) -> None:
    """Raise ConfigurationError if an output is a file that is read, or a file is in the `folder` of the run.

    `sources` are the files that the stages and their settings come from.
    """
    inputs = [_file(f"the input of {name}", stage.input) for name, stage in stages.items() if stage.input]
    inputs += [
        _file(f"the messages of {name}", stage.load.messages_from)
        for name, stage in stages.items()
        if stage.load is not None and stage.load.messages_from is not None
    ]
    outputs = [_file(f"the output of {name}", stage.output) for name, stage in stages.items() if stage.output]
    read = [*inputs, *(_file("the configuration", str(source)) for source in sources)]
    for name, stage in stages.items():
        read += [_file(f"the {use} of {name}", path) for use, path in dict.fromkeys(_files_in(stage))]
    problems = [
        f"{target} and {source} are the same file: it would be destroyed, or read for ever"
        for target in (*outputs, *_standard_outputs(inputs))
        for source in read
        if target.identity is not None and target.identity == source.identity
    ]
    if folder is not None:
        problems += [
            f"{file} is in the folder of the run, {folder}, which is cleared: give another folder with --report"
            for file in (*read, *outputs)
            if _lies_in(file.name, folder)
        ]
    if problems:
        raise ConfigurationError([Problem(text) for text in dict.fromkeys(problems)])


def _file(use: str, name: str) -> _File:
    return _File(use, name, _identity(name))


def _identity(name: str) -> object:
    """Return what two names of the same file have in common; None for a device, which keeps nothing."""
    try:
        status = os.fstat(_STDIN) if name == STANDARD_INPUT else Path(name).stat()
    except (OSError, ValueError):  # there is no such file yet
        return os.path.realpath(name) if name != STANDARD_INPUT else None
    return None if stat.S_ISCHR(status.st_mode) else (status.st_dev, status.st_ino)


def _standard_outputs(inputs: list[_File]) -> Iterator[_File]:
    """Yield the files that the view is written to: they must not be inputs either."""
    if not inputs:
        return
    for number, use in _STDOUTS.items():
        try:
            status = os.fstat(number)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield _File(use, f"descriptor {number}", (status.st_dev, status.st_ino))


def _lies_in(name: str, folder: Path) -> bool:
    return name != STANDARD_INPUT and Path(os.path.realpath(name)).is_relative_to(os.path.realpath(folder))


def _files_in(stage: Stage) -> Iterator[tuple[str, str]]:
    """Yield the files from which delays and profiles in a stage were read, as (use, path)."""
    left: list[Any] = [stage]
    while left:
        value = left.pop()
        if isinstance(value, Samples | Replay):
            yield "samples" if isinstance(value, Samples) else "recorded arrivals", value.path
        else:
            parts = _parts_of(type(value))(value)  # type: ignore[arg-type]
            left.extend([part for part in parts if type(part) not in _PLAIN])


@functools.cache
def _parts_of(kind: type[Any]) -> Callable[[Any], Iterable[object]]:
    """Return what gives the values within a value of this type."""
    if issubclass(kind, tuple | list):
        return iter
    if issubclass(kind, Mapping):
        return kind.values
    names = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
    if len(names) > 1:
        return operator.attrgetter(*names)
    return lambda value: [getattr(value, name) for name in names]

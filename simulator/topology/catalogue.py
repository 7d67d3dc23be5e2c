"""The catalogue of keys, made from the fields of the model: what can be written where, and what it means."""

from __future__ import annotations

import functools
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from simulator.topology.expectation import Expectation
from simulator.topology.keys import About, about, key_of
from simulator.topology.load import Load
from simulator.topology.model import LogLine, Operation, Stage, Topology
from simulator.topology.objectives import Slo
from simulator.topology.process import Process
from simulator.topology.steps import Call, Choose, InOrder, Parallel, Pause, Step

PLACES: Mapping[str, type[Any]] = MappingProxyType(
    {
        "topology": Topology,
        "expectation": Expectation,
        "stage": Stage,
        "operation": Operation,
        "load": Load,
        "slo": Slo,
        "log line": LogLine,
        "call": Call,
        "pause": Pause,
        "parallel": Parallel,
        "in order": InOrder,
        "choose": Choose,
        "process": Process,
    }
)


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key as a file has it, and its `field` in the record of its place; `type` may be None in addition."""

    name: str
    place: str
    field: str
    type: Any
    about: About

    @property
    def flag_text(self) -> str:
        """Return what is said about it where it is a flag."""
        said = self.about
        # A list or mapping of one is written without brackets.
        example = said.example[1:-1].strip('"') if said.example[:1] in ("[", "{") else said.example
        return " ".join(filter(None, (said.sentence, said.note, f"For instance {example}." if example else "")))

    @property
    def is_text(self) -> bool:
        """Return whether its value is a text as it is, also one that looks like a number."""
        return getattr(self.type, "__supertype__", self.type) is str

    @property
    def is_open(self) -> bool:
        """Return whether its value is a mapping with names of the user's own."""
        return typing.get_origin(getattr(self.type, "__supertype__", self.type)) is Mapping

    @property
    def is_plain(self) -> bool:
        """Return whether its value is a single one, or a list of such: neither a mapping nor steps."""
        return not self.is_open and not self.inner and self.type != tuple[Step, ...]

    @property
    def inner(self) -> Mapping[str, Key]:
        """Return the keys in its value, if that is a mapping with keys of its own."""
        return keys_of(self.type) if self.type in PLACES.values() else {}


def keys_of(record: type[Any]) -> Mapping[str, Key]:
    """Return the keys of a record by name, in the order of its fields."""
    return _keys_of(record)  # type: ignore[arg-type]  # mypy does not know that a class is hashable


@functools.cache
def _keys_of(record: type[Any]) -> Mapping[str, Key]:
    place = next((name for name, of in PLACES.items() if of is record), record.__name__.lower())
    kinds = typing.get_type_hints(record)
    found = {}
    for field in fields(record):
        said = about(field.metadata)
        if said is not None:
            name = key_of(field.name)
            found[name] = Key(
                name=name, place=place, field=field.name, type=_without_none(kinds[field.name]), about=said
            )
    return MappingProxyType(found)


def all_keys() -> tuple[Key, ...]:
    """Return every key of every place; those of an operation are also a stage's."""
    return tuple(key for record in PLACES.values() for key in keys_of(record).values())


@functools.cache
def flags() -> Mapping[str, Key]:
    """Return the keys of the process of a single stage, by the name that they have there: WORKERS."""
    found = {}
    for record in (Process, Stage, Load, Call, Topology):
        found.update({name.upper(): key for name, key in keys_of(record).items() if key.about.flag})
    return MappingProxyType(found)


def live_keys(record: type[Any]) -> tuple[str, ...]:
    """Return the names of a record's keys that can be changed while a stage runs."""
    return tuple(name for name, key in keys_of(record).items() if key.about.live)


def _without_none(kind: Any) -> Any:
    parts = [part for part in typing.get_args(kind) if part is not type(None)]
    return parts[0] if len(parts) == 1 and type(None) in typing.get_args(kind) else kind

"""YAML text to plain values, remembering where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from simulator.errors import ConfigurationError, Problem

Keys = tuple[str | int, ...]
_MAX_NESTING = 40


@dataclass(frozen=True)
class Document:
    """Plain values and the (line, column), from 1, of every key and list item in them."""

    source: str
    value: Any
    places: dict[Keys, tuple[int, int]]

    def problem(self, message: str, keys: Keys) -> Problem:
        """Make the problem that stands at `keys`, or at the nearest thing around it that is in the file."""
        at = keys
        while at and at not in self.places:
            at = at[:-1]
        line, column = self.places.get(at, (0, 0))
        shown = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
        return Problem(f"{shown}: {message}" if shown else message, self.source, line, column)


def parse_document(text: str, source: str) -> Document:
    """Read one YAML document. Raise ConfigurationError where it is not YAML, or says a key twice."""
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise ConfigurationError([Problem(f"not YAML: {error.problem}", source, *place)]) from None
    except yaml.YAMLError as error:
        raise ConfigurationError([Problem(f"not YAML: {error}", source)]) from None
    reader = _Reader(source)
    value = reader.read(node, ()) if node is not None else None
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return Document(source, value, reader.places)


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.places: dict[Keys, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._scalars = yaml.constructor.SafeConstructor()

    def read(self, node: yaml.Node, keys: Keys) -> Any:
        self.places.setdefault(keys, (node.start_mark.line + 1, node.start_mark.column + 1))
        if len(keys) > _MAX_NESTING:
            self._problem("nested too deeply", node)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, keys)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*keys, index)) for index, child in enumerate(node.value)]
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self._problem(str(getattr(error, "problem", error)), node)
            return None

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            if not key:
                self._problem("a key must be plain text", key_node)
            elif key in values:
                self._problem(f"the key {key!r} stands twice", key_node)
            else:
                self.places[(*keys, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
                values[key] = self.read(value_node, (*keys, key))
        return values

    def _problem(self, message: str, node: yaml.Node) -> None:
        self.problems.append(Problem(message, self.source, node.start_mark.line + 1, node.start_mark.column + 1))

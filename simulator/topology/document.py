"""YAML text to plain values, with the place of each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import yaml

from simulator.errors import ConfigurationError, Problem
from simulator.quoting import quoted, shortened
from simulator.topology.flow_style import cut_off, is_split_notation, quotes_hint, whole_items
from simulator.topology.merge_keys import MergeKeys
from simulator.topology.places import Keys
from simulator.topology.scalars import CoreLoader, scalar_value

_MAX_NESTING = 40
_MAX_VALUES = 200_000  # ten thousand stages with every option, and addresses
_MAX_CHARACTERS = 16 * 2**20  # of all values, each alias counted
_TOO_DEEP = "nested too deeply"
_ENDLESS = "it contains itself, by an alias"
_TOO_MANY = f"more than {_MAX_VALUES} values"
_EXTENSION = "x-"
_NO_BEGINNING = {"\t": "indent with spaces", **dict.fromkeys("%@`", "a value that begins with it needs quotes")}
# What a list or mapping in place of a key probably should have been.
_ODD_KEYS = {"choose": ": write a list, as in choose: [{to: a, weight: 1}, {steps: [b, c], weight: 1}]"}
_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True)
class Document:
    """Plain values and the (line, column), from 1, of every key and list item in them."""

    source: str
    value: Any
    places: dict[Keys, tuple[int, int]]

    def problem(self, message: str, keys: Keys) -> Problem:
        """Return the problem at `keys`, or at the nearest enclosing keys that are in the file."""
        at = self._written(keys)
        while at and at not in self.places:
            at = at[:-1]
        line, column = self.places.get(at, (0, 0))
        return Problem(_message_at(keys, message), self.source, line, column)

    def _written(self, keys: Keys) -> Keys:
        """Return keys as the file has them: a mapping that abbreviates a list has names instead of numbers."""
        value: Any = self.value
        written: list[str | int] = []
        for key in keys:
            names = list(value) if isinstance(value, dict) and isinstance(key, int) else []
            written.append(names[key] if isinstance(key, int) and key < len(names) else key)
            try:
                value = value[written[-1]]
            except (LookupError, TypeError):
                value = None
        return tuple(written)


def _message_at(keys: Keys, message: str) -> str:
    shown = "".join(f"[{key}]" if isinstance(key, int) else f".{shortened(key)}" for key in keys).lstrip(".")
    return f"{shown}: {message}" if shown else message


def parse_document(text: str, source: str) -> Document:
    """Return one YAML document, without the keys at its top that begin with x-.

    Raise ConfigurationError if it is not YAML, or gives a key twice.
    """
    try:
        _check_extent(text, source)
        node = yaml.compose(text, Loader=CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        reason = "; ".join(filter(None, [shortened(str(error.problem)), _hint(text, error, mark)]))
        raise ConfigurationError([Problem(f"not YAML: {reason}", source, *place)]) from None
    except yaml.YAMLError as error:
        raise ConfigurationError([Problem(f"not YAML: {error}", source)]) from None
    reader = _Reader(source)
    value = reader.read(node, ()) if node is not None else None
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return Document(source, value, reader.places)


def _hint(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark | None) -> str:
    """Return what to write in place of what is not YAML, "" if that is not obvious."""
    lines, problem = text.splitlines(), str(error.problem)
    if mark is None or mark.line >= len(lines):
        return ""
    line = lines[mark.line]
    if "expected ','" in problem or "mapping values" in problem:
        general = "a value with a colon in it needs quotes" if "mapping values" in problem else ""
        return quotes_hint(line, mark.column) or general
    char = line[mark.column : mark.column + 1]
    if "cannot start any token" in problem and char in _NO_BEGINNING:
        return _NO_BEGINNING[char]
    return _NO_BEGINNING["\t"] if "tab" in problem else ""


def _check_extent(text: str, source: str) -> None:
    """Raise ConfigurationError for text nested too deeply or too long, before composing it takes stack and memory."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=CoreLoader):
        nodes += isinstance(event, yaml.NodeEvent)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_NESTING + 1 or nodes > 2 * _MAX_VALUES + 1:
            mark = event.start_mark
            place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            reason = _TOO_MANY if nodes > 2 * _MAX_VALUES + 1 else _TOO_DEEP
            raise ConfigurationError([Problem(reason, source, *place)])


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.places: dict[Keys, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._seen: set[tuple[str, int, int]] = set()
        self._read = 0
        self._characters = 0
        self._around: set[int] = set()
        self._merge_keys = MergeKeys(_MAX_VALUES)

    def read(self, node: yaml.Node, keys: Keys) -> Any:
        self.places.setdefault(keys, (node.start_mark.line + 1, node.start_mark.column + 1))
        self._read += 1
        if objection := self._objection(node, keys):
            self._problem(objection, node, keys)
            return None
        if self._read > _MAX_VALUES:
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, keys)
        self._around.add(id(node))
        value = (
            self._mapping(node, keys)
            if isinstance(node, yaml.MappingNode)
            else self._list(cast(yaml.SequenceNode, node), keys)
        )
        self._around.discard(id(node))
        return value

    def _objection(self, node: yaml.Node, keys: Keys) -> str:
        if len(keys) > _MAX_NESTING:
            return _TOO_DEEP
        if self._read == _MAX_VALUES + 1:
            # Aliases of aliases can turn a few lines into any number of values.
            return _TOO_MANY
        if id(node) in self._around:
            return _ENDLESS
        if node.tag not in _TAGS and not isinstance(node, yaml.ScalarNode):
            return f"the tag {shortened(node.tag)} is not supported"
        return ""

    def _scalar(self, node: yaml.ScalarNode, keys: Keys) -> Any:
        before, self._characters = self._characters, self._characters + len(node.value)
        if self._characters > _MAX_CHARACTERS:
            # An alias costs nothing here, but each of its values is read, checked and shown separately.
            if before <= _MAX_CHARACTERS:
                message = f"the values have more than {_MAX_CHARACTERS} characters in all, aliases counted"
                self._problem(message, node, keys)
            return None
        try:
            return scalar_value(node)
        except ValueError as error:
            self._problem(str(error), node, keys)
            return None

    def _list(self, node: yaml.SequenceNode, keys: Keys) -> list[Any]:
        items = whole_items(node)
        for index in cut_off(items) if node.flow_style else ():
            message = f"{quoted(items[index].value)} ends at the quotes after it: put the whole notation in quotes"
            self._problem(message, items[index], (*keys, index))
        return [self.read(child, (*keys, index)) for index, child in enumerate(items)]

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        values: dict[str, Any] = {}
        pairs = self._merge_keys.pairs(node)
        for message, where in self._merge_keys.complaints():
            self._problem(message, where, keys)
        for key_node, value_node in pairs:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            if key in values:
                self._problem(f"the key {quoted(key)} is given twice", key_node, keys)
            elif not key or is_split_notation(node, key_node, value_node):
                self._problem(_key_problem(key_node, keys), key_node, keys)
            elif keys or not key.startswith(_EXTENSION):
                self.places[(*keys, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
                values[key] = self.read(value_node, (*keys, key))
        return values

    def _problem(self, message: str, node: yaml.Node, keys: Keys) -> None:
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        # An alias repeats its values, but not their mistakes.
        if (message, *place) not in self._seen:
            self._seen.add((message, *place))
            self.problems.append(Problem(_message_at(keys, message), self.source, *place))


def _key_problem(key: yaml.Node, keys: Keys) -> str:
    if not isinstance(key, yaml.ScalarNode):
        kind = "list" if isinstance(key, yaml.SequenceNode) else "mapping"
        return f"a key must be plain text, not a {kind}{_ODD_KEYS.get(str(keys[-1]), '') if keys else ''}"
    if not key.value:
        return "a key must be plain text, and not empty"
    return f"{quoted(key.value)} is read as a key, because of the colon after it: put the whole notation in quotes"

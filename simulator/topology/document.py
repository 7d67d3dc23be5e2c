"""YAML text to plain values, with the place of each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import yaml

from simulator.errors import ConfigurationError, Problem
from simulator.quoting import quoted, shortened
from simulator.topology.scalars import STRING_TAG, CoreLoader, scalar_value

Keys = tuple[str | int, ...]
_MAX_NESTING = 40
_MAX_VALUES = 200_000  # ten thousand stages with every option, and addresses
_MAX_CHARACTERS = 16 * 2**20  # of all values, each alias counted
_MAX_JOINED = 1000  # more than any notation takes
_TOO_DEEP = "nested too deeply"
_TOO_MANY = f"more than {_MAX_VALUES} values"
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
        shown = "".join(f"[{key}]" if isinstance(key, int) else f".{shortened(key)}" for key in keys).lstrip(".")
        return Problem(f"{shown}: {message}" if shown else message, self.source, line, column)

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


def parse_document(text: str, source: str) -> Document:
    """Return one YAML document. Raise ConfigurationError if it is not YAML, or gives a key twice."""
    try:
        _check_extent(text, source)
        node = yaml.compose(text, Loader=CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        hint = "; a value with a colon in it needs quotes" if "mapping values" in str(error.problem) else ""
        raise ConfigurationError(
            [Problem(f"not YAML: {shortened(str(error.problem))}{hint}", source, *place)]
        ) from None
    except yaml.YAMLError as error:
        raise ConfigurationError([Problem(f"not YAML: {error}", source)]) from None
    reader = _Reader(source)
    value = reader.read(node, ()) if node is not None else None
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return Document(source, value, reader.places)


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
        self._seen: set[Problem] = set()
        self._read = 0
        self._characters = 0

    def read(self, node: yaml.Node, keys: Keys) -> Any:
        self.places.setdefault(keys, (node.start_mark.line + 1, node.start_mark.column + 1))
        self._read += 1
        if objection := self._objection(node, keys):
            self._problem(objection, node)
            return None
        if self._read > _MAX_VALUES:
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, keys)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*keys, index)) for index, child in enumerate(_whole_items(node))]
        return self._scalar(cast(yaml.ScalarNode, node))

    def _objection(self, node: yaml.Node, keys: Keys) -> str:
        if len(keys) > _MAX_NESTING:
            return _TOO_DEEP
        if self._read == _MAX_VALUES + 1:
            # Aliases of aliases can turn a few lines into any number of values.
            return _TOO_MANY
        if node.tag not in _TAGS and not isinstance(node, yaml.ScalarNode):
            return f"the tag {shortened(node.tag)} is not supported"
        return ""

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        before, self._characters = self._characters, self._characters + len(node.value)
        if self._characters > _MAX_CHARACTERS:
            # An alias costs nothing here, but each of its values is read, checked and shown separately.
            if before <= _MAX_CHARACTERS:
                self._problem(f"the values have more than {_MAX_CHARACTERS} characters in all, aliases counted", node)
            return None
        try:
            return scalar_value(node)
        except ValueError as error:
            self._problem(str(error), node)
            return None

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in _whole_pairs(node):
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            if not key:
                self._problem("a key must be plain text", key_node)
            elif key in values:
                self._problem(f"the key {quoted(key)} is given twice", key_node)
            else:
                self.places[(*keys, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
                values[key] = self.read(value_node, (*keys, key))
        return values

    def _problem(self, message: str, node: yaml.Node) -> None:
        problem = Problem(message, self.source, node.start_mark.line + 1, node.start_mark.column + 1)
        # An alias repeats its values, but not their mistakes.
        if problem not in self._seen:
            self._seen.add(problem)
            self.problems.append(problem)


def _whole_items(node: yaml.SequenceNode) -> list[yaml.Node]:
    """Return a list's items, joining those that YAML split at a comma within parentheses, as in `[error(503, 1%)]`."""
    if not node.flow_style:
        return list(node.value)
    items: list[yaml.Node] = []
    for item in node.value:
        if items and _is_open(items[-1]) and _is_plain(item):
            items[-1] = _joined(items[-1], item)
        else:
            items.append(item)
    return items


def _whole_pairs(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return a mapping's pairs, joining what YAML split: in `{delay: uniform(5ms, 40ms)}` `40ms)` is a key."""
    if not node.flow_style:
        return list(node.value)
    pairs: list[tuple[yaml.Node, yaml.Node]] = []
    for key, value in node.value:
        if pairs and _is_open(pairs[-1][1]) and _is_plain(key) and value.value == "":
            pairs[-1] = (pairs[-1][0], _joined(pairs[-1][1], key))
        else:
            pairs.append((key, value))
    return pairs


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style


def _is_open(node: yaml.Node) -> bool:
    if not _is_plain(node) or len(node.value) > _MAX_JOINED:
        return False
    return bool(node.value.count("(") > node.value.count(")"))


def _joined(first: yaml.Node, second: yaml.Node) -> yaml.ScalarNode:
    text = f"{first.value}, {second.value}"
    return yaml.ScalarNode(STRING_TAG, text, first.start_mark, second.end_mark)

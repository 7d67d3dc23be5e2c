"""Notations within YAML's brackets and braces, which YAML splits at their commas: `{delay: uniform(5ms, 40ms)}`.

What it split at a comma alone is joined again. A notation with a colon or quotes in it can't be, because it is
unknown what they belong to; the error shows how to put it in quotes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import yaml

from simulator.quoting import shortened
from simulator.topology.scalars import STRING_TAG

_MAX_JOINED = 1000  # more than any notation takes
_NAME = re.compile(r"[A-Za-z_]+\Z")
_PATH = re.compile(r"/[^\s,\[\]{}\"']*\{[^\s,{}]*\}[^\s,\[\]{}\"']*(?:\{[^\s,{}]*\}[^\s,\[\]{}\"']*)*")


def whole_items(node: yaml.SequenceNode) -> list[yaml.Node]:
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


def whole_pairs(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
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


def cut_off(items: list[yaml.Node]) -> Iterator[int]:
    """Yield the places of notations that YAML split at the quotes after them: `[error(503, 5%, "down": x)]`."""
    for index, (item, after) in enumerate(itertools.pairwise(items)):
        if isinstance(after, yaml.ScalarNode) and after.style and _is_open(item):
            yield index


def is_split_notation(mapping: yaml.MappingNode, key: yaml.Node, value: yaml.Node) -> bool:
    """Return whether a key begins a notation that YAML split at a colon: `[mixture(90%: constant(1s))]`."""
    return bool(mapping.flow_style) and _is_open(key) and value.value != ""


def quotes_hint(line: str, column: int) -> str:
    """Return what to put in quotes, if a notation or path is at a place of a line, from 0; "" if none is."""
    found = _notation_at(line, column) or _path_at(line, column)
    return f"put it in quotes: {_in_quotes(found)}" if found else ""


def _notation_at(line: str, column: int) -> str:
    """Return the outermost `name(...)` around a column, or "" if there is none that is closed."""
    opened: list[int] = []
    for at, char in enumerate(line):
        if char == "(":
            opened.append(at)
        elif char == ")" and opened:
            start = opened.pop()
            name = _NAME.search(line, max(0, start - 40), start)
            if not opened and name is not None and name.start() < column <= at:
                return line[name.start() : at + 1]
    return ""


def _path_at(line: str, column: int) -> str:
    found = (match for match in _PATH.finditer(line[: 10 * _MAX_JOINED]) if match.start() < column <= match.end())
    return next((match[0] for match in found), "")


def _in_quotes(text: str) -> str:
    return "'" + shortened(text, 3 * _MAX_JOINED // 10).replace("'", "''") + "'"


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style


def _is_open(node: yaml.Node) -> bool:
    if not _is_plain(node) or len(node.value) > _MAX_JOINED:
        return False
    return bool(node.value.count("(") > node.value.count(")"))


def _joined(first: yaml.Node, second: yaml.Node) -> yaml.ScalarNode:
    text = f"{first.value}, {second.value}"
    return yaml.ScalarNode(STRING_TAG, text, first.start_mark, second.end_mark)

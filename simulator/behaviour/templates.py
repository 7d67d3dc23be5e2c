"""A text with fields, `cart {tenant} has {items} items`; `{{` and `}}` stand for braces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from simulator.behaviour.conditions import DECISION_NAME
from simulator.behaviour.values import Value, shown
from simulator.quoting import quoted

_MAX_CHARACTERS = 1000
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_BRACES = {"{{": "{", "}}": "}"}


@dataclass(frozen=True, slots=True)
class Template:
    """The text as it is written, and its parts: (text before a field, the field), the last without a field, ""."""

    text: str
    parts: tuple[tuple[str, str], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of its fields, each once."""
        return tuple(dict.fromkeys(name for _, name in self.parts if name))

    def filled(self, values: Mapping[str, Value]) -> str:
        """Return the text with the values of its fields; one that a message does not have is empty."""
        return "".join(
            before + shown(values[name]) if name in values else before  # "" is no field's name
            for before, name in self.parts
        )

    def __str__(self) -> str:
        """Return the text as it is written."""
        return self.text


def parse_template(value: object) -> Template:
    """Return the template in a text. Raise ValueError if a brace or a field's name is wrong."""
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_CHARACTERS or not value.isprintable():
        raise ValueError(f"{quoted(value)} must be 1 to {_MAX_CHARACTERS} printable characters")
    parts: list[tuple[str, str]] = []
    before, end = "", 0
    for found in _PART.finditer(value):
        before += value[end : found.start()]
        end = found.end()
        if found[0] in _BRACES:
            before += _BRACES[found[0]]
        elif found[1] is None:
            raise ValueError(f"{quoted(value)} has a single {found[0]}: write {found[0] * 2} for a brace itself")
        elif not DECISION_NAME.fullmatch(found[1]):
            raise ValueError(f"{quoted(found[0])} is no field: write the name of a decision or attribute in braces")
        else:
            parts.append((before, found[1]))
            before = ""
    return Template(value, (*parts, (before + value[end:], "")))

"""What a plain scalar of YAML is: a number, a boolean, nothing, or text, by the core schema of YAML 1.2.

PyYAML follows YAML 1.1, where `010` is eight, `1:30` ninety, `017600` a port of 8064, `no` false and 2026-11-25 a date.
Here a value is what it looks like, and a number or boolean of only one of the two versions is refused: whatever was
meant, another program would read it differently. https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from simulator.quoting import quoted, shortened

_MAX_DIGITS = 400
_PREFIX = "tag:yaml.org,2002:"
STRING_TAG = f"{_PREFIX}str"
_TRUE = ("true", "True", "TRUE")
_BASES = {"0o": 8, "0x": 16}
_OCTAL = re.compile(r"[-+]?0[0-9]+\Z|0o[0-7]+\Z")
_BASE_60 = re.compile(r"([-+]?)([1-9][0-9]*(?::[0-5]?[0-9])+)\Z|[-+]?[0-9]+(?::[0-5]?[0-9])+\.[0-9]*\Z")
_SUSPECT = frozenset("+-0123456789nNoOyY")  # how what the versions read differently begins
_BOOLEANS = {"yes": "true", "no": "false", "on": "true", "off": "false"}


def _whole_number(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} characters is too long: at most {_MAX_DIGITS}")
    return int(text[2:], _BASES[text[:2]]) if text[:2] in _BASES else int(text)


def _number(text: str) -> float:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} characters is too long: at most {_MAX_DIGITS}")
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


# Tag, pattern (each takes linear time), the characters that such a value begins with, and how it is read.
_CORE: tuple[tuple[str, re.Pattern[str], str, Callable[[str], Any]], ...] = (
    (f"{_PREFIX}null", re.compile(r"(?:~|null|Null|NULL|)\Z"), "~nN", lambda _: None),
    (f"{_PREFIX}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), "tTfF", lambda text: text in _TRUE),
    (f"{_PREFIX}int", re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"), "-+0123456789", _whole_number),
    (
        f"{_PREFIX}float",
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
        "-+.0123456789",
        _number,
    ),
)
_READERS = {tag: (pattern, read) for tag, pattern, _, read in _CORE}
_RESOLVERS: dict[str, list[tuple[str, re.Pattern[str]]]] = {
    first: [(tag, pattern) for tag, pattern, firsts, _ in _CORE if first in firsts]
    for first in sorted({first for _, _, firsts, _ in _CORE for first in firsts})
} | {"": [(_CORE[0][0], _CORE[0][1])]}


class CoreLoader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Compose nodes with the tags of the core schema."""

    yaml_implicit_resolvers = _RESOLVERS


# In YAML 1.1 these are booleans. PyYAML does not read them so, but parsers of other languages do.
_LETTERS = {letter: [(f"{_PREFIX}bool", re.compile(rf"{letter}\Z"))] for letter in "yYnN"}


class CoreDumper(yaml.CSafeDumper if hasattr(yaml, "CSafeDumper") else yaml.SafeDumper):  # type: ignore[misc]
    """Write text that YAML 1.1 and YAML 1.2 read alike: text that either takes for anything else is quoted."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to say it
        first: [
            found
            for each in (yaml.SafeDumper.yaml_implicit_resolvers, _RESOLVERS, _LETTERS)
            for found in each.get(first, [])
        ]
        for first in {**yaml.SafeDumper.yaml_implicit_resolvers, **_RESOLVERS, **_LETTERS}
    }


def scalar_value(node: yaml.ScalarNode) -> Any:
    """Return the value of a scalar.

    Raise ValueError if its tag is unknown or does not fit its text, or if versions of YAML read the text differently.
    """
    if not node.style and node.value[:1] in _SUSPECT and (reason := _ambiguity(node.value, node.tag)):
        raise ValueError(reason)
    if node.tag == STRING_TAG:
        return node.value
    if node.tag not in _READERS:
        raise ValueError(f"the tag {shortened(node.tag)} is not supported")
    pattern, read = _READERS[node.tag]
    if not pattern.match(node.value):
        raise ValueError(f"{quoted(node.value)} is not what its tag says, {node.tag.removeprefix(_PREFIX)}")
    return read(node.value)


def _ambiguity(text: str, tag: str) -> str:
    """Return why a plain text is refused that is one value in YAML 1.1 and another in YAML 1.2; "" if it is not."""
    if len(text) > _MAX_DIGITS:
        return ""
    if meant := _BOOLEANS.get(text.lower()):
        return f"{text} is {meant} in YAML 1.1 and text in YAML 1.2: write {meant}, or '{text}' in quotes for text"
    if tag != STRING_TAG and _OCTAL.match(text):
        return _octal(text)
    if match := _BASE_60.match(text):
        number = _base_60(match[1], match[2].split(":")) if match[2] else "a number"
        example = f"write {number}, a duration such as 1m30s, or '{text}' in quotes for text"
        return f"{text} is {number} in YAML 1.1 and text in YAML 1.2: {example}"
    return ""


def _octal(text: str) -> str:
    sign, digits = ("-" if text[0] == "-" else ""), text.lstrip("+-")
    if digits.startswith("0o"):
        new = f"{int(digits[2:], 8)}"
        return f"{text} is text in YAML 1.1 and {new} in YAML 1.2: write {new}, or '{text}' in quotes for text"
    new = f"{sign}{int(digits)}"
    old = new if digits.strip("01234567") else f"{sign}{int(digits, 8)}"
    what = "has a leading zero" if old == new else f"is {old} in YAML 1.1 and {new} in YAML 1.2"
    return f"{text} {what}: write {new}, or '{text}' in quotes for text"


def _base_60(sign: str, parts: list[str]) -> str:
    number = 0
    for part in parts:
        number = 60 * number + int(part)
    return f"{sign.strip('+')}{number}"

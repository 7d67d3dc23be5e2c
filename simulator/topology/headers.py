"""The configured headers of a call: names, and values in which `${NAME}` stands for an environment variable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.errors import ConfigurationError, Problem

HIDDEN = "***"
# Leaves room for a message's own headers, and those that a stage adds, in what a stage accepts.
MAX_BYTES = 8192
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[\x20-\x7e]*")
# `$${` stands for a literal `${`; the last alternative is a mistake.
_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]{0,99})\}|\$\{")
_NEXT_HEADER = re.compile(r"\r?\n|;[ \t]*(?=[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}:[ \t])")
# Headers that describe the message, the connection or the trace are set by the stage itself.
_RESERVED = frozenset(
    {
        *("baggage", "traceparent", "tracestate"),
        *("content-encoding", "content-length", "content-type", "x-message-id", "x-trace-id"),
        *("connection", "expect", "host", "http2-settings", "keep-alive", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_RESERVED_PREFIX = "x-simulator-"


@dataclass(frozen=True, slots=True)
class Headers:
    """Headers as configured, (name, text) each, in order; a resolved text is never shown."""

    texts: tuple[tuple[str, str], ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the environment variables that the texts name, each once."""
        return tuple(
            dict.fromkeys(found[1] for _, text in self.texts for found in _REFERENCE.finditer(text) if found[1])
        )

    def resolved(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return {name: value}, each variable replaced by its value."""
        return {
            name: _REFERENCE.sub(lambda found: values[found[1]] if found[1] else "${", text)
            for name, text in self.texts
        }

    def size(self, values: Mapping[str, str]) -> int:
        """Return the size of names and values in bytes."""
        return sum(len(name) + len(value) for name, value in self.resolved(values).items())

    def written(self) -> dict[str, str]:
        """Return {name: text} as in a file."""
        return dict(self.texts)

    def shown(self) -> dict[str, str]:
        """Return {name: text} made safe to show: a text without a variable may be a secret itself."""
        return {name: text if Headers(((name, text),)).variables else HIDDEN for name, text in self.texts}


def parse_headers(value: Any) -> Headers:
    """Return the headers in a mapping of names to texts, or in one or more `Name: value` texts. Raise ValueError."""
    pairs = [_pair(name, text) for name, text in _pairs(value)]
    names = [name.lower() for name, _ in pairs]
    twice = next((name for name, lowered in zip(dict(pairs), names, strict=False) if names.count(lowered) > 1), None)
    if twice is not None:
        raise ValueError(f"the header {twice} is given twice")
    if sum(len(name) + len(text) for name, text in pairs) > MAX_BYTES:
        raise ValueError(f"the headers have more than {MAX_BYTES} bytes in all")
    return Headers(tuple(pairs))


def values_for(headers: Iterable[tuple[str, Headers]], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the values of all variables in `headers`, pairs of a place in the configuration and the headers there.

    Raise ConfigurationError, which names the variables but not their values, for those that are not set and those that
    no header can hold.
    """
    values: dict[str, str] = {}
    problems: dict[str, Problem] = {}
    for place, some in headers:
        for variable in some.variables:
            value = environment.get(variable, "")
            flaw = _flaw(value)
            if flaw:
                problems.setdefault(variable, Problem(f"{place}: the variable {variable} of the environment {flaw}"))
            values[variable] = value
        if not problems and some.size(values) > MAX_BYTES:
            message = f"{place}: with the values of their variables the headers have more than {MAX_BYTES} bytes in all"
            problems.setdefault(place, Problem(message))
    if problems:
        raise ConfigurationError(problems.values())
    return values


def with_hidden_headers(calls: Any) -> Any:
    """Return plain calls, as `unstructure` makes them, with their headers made safe to show."""
    if isinstance(calls, list):
        return [with_hidden_headers(step) for step in calls]
    if not isinstance(calls, dict):
        return calls
    shown = {key: with_hidden_headers(inner) for key, inner in calls.items() if key != "headers"}
    return shown | ({"headers": parse_headers(calls["headers"]).shown()} if "headers" in calls else {})


def _flaw(value: str) -> str:
    if not value:
        return "is not set"
    if not _VALUE.fullmatch(value):
        return "has a value with a line break or another character that no header can hold"
    return f"has a value of more than {MAX_BYTES} bytes" if len(value) > MAX_BYTES else ""


def _pairs(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    texts = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("must be a mapping of names to texts, as in {Authorization: 'Bearer ${TOKEN}'}")
    headers = [header for text in texts for header in _NEXT_HEADER.split(text[: 2 * MAX_BYTES]) if header.strip()]
    if not all(":" in header for header in headers):
        raise ValueError("must be written as NAME: VALUE, as in 'Authorization: Bearer ${TOKEN}'")
    return [(name.strip(), text) for name, _, text in (header.partition(":") for header in headers)]


def _pair(name: Any, text: Any) -> tuple[str, str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{str(name)[:100]!r} can't be the name of a header")
    if name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIX):
        raise ValueError(f"the header {name} is set by the stage itself")
    if not isinstance(text, str):
        raise ValueError(f"the value of the header {name} must be text, in quotes")
    text = text.strip(" \t")
    if len(text) > MAX_BYTES or not _VALUE.fullmatch(text):
        raise ValueError(f"the value of the header {name} must be printable ASCII of at most {MAX_BYTES} characters")
    if text == HIDDEN:
        raise ValueError(f"{HIDDEN} is shown in place of the header {name}'s value; give the value itself")
    if any(found[0] == "${" for found in _REFERENCE.finditer(text)):
        raise ValueError(f"the value of the header {name} has a ${{ that is not ${{NAME}}; write $${{ for a plain ${{")
    return name, text

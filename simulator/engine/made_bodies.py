"""The bodies of an injector's own messages: numbered, with drawn fields, or lines of a file drawn by weight."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from simulator.behaviour.attributes import Attribute
from simulator.behaviour.attributes import Sequence as Numbered
from simulator.behaviour.draws import FIRST_VISIT
from simulator.behaviour.payloads import payload
from simulator.behaviour.values import Rule, Value, Weighted, shown
from simulator.engine.drafts import EndlessLine, flaw_in, whole_line
from simulator.engine.identity import Identity
from simulator.errors import StartError
from simulator.units import format_size

MAX_POOL_BYTES = 64 * 2**20


class Bodies(Protocol):
    """Make the body of a message: of its number, its id, and when it was due (RFC 3339)."""

    def __call__(self, number: int, message_id: str, created: str) -> bytes:
        """Return the body."""


def drawn_fields(identity: Identity, fields: Mapping[str, Attribute]) -> Bodies:
    """Return bodies with number, id and due time, and fields that are drawn as attributes are."""

    def value(rule: Attribute, name: str, number: int, message_id: str) -> Value:
        if isinstance(rule, Numbered):
            return number
        return rule.value(identity.draw(message_id, FIRST_VISIT, f"message {name}"))

    def body(number: int, message_id: str, created: str) -> bytes:
        plain = payload(number, message_id, created)
        drawn = {name: value(rule, name, number, message_id) for name, rule in fields.items()}
        return plain[:-1] + b", " + json.dumps(drawn).encode()[1:]

    return body if fields else payload


def drawn_lines(
    identity: Identity, source: str, lines: Iterable[bytes], kinds: Mapping[str, Attribute], max_body_bytes: int
) -> Bodies:
    """Return bodies that are lines of a file, each as likely as the others of its kind.

    `kinds` has the key by which lines are of a kind, and the weights of these; without it all are of one.
    Raise StartError if a line is not a message or has no kind, and if a kind has no line.
    """
    [(key, rule)] = kinds.items() if kinds else [("", None)]
    pool: dict[str, list[bytes]] = defaultdict(list)
    total_bytes = 0
    for number, line in _numbered(source, lines):
        kind = _kind(source, number, line, key, max_body_bytes)
        total_bytes += len(line)
        if total_bytes > MAX_POOL_BYTES:
            raise StartError(f"{source} is larger than {format_size(MAX_POOL_BYTES)}: draw from fewer lines")
        pool[kind].append(line)
    options = rule.options if isinstance(rule, Weighted) else ("",)
    lacking = [shown(option) for option in options if not pool[shown(option)]]
    if lacking:
        raise StartError(f"{source} has no line{f' whose {key} is {lacking[0]}' if key else ''}")
    return _from_pool(identity, pool, rule if isinstance(rule, Rule) else None)


def _from_pool(identity: Identity, pool: Mapping[str, Sequence[bytes]], rule: Rule | None) -> Bodies:
    def body(number: int, message_id: str, created: str) -> bytes:
        kind = "" if rule is None else shown(rule.value(identity.draw(message_id, FIRST_VISIT, "message kind")))
        lines = pool[kind]
        return lines[int(identity.draw(message_id, FIRST_VISIT, "message line") * len(lines))]

    return body


def _numbered(source: str, lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers, as they are sent."""
    try:
        for number, line in enumerate(lines, 1):
            body = whole_line(number, line)
            if body.strip():
                yield number, body
    except EndlessLine as error:
        raise StartError(f"{source}: {error}") from None


def _kind(source: str, number: int, body: bytes, key: str, max_body_bytes: int) -> str:
    flaw = flaw_in(body, max_body_bytes)
    if flaw is not None:
        raise StartError(f"{source}, line {number}: {flaw}")
    if not key:
        return ""
    value: Any = json.loads(body)
    kind = value.get(key) if isinstance(value, dict) else None
    if not isinstance(kind, str | int):
        raise StartError(f"{source}, line {number}: it has no text or number {key!r}, by which messages are of a kind")
    return shown(kind)

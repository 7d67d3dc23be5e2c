"""The lines that a service itself logs, made again from its topology and the truth of a visit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from simulator.behaviour.values import Value
from simulator.topology.model import LogLevel, Operation


class OwnLine(NamedTuple):
    """A line that a service logs itself: its level and its text."""

    level: LogLevel
    text: str


def own_lines(operation: Operation, name: str, visit: Mapping[str, Any]) -> Iterator[OwnLine]:
    """Yield the lines of a visit to an operation of this name, in their order; none before its delay is over.

    `visit` has `message_id`, `delay_drawn_seconds`, None if there was no delay, and `decisions` and `attributes`.
    """
    if visit["delay_drawn_seconds"] is None:
        return
    decisions: Mapping[str, Value] = visit["decisions"]
    values = {**decisions, **visit["attributes"], "message_id": visit["message_id"], "operation": name}
    for line in operation.log:
        if line.when is None or line.when.holds(decisions):
            yield OwnLine(line.level, line.message.filled(values))

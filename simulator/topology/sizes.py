"""Messages larger than the stages on their way accept: a failure that nobody configured."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simulator.behaviour.payloads import Size, payload_bytes
from simulator.topology.graph import Node, calls_of, operations_called_first
from simulator.topology.load import Load
from simulator.topology.model import Role, Stage
from simulator.topology.places import Keys
from simulator.topology.walking import all_calls
from simulator.units import format_ratio, format_size

# Too rare to be observed; a distribution without a maximum has some messages of every size.
_NEGLIGIBLE_SHARE = 1e-9
_LAST_NUMBER = 10**12


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest body that a stage and all that it forwards to accept: the `max_body` of `stage`."""

    max_bytes: int
    stage: str

    def __str__(self) -> str:
        """Return the limit as an error names it."""
        return f"{self.stage} takes (max_body: {format_size(self.max_bytes)})"


def limits(stages: Mapping[str, Stage]) -> dict[Node, Limit]:
    """Return the limit of each operation that takes a body; nothing if they form a cycle, which is another error.

    A body is forwarded unchanged, except by calls with a `request_bytes` of their own.
    """
    found: dict[Node, Limit] = {}
    try:
        order = operations_called_first(stages)
    except graphlib.CycleError:
        return {}
    for name, operation in order:
        made = stages[name].all_operations[operation]
        if made.method.has_body and stages[name].url is None:
            forwarded = [(call.to, call.operation) for _, call in all_calls(made.calls) if call.request_size is None]
            own = Limit(stages[name].max_body_bytes, name)
            further = (found[node] for node in forwarded if node in found)
            found[name, operation] = min((own, *further), key=lambda limit: limit.max_bytes)
    return found


def size_problems(stages: Mapping[str, Stage]) -> Iterator[tuple[Keys, str]]:
    """Yield a problem for each kind of message that is larger than a stage on its way accepts."""
    found = limits(stages)
    for name, stage in stages.items():
        for keys, message in call_size_problems(stage, found):
            yield ("stages", name, *keys), message


def call_size_problems(stage: Stage, found: Mapping[Node, Limit]) -> Iterator[tuple[Keys, str]]:
    """Yield a problem for each call whose messages, made by this stage, are too large; keys are those in the stage."""
    for keys, call in calls_of(stage):
        limit = found.get((call.to, call.operation))
        if limit is None:
            continue
        if call.request_size is not None:
            if complaint := _too_large(call.request_size, limit):
                yield (*keys, "request_bytes"), complaint
        elif stage.role is Role.INJECTOR and stage.load is not None and stage.input is None and _is_plain(stage.load):
            last = payload_bytes(_LAST_NUMBER if stage.load.messages is None else max(1, stage.load.messages))
            if last > limit.max_bytes:
                sizes = f"{payload_bytes(1)} to {last} bytes"
                yield keys, f"the messages that this injector makes have {sizes}, which is more than {limit}"


def _is_plain(load: Load) -> bool:
    """Return whether a load's messages have nothing but a number, an id and a time."""
    return not load.message and load.messages_from is None


def _too_large(size: Size, limit: Limit) -> str:
    share = size.share_over(limit.max_bytes)
    if share <= _NEGLIGIBLE_SHARE:
        return ""
    if share >= 1 - _NEGLIGIBLE_SHARE:
        return f"{size} is more than {limit}: every message would fail"
    rounded = format_ratio(float(f"{share:.2g}"))
    return f"{size} is more than {limit} for {rounded} of the messages; draw smaller sizes, or raise max_body"

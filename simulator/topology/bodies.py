"""What does not go together in what a load says of the bodies of its messages."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.behaviour.values import Weighted
from simulator.topology.model import Stage
from simulator.topology.places import Keys

# What a generated body has already.
_TAKEN = ("number", "message_id", "created")


def body_problems(stage: Stage) -> Iterator[tuple[Keys, str]]:
    """Yield what is wrong with the bodies of a load's messages."""
    load = stage.load
    if load is None:
        return
    if stage.input is not None and (load.message or load.messages_from):
        yield ("input",), "its lines are the messages: leave out message and messages_from, or input"
    if load.message and load.messages_from:
        yield ("load", "messages_from"), "its lines are the messages: leave out message, or messages_from"
    for name in load.message:
        if name in _TAKEN:
            yield ("load", "message"), f"{name!r} is in every message already"
    if load.kinds and load.messages_from is None:
        yield ("load", "kinds"), "only lines are of kinds: write the file that has them as messages_from"
    if load.kinds and (len(load.kinds) > 1 or not isinstance(next(iter(load.kinds.values())), Weighted)):
        yield (
            ("load", "kinds"),
            "must be one key with the weights of its values, as in {type: {order: 90%, refund: 10%}}",
        )

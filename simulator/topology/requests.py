"""What the requests that begin at a stage ask for: what an injector calls, or an operation of the stage itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.topology.graph import label
from simulator.topology.model import Forward, Role, Stage, Topology
from simulator.topology.steps import Choose, Pause, Step
from simulator.topology.walking import all_calls

# A journey of more operations is named by its first ones, and how many follow.
_MAX_NAMED = 4
_NOT_ASKED_FOR = ("fallback", "on_error")


@dataclass(frozen=True)
class Requests:
    """The kinds of messages that an injector makes, by what they call: `cart.read`, or `cart.read + cart.pay`.

    If its steps are a choice, each alternative is one, and `position` is that of the choice; else there is one kind,
    and `weights` is empty.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...] = ()
    position: str = ""


def injected_requests(calls: Sequence[Step]) -> Requests:
    """Return the kinds of messages of an injector with these steps."""
    steps = [(index, step) for index, step in enumerate(calls) if not isinstance(step, Pause)]
    match steps:
        case [(index, Choose(choose=alternatives, when=None))]:
            names = tuple(_named([alternative.step]) for alternative in alternatives)
            return Requests(names, tuple(alternative.weight for alternative in alternatives), str(index))
    return Requests((_named(calls),))


def requests_of(name: str, stage: Stage) -> tuple[str, ...]:
    """Return what requests that begin at a stage ask for, each kind once: `cart.read`, or `cart` if it has only itself.

    Of an injector that is what it calls.
    """
    if stage.role is Role.INJECTOR and stage.calls:
        return tuple(dict.fromkeys(injected_requests(stage.calls).names))
    return tuple(label((name, operation)) for operation in stage.all_operations)


def request_kinds(topology: Topology) -> dict[str, tuple[str, ...]]:
    """Return what `requests_of` does for every stage: whatever its callers are, a client may call it too."""
    return {name: requests_of(name, stage) for name, stage in topology.stages.items()}


def accepting(topology: Topology) -> tuple[str, ...]:
    """Return the stages and operations that answer before their work is done, as a call has them."""
    return tuple(
        label((name, operation))
        for name, stage in topology.stages.items()
        for operation, made in stage.all_operations.items()
        if made.forward is Forward.ACCEPT
    )


def _named(steps: Sequence[Step]) -> str:
    calls = [call for keys, call in all_calls(steps) if not any(key in _NOT_ASKED_FOR for key in keys)]
    targets = list(dict.fromkeys(call.target for call in calls))
    more = len(targets) - _MAX_NAMED
    return " + ".join(targets if more <= 1 else [*targets[:_MAX_NAMED], f"{more} more"])

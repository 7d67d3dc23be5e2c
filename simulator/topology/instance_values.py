"""The attributes of one instance of a service."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.behaviour.values import Value
from simulator.topology.model import Stage
from simulator.topology.places import Keys


def resource_of(stage: Stage, instance: int) -> dict[str, Value]:
    """Return the attributes of an instance, counted from 1; of a list the one at its place."""
    return {
        name: value[(instance - 1) % len(value)] if isinstance(value, tuple) else value
        for name, value in stage.resource.items()
    }


def resource_problems(stage: Stage) -> Iterator[tuple[Keys, str]]:
    """Yield each list that has not a value for each instance."""
    instances = stage.max_instances or stage.instances
    for name, value in stage.resource.items():
        if isinstance(value, tuple) and len(value) != instances:
            message = f"{name}: a list has a value for each instance: {instances}, not {len(value)}"
            yield ("resource",), message

"""Injectors whose load is paused: with a rate of 0 they create no message until they are told another rate."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.topology.model import Role, Topology


def paused_injectors(topology: Topology) -> Iterator[str]:
    """Yield the injectors that are paused."""
    for name, stage in topology.stages.items():
        rate = None if stage.load is None else stage.load.rate_per_second
        if stage.role is Role.INJECTOR and rate is not None and not rate:
            yield name


def paused_warnings(topology: Topology) -> Iterator[str]:
    """Yield for each paused injector how to start it, and that its messages do not end the run until then."""
    for name in paused_injectors(topology):
        stage = topology.stages[name]
        is_finite = stage.input is not None or (stage.load is not None and stage.load.messages is not None)
        endless = "; until then the run does not end by itself" if is_finite else ""
        yield f"{name} is paused: its load.rate is 0, and `set {name} load.rate=20/s` starts it{endless}"

"""The load of a probe: the only injector of a topology at another rate, without an end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from simulator.behaviour.distributions import NO_DELAY
from simulator.errors import ConfigurationError, Problem
from simulator.quoting import listed
from simulator.topology.load import Load
from simulator.topology.model import Role, Topology
from simulator.topology.quantities import PerSecond


def injector_of(topology: Topology, source: str, has_start: bool) -> str:
    """Return the name of the injector whose rate is changed. Raise ConfigurationError if there is not just one.

    `has_start` says that the user gave a rate to begin with, which then stands for what the load says.
    """
    injectors = [name for name, stage in topology.stages.items() if stage.role is Role.INJECTOR]
    if not injectors:
        message = f"{topology.name} has no injector, whose rate could be changed: add one that calls its entry"
        raise ConfigurationError.of(message, source)
    if len(injectors) > 1:
        message = f"find-capacity changes the rate of one injector, and there are {listed(injectors, ' and ')}"
        raise ConfigurationError.of(message, source)
    [name] = injectors
    problems = [Problem(f"{name}: {message}", source) for message in _problems(topology, name, has_start)]
    if problems:
        raise ConfigurationError(problems)
    return name


def _problems(topology: Topology, name: str, has_start: bool) -> Iterator[str]:
    stage = topology.stages[name]
    load = stage.load or Load()
    if stage.input is not None:
        yield f"its messages come from {stage.input}, which ends; find-capacity needs messages that it generates itself"
    elif load.session:
        yield "its users walk through a session, at no rate of their own; give it calls and a rate instead"
    elif has_start:
        return
    elif load.schedule is None:
        yield "its load is a closed loop, which has no rate; give --from, and it becomes an open one"
    elif load.rate_per_second is None:
        yield "its load changes the rate by itself; give --from, and find-capacity takes constant rates instead"
    elif not load.rate_per_second:
        yield "it is paused: its load.rate is 0; give --from, a rate to begin with"


def at_rate(topology: Topology, injector: str, rate_per_second: float) -> Topology:
    """Return the topology with another rate of its injector, arrivals as they are, and no file that is written."""
    stage = topology.stages[injector]
    load = replace(
        stage.load or Load(),
        rate_per_second=PerSecond(rate_per_second),
        profile=None,
        messages=None,
        users=None,
        think=NO_DELAY,
    )
    stages = {name: replace(one, output=None) for name, one in topology.stages.items()}
    return replace(topology, stages={**stages, injector: replace(stage, load=load)})

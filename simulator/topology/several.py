"""What flags and the environment say about several stages of a topology that run together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from simulator.errors import ConfigurationError, Problem
from simulator.topology.addresses import DEFAULT_DOWNSTREAM_NAME, parse_address
from simulator.topology.graph import calls_of
from simulator.topology.layers import Given
from simulator.topology.model import Topology

# The keys that can be given to several stages together; all others are the topology's.
_OF_SEVERAL = ("HOST", "SEED", "LOG_LEVEL", "SHUTDOWN_DELAY", "DRAIN_TIMEOUT", "DOWNSTREAM")


def given_to_each(given: Mapping[str, Given], topology: Topology, names: Sequence[str]) -> dict[str, dict[str, Given]]:
    """Return what is given to each of the stages: of DOWNSTREAM, only the addresses of stages that it calls.

    Raise ConfigurationError with every key that can hold for only one stage, and every address that no stage calls.
    """
    if len(names) == 1:
        return {names[0]: dict(given)}
    called = {name: _called_by(topology, name) for name in names}
    if problems := [*_key_problems(given), *_address_problems(given, called)]:
        raise ConfigurationError(problems)
    return {name: _for_stage(given, called[name]) for name in names}


def _called_by(topology: Topology, name: str) -> set[str]:
    stage = topology.stages.get(name)
    return {call.to for _, call in calls_of(stage)} if stage is not None else set()


def _key_problems(given: Mapping[str, Given]) -> Iterator[Problem]:
    allowed = ", ".join(_OF_SEVERAL)
    for key, one in given.items():
        if key not in _OF_SEVERAL:
            yield Problem(f"{key}: can't be the same for several stages; {allowed} can", one.source)


def _address_problems(given: Mapping[str, Given], called: Mapping[str, set[str]]) -> Iterator[Problem]:
    everything = set().union(*called.values())
    for text in _addresses(given):
        try:
            to = parse_address(text, DEFAULT_DOWNSTREAM_NAME).name
        except ValueError as error:
            yield Problem(f"DOWNSTREAM: {error}", given["DOWNSTREAM"].source)
            continue
        if to not in everything:
            yield Problem(f"DOWNSTREAM: none of {', '.join(called)} calls {to!r}", given["DOWNSTREAM"].source)


def _for_stage(given: Mapping[str, Given], called: set[str]) -> dict[str, Given]:
    own = [text for text in _addresses(given) if parse_address(text, DEFAULT_DOWNSTREAM_NAME).name in called]
    rest = {key: one for key, one in given.items() if key != "DOWNSTREAM"}
    return rest | ({"DOWNSTREAM": replace(given["DOWNSTREAM"], value=",".join(own))} if own else {})


def _addresses(given: Mapping[str, Given]) -> list[str]:
    """Return the addresses in DOWNSTREAM, which are text here: no file holds what is given to several stages."""
    text = str(given["DOWNSTREAM"].value) if "DOWNSTREAM" in given else ""
    return [part.strip() for part in text.split(",") if part.strip()]

"""The plan of a run: a topology with the overrides of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simulator.behaviour.distributions import ReadSamples
from simulator.errors import ConfigurationError, Problem
from simulator.nearest import unknown_name
from simulator.topology.decisions import decision_problems
from simulator.topology.document import Keys
from simulator.topology.graph import wiring_problems
from simulator.topology.model import Role, Stage, Topology
from simulator.topology.names import split_place
from simulator.topology.plain_steps import is_to, targets_in, with_call_keys
from simulator.topology.quantities import Seed
from simulator.topology.sizes import size_problems
from simulator.topology.structure import structure, unstructure
from simulator.topology.targets import operation_names, resolved
from simulator.units import whole_number_in

STANDARD_INPUT = "-"


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What the command line overrides; None means as in the topology."""

    rate: str | None = None
    messages: int | None = None
    seed: int | None = None
    input: str | None = None
    on_bad_line: str | None = None
    output: str | None = None
    sets: tuple[str, ...] = ()


def apply_overrides(topology: Topology, overrides: Overrides, read_samples: ReadSamples) -> Topology:
    """Return the topology with the overrides. Raise ConfigurationError with every one that is invalid."""
    changes: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for text in overrides.sets:
        try:
            name, key, value = _split_set(text, topology)
            changes.setdefault(name, {})[key] = value
        except ValueError as error:
            problems.append(Problem(str(error), f"flag --set {text}"))
    _override_injectors(topology, overrides, changes, problems)
    _override_terminators(topology, overrides, changes, problems)
    stages, operations = dict(topology.stages), operation_names(topology.stages)
    for name, change in changes.items():
        try:
            stage, found = structure(_merged(unstructure(stages[name]), change), Stage, read_samples)
        except ValueError as error:
            stage, found = None, [((), str(error))]
        problems += [_problem((name, *keys), message) for keys, message in found]
        if stage is not None:
            stages[name] = resolved(stage, operations)
    if not problems:
        wrong = [*wiring_problems(stages, frozenset(stages)), *size_problems(stages)]
        wrong = wrong or list(decision_problems(stages))
        problems += [_problem(keys[1:], message) for keys, message in wrong]
    if problems:
        raise ConfigurationError(problems)
    return replace(topology, stages=stages, seed=topology.seed if overrides.seed is None else Seed(overrides.seed))


def _problem(keys: Keys, message: str) -> Problem:
    return Problem(f"{'.'.join(map(str, keys))}: {message}", "flags")


def _split_set(text: str, topology: Topology) -> tuple[str, str, Any]:
    place, separator, value = text.partition("=")
    name, key = split_place(place.strip(), topology.stages)
    outer, last_dot, last = key.rpartition(".")
    key = f"{outer}{last_dot}{last.replace('-', '_')}"
    if not separator or not key:
        raise ValueError("must be STAGE.KEY=VALUE, as in enrich.delay='constant(1s)'")
    if name not in topology.stages:
        raise ValueError(unknown_name(f"there is no stage {name!r}", name, topology.stages))
    plain: Any = whole_number_in(value.strip())
    return name, key, [part.strip() for part in value.split(";") if part.strip()] if key == "faults" else plain


def _override_injectors(
    topology: Topology, overrides: Overrides, changes: dict[str, dict[str, Any]], problems: list[Problem]
) -> None:
    wanted = {
        "rate": overrides.rate,
        "messages": overrides.messages,
        "input": overrides.input,
        "on-bad-line": overrides.on_bad_line,
    }
    if all(value is None for value in wanted.values()):
        return
    injectors = [name for name, stage in topology.stages.items() if stage.role is Role.INJECTOR]
    if not injectors:
        flags = ", ".join(f"--{flag}" for flag, value in wanted.items() if value is not None)
        problems.append(Problem("the topology has no injector that could make messages", f"flag {flags}"))
    if overrides.input is not None and len(injectors) > 1:
        problems.append(Problem(f"the topology has several injectors: {', '.join(injectors)}", "flag --input"))
    for name in injectors:
        change = changes.setdefault(name, {})
        if overrides.input is not None:
            # Without a rate the lines are sent as fast as they are accepted, not at the rate of the topology's load.
            change.setdefault("load.rate", None)
            change["input"] = overrides.input
        if overrides.on_bad_line is not None:
            change["on_bad_line"] = overrides.on_bad_line
        load = {"load.rate": overrides.rate, "load.messages": overrides.messages}
        change |= {key: value for key, value in load.items() if value is not None}


def _override_terminators(
    topology: Topology, overrides: Overrides, changes: dict[str, dict[str, Any]], problems: list[Problem]
) -> None:
    if overrides.output is None:
        return
    terminators = [name for name, stage in topology.stages.items() if stage.role is Role.TERMINATOR]
    if not terminators:
        problems.append(Problem("the topology has no terminator that could write it", "flag --output"))
    for name in terminators:
        changes.setdefault(name, {})["output"] = overrides.output


def _merged(raw: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys with a change; None removes one.

    `load.rate` is the key `rate` of `load`, `calls.audit.timeout` the key `timeout` of every call to `audit`.
    """
    merged = {**raw, "load": dict(raw["load"])} if "load" in raw else dict(raw)
    for key, value in change.items():
        outer, _, inner = key.partition(".")
        if outer == "calls" and inner:
            to, _, call_key = inner.rpartition(".")
            known = targets_in(merged.get("calls"))
            if not any(is_to(target, to) for target in known):
                raise ValueError(f"calls.{inner}: write calls.STAGE.KEY, with one of {', '.join(known) or 'no stage'}")
            merged["calls"] = with_call_keys(merged.get("calls"), {call_key: value}, to)
            continue
        target = merged.setdefault(outer, {}) if inner else merged
        if not isinstance(target, dict) or "." in inner:
            raise ValueError(f"there is no key {inner!r} in {outer}")
        if value is None:
            target.pop(inner or outer, None)
        else:
            target[inner or outer] = value
    return merged


def files_of(topology: Topology) -> Iterable[tuple[str, Path]]:
    """Yield every file that a stage writes, as (stage, path)."""
    for name, stage in topology.stages.items():
        if stage.output is not None:
            yield name, Path(stage.output)

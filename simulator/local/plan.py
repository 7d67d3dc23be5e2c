"""The plan of a run: a topology with the overrides of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simulator.behaviour.distributions import ReadSamples
from simulator.behaviour.thresholds import Threshold, parse_threshold
from simulator.errors import ConfigurationError, Problem
from simulator.nearest import unknown_name
from simulator.topology.changes import Patch, changed, put, read_change
from simulator.topology.decisions import decision_problems
from simulator.topology.model import Role, Topology
from simulator.topology.names import split_place
from simulator.topology.places import Keys
from simulator.topology.quantities import Seed
from simulator.topology.sizes import size_problems
from simulator.topology.targets import operation_names, resolved
from simulator.topology.thresholds import subject_of
from simulator.topology.wiring import wiring_problems

STANDARD_INPUT = "-"
_RULE = "must be STAGE.KEY=VALUE, as in enrich.delay='constant(1s)' or cart.read.delay=5ms"


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What the command line overrides; None means as in the topology."""

    rate: str | None = None
    profile: str | None = None
    messages: int | None = None
    seed: int | None = None
    input: str | None = None
    on_bad_line: str | None = None
    output: str | None = None
    sets: tuple[str, ...] = ()
    thresholds: tuple[str, ...] = ()


def apply_overrides(topology: Topology, overrides: Overrides, read_samples: ReadSamples) -> Topology:
    """Return the topology with the overrides. Raise ConfigurationError with every one that is invalid."""
    patches: dict[str, Patch] = {}
    problems: list[Problem] = []
    for text in overrides.sets:
        try:
            name, keys, value = _read_set(text, topology)
            put(patches.setdefault(name, {}), keys, value)
        except ValueError as error:
            problems.append(Problem(str(error), f"flag --set {text}"))
    thresholds = _read_thresholds(overrides.thresholds, topology, problems)
    _override_injectors(topology, overrides, patches, problems)
    _override_terminators(topology, overrides, patches, problems)
    stages = dict(topology.stages)
    for name, patch in patches.items():
        stage, found = changed(stages[name], patch, read_samples)
        problems += [_problem((name, *keys), message) for keys, message in found]
        if stage is not None:
            stages[name] = stage
    if not problems:
        stages = {name: resolved(stage, operation_names(stages)) for name, stage in stages.items()}
        wrong = [*wiring_problems(stages, frozenset(stages)), *size_problems(stages)]
        problems += [_problem(keys[1:], message) for keys, message in wrong or decision_problems(stages)]
    if problems:
        raise ConfigurationError(problems)
    return replace(
        topology,
        stages=stages,
        seed=topology.seed if overrides.seed is None else Seed(overrides.seed),
        thresholds=(*topology.thresholds, *thresholds),
    )


def _read_thresholds(texts: Sequence[str], topology: Topology, problems: list[Problem]) -> list[Threshold]:
    """Return the thresholds of the command line; report those that are invalid."""
    known, found = operation_names(topology.stages), []
    for text in texts:
        try:
            threshold = parse_threshold(text)
            subject_of(threshold, known)
            found.append(threshold)
        except ValueError as error:
            problems.append(Problem(str(error), "flag --threshold"))
    return found


def _problem(keys: Keys, message: str) -> Problem:
    return Problem(f"{'.'.join(map(str, keys))}: {message}", "flags")


def _read_set(text: str, topology: Topology) -> tuple[str, Sequence[str], Any]:
    place, separator, value = text.partition("=")
    name, key = split_place(place.strip(), topology.stages)
    if not separator or not key:
        raise ValueError(_RULE)
    if name not in topology.stages:
        raise ValueError(unknown_name(f"there is no stage {name!r}", name, topology.stages))
    keys, plain = read_change(f"{key}={value}", _RULE)
    return name, keys, plain


def _override_injectors(
    topology: Topology, overrides: Overrides, patches: dict[str, Patch], problems: list[Problem]
) -> None:
    wanted = {
        "rate": overrides.rate,
        "profile": overrides.profile,
        "messages": overrides.messages,
        "input": overrides.input,
        "on-bad-line": overrides.on_bad_line,
    }
    flags = ", ".join(f"--{flag}" for flag, value in wanted.items() if value is not None)
    if not flags:
        return
    injectors = [name for name, stage in topology.stages.items() if stage.role is Role.INJECTOR]
    if not injectors:
        problems.append(Problem("the topology has no injector that could make messages", f"flag {flags}"))
    if overrides.input is not None and len(injectors) > 1:
        problems.append(Problem(f"the topology has several injectors: {', '.join(injectors)}", "flag --input"))
    for name in injectors:
        patch = patches.setdefault(name, {})
        load = {"rate": overrides.rate, "profile": overrides.profile, "messages": overrides.messages}
        own = {"input": overrides.input, "on_bad_line": overrides.on_bad_line}
        changes = {("load", key): value for key, value in load.items()} | {(key,): value for key, value in own.items()}
        try:
            if overrides.input is not None and not {"rate", "profile"} & patch.get("load", {}).keys():
                # Without a rate the lines are sent as fast as they are accepted, not at the topology's rate.
                put(patch, ("load", "rate"), None)
                put(patch, ("load", "profile"), None)
            for keys, value in changes.items():
                if value is not None:
                    put(patch, keys, value)
        except ValueError as error:
            problems.append(Problem(f"{name}: {error}", f"flag {flags}"))


def _override_terminators(
    topology: Topology, overrides: Overrides, patches: dict[str, Patch], problems: list[Problem]
) -> None:
    if overrides.output is None:
        return
    terminators = [name for name, stage in topology.stages.items() if stage.role is Role.TERMINATOR]
    if not terminators:
        problems.append(Problem("the topology has no terminator that could write it", "flag --output"))
    for name in terminators:
        patches.setdefault(name, {})["output"] = overrides.output


def files_of(topology: Topology) -> Iterable[tuple[str, Path]]:
    """Yield every file that a stage writes, as (stage, path)."""
    for name, stage in topology.stages.items():
        if stage.output is not None:
            yield name, Path(stage.output)

"""Changing the settings of a running stage: everything that is asked for, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from simulator.engine.capacity import Capacity
from simulator.engine.handling import Handling
from simulator.engine.injection import Behaviour
from simulator.engine.injector import Injector
from simulator.errors import ConfigurationError, Problem
from simulator.nearest import did_you_mean
from simulator.topology.document import Keys
from simulator.topology.graph import Node, calls_of, headers_of, label, wiring_problems
from simulator.topology.headers import values_for, with_hidden_headers
from simulator.topology.model import Role, Stage
from simulator.topology.plain_steps import with_call_keys
from simulator.topology.sizes import Limit, call_size_problems
from simulator.topology.structure import structure, unstructure
from simulator.topology.targets import resolved

CHANGEABLE = (
    "delay",
    "faults",
    "workers",
    "queue",
    "rate_limit",
    "forward",
    "response_bytes",
    "calls",
    "load",
)
_LIVE_LOAD_KEYS = frozenset({"rate", "arrivals"})
_LOAD_RULE = f"load: while it runs only {' and '.join(sorted(_LIVE_LOAD_KEYS))} can be changed"


class LiveStage:
    """The settings of a running stage; `on_change(stage)` is called after each change.

    `variables` are the environment variables that headers may name, with their values: those that they named when the
    stage started.
    `limits` are the largest bodies that the called stages take.
    """

    def __init__(
        self,
        handling: Handling,
        capacity: Capacity,
        injector: Injector | None,
        on_change: Callable[[Stage], None],
        variables: Mapping[str, str] | None = None,
        limits: Mapping[Node, Limit] | None = None,
    ) -> None:
        self._handling = handling
        self._capacity = capacity
        self._injector = injector
        self._on_change = on_change
        self._variables = variables or {}
        self._limits = limits or {}

    def settings(self) -> dict[str, Any]:
        """Return what can be changed, as plain values that `change` accepts."""
        behaviour = self._handling.behaviour
        whole = unstructure(behaviour.model, whole=True)
        whole["calls"] = with_hidden_headers(whole["calls"])
        return {
            "stage": behaviour.identity.stage,
            "role": str(behaviour.model.role),
            "instance": behaviour.identity.instance,
            "seed": behaviour.identity.seed,
            **{key: whole[key] for key in CHANGEABLE if key != "load" or behaviour.model.role is Role.INJECTOR},
        }

    def change(self, patch: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Change what `patch` names, and return {key: (before, after)}; None resets a key to its default.

        `calls` is a whole list, or a mapping from the name of a called stage to the keys to change in every call to it.
        Raise ConfigurationError with everything that is wrong; nothing is changed then.
        """
        behaviour = self._handling.behaviour
        before = self.settings()
        stage = self._changed(behaviour, patch)
        self._apply(behaviour, stage)
        after = self.settings()
        return {key: (before[key], after[key]) for key in CHANGEABLE if key in before and before[key] != after[key]}

    def _changed(self, behaviour: Behaviour, patch: Mapping[str, Any]) -> Stage:
        problems = [*_unknown_keys(patch), *self._load_problems(patch, behaviour.model)]
        wrong = {problem.message.partition(":")[0] for problem in problems}
        patch = {key: value for key, value in patch.items() if key not in wrong}
        # Unchanged ones are not read again: they may come from a file, which is not the client's concern.
        kept: dict[str, Any] = {key: getattr(behaviour.model, key) for key in ("delay", "load") if key not in patch}
        plain = {**unstructure(behaviour.model), **dict.fromkeys(kept), **_merged(patch, behaviour.model, problems)}
        stage, found = structure({key: value for key, value in plain.items() if value is not None}, Stage)
        problems += [_problem(keys, message) for keys, message in found]
        if stage is not None:
            stage = resolved(replace(stage, **kept), self._operations(behaviour))
            if stage.load != behaviour.model.load and stage.load is not None and stage.load.schedule is None:
                problems.append(Problem(_LOAD_RULE))
            problems += self._wiring_problems(behaviour, stage)
        if problems or stage is None:
            raise ConfigurationError(problems)
        return stage

    def _apply(self, behaviour: Behaviour, stage: Stage) -> None:
        schedule = stage.load.schedule if stage.load is not None and stage.load != behaviour.model.load else None
        if self._injector is not None and schedule is not None:
            self._injector.repace(schedule)
        self._handling.behaviour = replace(behaviour, model=stage)
        self._capacity.resize(stage.workers, stage.queue)
        self._on_change(stage)

    def _operations(self, behaviour: Behaviour) -> dict[str, set[str]]:
        """Return the operations of the stages that this one has called."""
        found: dict[str, set[str]] = {}
        called = [(call.to, call.operation) for _, call in calls_of(behaviour.model)]
        for stage, operation in (*called, *self._handling.known_downstreams):
            found.setdefault(stage, set()).add(operation)
        return found

    def _load_problems(self, patch: Mapping[str, Any], stage: Stage) -> Iterator[Problem]:
        if "load" not in patch:
            return
        load, present = patch["load"], unstructure(stage.load) if stage.load is not None else {}
        if isinstance(load, Mapping):
            load = {key: value for key, value in load.items() if key not in present or present[key] != value}
        if load == {} and patch["load"]:
            return
        if self._injector is None or not self._injector.is_paced or stage.load is None:
            yield Problem("load: this stage creates no messages on a schedule")
        elif not isinstance(load, Mapping) or not load or not set(load) <= set(_LIVE_LOAD_KEYS):
            yield Problem(_LOAD_RULE)

    def _wiring_problems(self, behaviour: Behaviour, stage: Stage) -> Iterator[Problem]:
        operations = self._operations(behaviour)
        known = set(operations)
        for keys, call in calls_of(stage):
            if call.operation not in operations.get(call.to, ()):
                nodes = sorted(label((name, operation)) for name in known for operation in operations[name])
                callable_now = ", ".join(nodes) or "none"
                yield _problem(keys, f"a running stage can only call those that it called before: {callable_now}")
        yield from self._header_problems(stage)
        for keys, message in call_size_problems(stage, self._limits):
            yield _problem(keys, message)
        names = frozenset({behaviour.identity.stage, *known})
        called = {call.to for _, call in calls_of(stage)}
        for keys, message in wiring_problems({behaviour.identity.stage: stage}, names | called):
            yield _problem(keys[2:], message)

    def _header_problems(self, stage: Stage) -> Iterator[Problem]:
        headers = headers_of(stage)
        unknown = [(place, one) for place, of in headers for one in of.variables if one not in self._variables]
        usable = ", ".join(sorted(self._variables)) or "none"
        for place, variable in unknown:
            yield Problem(f"{place}: the stage was not started with the variable {variable}; it knows {usable}")
        if not unknown:
            try:
                values_for(headers, self._variables)
            except ConfigurationError as error:
                yield from error.problems


def _unknown_keys(patch: Mapping[str, Any]) -> Iterator[Problem]:
    for key in patch:
        if key not in CHANGEABLE:
            hint = did_you_mean(key, CHANGEABLE) or f"these can: {', '.join(CHANGEABLE)}"
            yield Problem(f"{key}: can't be changed while the stage runs; {hint}")


def _merged(patch: Mapping[str, Any], stage: Stage, problems: list[Problem]) -> dict[str, Any]:
    merged = dict(patch)
    if isinstance(patch.get("load"), Mapping):
        merged["load"] = {**(unstructure(stage.load) if stage.load else {}), **patch["load"]}
    if isinstance(patch.get("calls"), Mapping):
        calls = unstructure(stage).get("calls")
        called = {call.to for _, call in calls_of(stage)}
        for name, change in patch["calls"].items():
            if name not in called:
                callable_now = ", ".join(sorted(called)) or "none"
                problems.append(Problem(f"calls.{name}: this stage does not call it, only: {callable_now}"))
            elif not isinstance(change, Mapping) or "to" in change:
                problems.append(Problem(f"calls.{name}: must be a mapping of keys to values, without to"))
            else:
                calls = with_call_keys(calls, change, name)
        merged["calls"] = calls
    return merged


def _problem(keys: Keys, message: str) -> Problem:
    shown = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    return Problem(f"{shown}: {message}" if shown else message)

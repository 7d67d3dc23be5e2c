"""Changing the settings of a running stage: everything that is asked for, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from simulator.engine.capacity import Capacity
from simulator.engine.handling import Handling
from simulator.engine.injection import Behaviour
from simulator.errors import ConfigurationError, Problem
from simulator.nearest import did_you_mean
from simulator.topology.catalogue import live_keys
from simulator.topology.changes import OPERATIONS, changed
from simulator.topology.decisions import Known, stage_decision_problems
from simulator.topology.graph import Node, calls_of, headers_of, label
from simulator.topology.headers import values_for, with_hidden_headers
from simulator.topology.load import Load
from simulator.topology.model import Operation, Role, Stage
from simulator.topology.places import Keys
from simulator.topology.sizes import Limit, call_size_problems
from simulator.topology.structure import in_order, unstructure
from simulator.topology.targets import resolved
from simulator.topology.wiring import wiring_problems

if TYPE_CHECKING:
    from simulator.engine.injector import Injector  # only injectors need it

CHANGEABLE = in_order(live_keys(Stage))
OPERATION_CHANGEABLE = in_order(live_keys(Operation))
_LIVE_LOAD_KEYS = frozenset(live_keys(Load))
_NO_PACE = "load: a running schedule needs a rate or a profile"
_LOAD_RULE = f"load: while it runs only {', '.join(sorted(_LIVE_LOAD_KEYS))} can be changed"


class LiveStage:
    """The settings of a running stage; `on_change(stage)` is called after each change.

    `variables` are the environment variables that headers may name, with their values: those that they named when the
    stage started.
    `limits` are the largest bodies that the called stages take, `decisions` those that a message may have at each
    operation.
    """

    def __init__(
        self,
        handling: Handling,
        capacity: Capacity,
        injector: Injector | None,
        on_change: Callable[[Stage], None],
        variables: Mapping[str, str] | None = None,
        limits: Mapping[Node, Limit] | None = None,
        decisions: Mapping[str, Known] | None = None,
    ) -> None:
        self._handling = handling
        self._capacity = capacity
        self._injector = injector
        self._on_change = on_change
        self._variables = variables or {}
        self._limits = limits or {}
        self._decisions = decisions or {}

    def settings(self) -> dict[str, Any]:
        """Return what can be changed, as plain values that `change` accepts."""
        behaviour = self._handling.behaviour
        model = behaviour.model
        left_out = {OPERATIONS} if model.role is Role.INJECTOR else {OPERATIONS, "load"}
        settings = {
            "stage": behaviour.identity.stage,
            "role": str(model.role),
            "instance": behaviour.identity.instance,
            "seed": behaviour.identity.seed,
            **_shown(model, [key for key in CHANGEABLE if key not in left_out]),
        }
        if model.operations:
            settings[OPERATIONS] = {name: _shown(of, OPERATION_CHANGEABLE) for name, of in model.operations.items()}
        return settings

    def change(self, patch: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Change what `patch` names, and return {key: (before, after)}, with `read.delay` for a key of an operation.

        A patch is as in `topology.changes`. A key of the stage also changes the operations that have the same value.
        Raise ConfigurationError with everything that is wrong; nothing is changed then.
        """
        behaviour = self._handling.behaviour
        before = self.settings()
        stage = self._changed(behaviour, patch)
        self._apply(behaviour, stage)
        after = self.settings()
        return dict(_differences(before, after))

    def _changed(self, behaviour: Behaviour, patch: Mapping[str, Any]) -> Stage:
        problems = [*_unknown_keys(patch), *self._load_problems(patch, behaviour.model)]
        wrong = {problem.message.partition(":")[0] for problem in problems}
        stage, found = changed(behaviour.model, _without(patch, wrong))
        problems += [_problem(keys, message) for keys, message in found]
        if stage is not None:
            stage = resolved(stage, self._operations(behaviour))
            if stage.load != behaviour.model.load and stage.load is not None and stage.load.schedule is None:
                problems.append(Problem(_NO_PACE))
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
        of_stage = (call_size_problems(stage, self._limits), stage_decision_problems(stage, self._decisions))
        for keys, message in chain(*of_stage):
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


def _shown(record: Operation, keys: Sequence[str]) -> dict[str, Any]:
    """Return the plain values of some keys, with the values of headers hidden."""
    whole = unstructure(record, whole=True)
    whole["calls"] = with_hidden_headers(whole["calls"])
    return {key: whole[key] for key in keys}


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for key in before:
        if key == OPERATIONS:
            for name, operation in before[key].items():
                pairs = ((inner, (operation[inner], after[key][name][inner])) for inner in operation)
                yield from ((f"{name}.{inner}", pair) for inner, pair in pairs if pair[0] != pair[1])
        elif before[key] != after[key]:
            yield key, (before[key], after[key])


def _without(patch: Mapping[str, Any], wrong: Collection[str], place: str = "") -> dict[str, Any]:
    """Return a patch without the keys at wrong places."""
    return {
        key: _without(value, wrong, f"{place}{key}.") if isinstance(value, Mapping) else value
        for key, value in patch.items()
        if f"{place}{key}" not in wrong
    }


def _unknown_keys(patch: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _not_changeable(patch, CHANGEABLE, "")
    operations = patch.get(OPERATIONS, {})
    if not isinstance(operations, Mapping):
        yield Problem(f"{OPERATIONS}: must be a mapping of names to the keys to change")
        return
    for name, change in operations.items():
        if isinstance(change, Mapping):
            yield from _not_changeable(change, OPERATION_CHANGEABLE, f"{OPERATIONS}.{name}.")


def _not_changeable(patch: Mapping[str, Any], keys: Sequence[str], place: str) -> Iterator[Problem]:
    for key in patch:
        if key not in keys:
            hint = did_you_mean(key, keys) or f"these can: {', '.join(keys)}"
            yield Problem(f"{place}{key}: can't be changed while the stage runs; {hint}")
    calls = patch.get("calls")
    for name, change in calls.items() if isinstance(calls, Mapping) else ():
        if isinstance(change, Mapping) and "to" in change:
            yield Problem(f"{place}calls.{name}.to: can't be changed; write the whole list of calls")


def _problem(keys: Keys, message: str) -> Problem:
    shown = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    return Problem(f"{shown}: {message}" if shown else message)

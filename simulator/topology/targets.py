"""What a call names: a stage, or one of its operations after a dot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TypeVar

from simulator.topology.model import Operation, Stage
from simulator.topology.quantities import Name
from simulator.topology.steps import Call
from simulator.topology.walking import with_calls_changed

OperationNames = Mapping[str, Collection[str]]
_Record = TypeVar("_Record", bound=Operation)


def operation_names(stages: Mapping[str, Stage]) -> dict[str, tuple[str, ...]]:
    """Return the names of every stage's operations: "" alone for one that has only itself."""
    return {name: tuple(stage.all_operations) for name, stage in stages.items()}


def resolved(stage: Stage, known: OperationNames) -> Stage:
    """Return a stage with every call's stage and operation told apart, as far as they are known."""
    own = _resolved(stage, known)
    if not stage.operations:
        return own
    return replace(own, operations={name: _resolved(operation, known) for name, operation in stage.operations.items()})


def _resolved(operation: _Record, known: OperationNames) -> _Record:
    if not operation.calls:
        return operation
    calls = with_calls_changed(operation.calls, lambda call: _target(call, known))
    return operation if calls is operation.calls else replace(operation, calls=calls)


def _target(call: Call, known: OperationNames) -> Call:
    text = call.target
    if text in known:
        [*operations] = known[text]
        only = operations[0] if len(operations) == 1 else ""
        if not only and not call.operation:  # most calls are such
            return call
        return replace(call, to=Name(text), operation=only)
    stage, _, operation = text.rpartition(".")
    if stage in known:
        return replace(call, to=Name(stage), operation=operation)
    return call

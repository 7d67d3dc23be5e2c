"""Groups that look as if they changed something, and do not: probably something else was meant."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.behaviour.times import ONCE
from simulator.topology.graph import calls_place, place_of
from simulator.topology.model import Topology
from simulator.topology.places import Keys
from simulator.topology.steps import Call, InOrder, Parallel, Step
from simulator.topology.walking import all_steps


def idle_group_warnings(topology: Topology) -> Iterator[str]:
    """Yield for each group without an effect what it does, and what to write for what was probably meant."""
    for name, stage in topology.stages.items():
        for operation, made in stage.all_operations.items():
            for keys, step in all_steps(made.calls, calls_place(operation)):
                if doubt := _doubt(step, keys):
                    yield f"{name}: {place_of(keys)}: {doubt}"


def _doubt(step: Step, keys: Keys) -> str:
    match step:
        case InOrder(is_plain=True) if keys[-2] not in ("parallel", "choose"):
            return "a list in a list changes nothing: write {parallel: [a, b]} for steps at the same time"
        case Parallel(parallel=steps, pick=int(pick)) if pick >= len(steps):
            return f"pick: {pick} of {len(steps)} takes every step"
        case Parallel(parallel=(Call() as call,), times=times, limit=int()) if times == ONCE and call.times != ONCE:
            return f"its calls are made one after the other: write times: {call.times} on the group, not on the call"
        case Parallel(parallel=(_,), times=times, limit=int()) if times == ONCE:
            return "a group of one step has nothing to limit"
    return ""

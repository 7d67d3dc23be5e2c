"""What must have been drawn: the draws of a run, made again from its seed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from simulator.behaviour.draws import draw
from simulator.topology.model import Operation
from simulator.topology.steps import Call, Choose, InOrder, Parallel, Step

_TIME = re.compile(r"#[0-9]+")


def without_times(position: str) -> str:
    """Return the place of a step in its operation, which is the same for each of its times."""
    return _TIME.sub("", position) if "#" in position else position


def step_at(operation: Operation, position: str) -> Step | None:
    """Return the step at a position such as "0", "1.parallel.2" or "0#3.choose.1"; None if there is none."""
    steps: Sequence[Step] = operation.calls
    step: Step | None = None
    parts = without_times(position).split(".")
    while parts:
        if step is not None:
            steps = _within(step, parts[0])
            if parts[0] == "fallback" and len(steps) == 1:
                parts, step = parts[1:], steps[0]
                continue
            parts = parts if parts[0].isdecimal() else parts[1:]
        if not parts or not parts[0].isdecimal() or int(parts[0]) >= len(steps):
            return None
        step, parts = steps[int(parts[0])], parts[1:]
    return step


def _within(step: Step, key: str) -> Sequence[Step]:
    match step:
        case Parallel() | InOrder() if key == "on_error":
            return step.on_error
        case Parallel(parallel=inner):
            return inner
        case InOrder(steps=inner):
            return inner
        case Choose(choose=alternatives):
            return [alternative.step for alternative in alternatives]
        case Call(fallback=fallback):
            return fallback
        case _:
            return ()


class Draws:
    """The draws of one stage with a seed."""

    def __init__(self, seed: int, stage: str) -> None:
        self._seed = seed
        self._stage = stage

    def u(self, message_id: str, visit: str, purpose: str) -> float:
        """Return u in (0, 1) for one purpose of one visit."""
        return draw(self._seed, self._stage, message_id, visit, purpose)

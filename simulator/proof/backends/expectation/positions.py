"""BackendFinding a step of an operation by its position, as the truth of a run names it: "1.parallel.2", "0#3"."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.topology.steps import Call, Choose, InOrder, Parallel, Pause, Step


def call_at(steps: tuple[Step, ...], position: str) -> Call | None:
    """Return the call at a position; None if the steps have none there, because they were changed during the run."""
    try:
        step = _in_list(steps, [token.partition("#")[0] for token in position.split(".")])
    except (IndexError, ValueError):
        return None
    return step if isinstance(step, Call) else None


def _in_list(steps: Sequence[Step], tokens: list[str]) -> Step:
    return _below(steps[int(tokens[0])], tokens[1:])


def _below(step: Step, tokens: list[str]) -> Step:
    if not tokens:
        return step
    first, rest = tokens[0], tokens[1:]
    if isinstance(step, Parallel) and first == "parallel":
        return _in_list(step.parallel, rest)
    if isinstance(step, Choose) and first == "choose":
        return _below(step.choose[int(rest[0])].step, rest[1:])
    if isinstance(step, Call) and first == "fallback":
        # A single step has no index of its own.
        return _below(step.fallback[0], rest) if len(step.fallback) == 1 else _in_list(step.fallback, rest)
    if isinstance(step, (Parallel, InOrder)) and first == "on_error":
        return _in_list(step.on_error, rest)
    if isinstance(step, InOrder):
        return _in_list(step.steps, tokens)
    raise ValueError(f"{type(step).__name__} has no {first}" if not isinstance(step, Pause) else "a delay has no steps")

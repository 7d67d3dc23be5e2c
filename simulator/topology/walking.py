"""Going through steps: each step, each call, and steps with their calls changed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from simulator.topology.places import Keys
from simulator.topology.steps import Alternative, Call, Choose, InOrder, Parallel, Pause, Step


def steps_within(step: Step) -> Iterator[tuple[Keys, Step]]:
    """Yield the steps directly within a step, also those after a failure, each with its place in it."""
    match step:
        case Parallel(parallel=inner, on_error=on_error):
            yield from _numbered(inner, "parallel")
            yield from _numbered(on_error, "on_error")
        case InOrder(steps=inner, on_error=on_error):
            yield from (
                (((index,), each) for index, each in enumerate(inner)) if step.is_plain else _numbered(inner, "steps")
            )
            yield from _numbered(on_error, "on_error")
        case Choose(choose=alternatives):
            yield from _numbered([alternative.step for alternative in alternatives], "choose")
        case Call(fallback=(only,)):
            yield ("fallback",), only
        case Call(fallback=fallback):
            yield from _numbered(fallback, "fallback")
        case Pause():
            return


def all_steps(steps: Sequence[Step], keys: Keys = ()) -> Iterator[tuple[Keys, Step]]:
    """Yield steps and all within them, each before those within it, with its place."""
    for index, step in enumerate(steps):
        place = (*keys, index)
        yield place, step
        yield from () if _is_alone(step) else _within(place, step)


def all_calls(steps: Sequence[Step], keys: Keys = ()) -> Iterator[tuple[Keys, Call]]:
    """Yield every call, including those in groups and fallbacks, with its place."""
    for place, step in all_steps(steps, keys):
        if isinstance(step, Call):
            yield place, step


def with_steps_changed(steps: Sequence[Step], change: Callable[[Step], Step]) -> tuple[Step, ...]:
    """Return the steps with each step replaced by `change(step)`, the steps within it first.

    What is not changed stays the same object.
    """
    changed = tuple(change(_with_inner_changed(step, change)) for step in steps)
    return steps if isinstance(steps, tuple) and all(map(operator.is_, changed, steps)) else changed


def with_calls_changed(steps: Sequence[Step], change: Callable[[Call], Call]) -> tuple[Step, ...]:
    """Return the steps with every call replaced by `change(call)`."""
    return with_steps_changed(steps, lambda step: change(step) if isinstance(step, Call) else step)


def _with_inner_changed(step: Step, change: Callable[[Step], Step]) -> Step:
    def changed(inner: Sequence[Step]) -> tuple[Step, ...]:
        return with_steps_changed(inner, change)

    match step:
        case Parallel(parallel=inner, on_error=on_error):
            inner_changed, after_errors = changed(inner), changed(on_error)
            is_same = inner_changed is inner and after_errors is on_error
            return step if is_same else replace(step, parallel=inner_changed, on_error=after_errors)
        case InOrder(steps=inner, on_error=on_error):
            inner_changed, after_errors = changed(inner), changed(on_error)
            is_same = inner_changed is inner and after_errors is on_error
            return step if is_same else replace(step, steps=inner_changed, on_error=after_errors)
        case Choose(choose=alternatives):
            return replace(step, choose=tuple(_changed(alternative, changed) for alternative in alternatives))
        case Call(fallback=fallback):
            return replace(step, fallback=changed(fallback)) if fallback else step
        case Pause():
            return step


def _changed(alternative: Alternative, changed: Callable[[Sequence[Step]], tuple[Step, ...]]) -> Alternative:
    return replace(alternative, step=changed([alternative.step])[0])


def _is_alone(step: Step) -> bool:
    """Return whether there is no step within a step, as in most."""
    return isinstance(step, Call) and not step.fallback


def _within(keys: Keys, step: Step) -> Iterator[tuple[Keys, Step]]:
    for inner_keys, inner in steps_within(step):
        place = (*keys, *inner_keys)
        yield place, inner
        yield from () if _is_alone(inner) else _within(place, inner)


def _numbered(steps: Sequence[Step], key: str) -> Iterator[tuple[Keys, Step]]:
    for index, step in enumerate(steps):
        yield (key, index), step

"""Steps as plain values, before they are read: every call in them changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_GROUPS = ("parallel", "steps", "on_error", "fallback")


def with_plain_calls(steps: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return plain steps with each call, as a mapping, replaced by `change(call)`; what can't be read is kept."""
    if isinstance(steps, list):
        return [with_plain_calls(step, change) for step in steps]
    if isinstance(steps, str):
        steps = {"to": steps}
    if not isinstance(steps, dict):
        return steps
    changed = dict(steps)
    for group in _GROUPS:
        if changed.get(group) is not None:
            changed[group] = with_plain_calls(changed[group], change)
    if "choose" in changed:
        changed["choose"] = [with_plain_calls(step, change) for step in alternatives(changed["choose"])]
    return change(changed) if "to" in changed else changed


def alternatives(choice: Any) -> list[Any]:
    """Return the list that `{stable: 90%, canary: 10%}` stands for, and a list as it is."""
    if isinstance(choice, dict):
        return [{"to": name, "weight": weight} for name, weight in choice.items()]
    return choice if isinstance(choice, list) else [choice]


def with_call_keys(calls: Any, change: Mapping[str, Any], to: str | None = None) -> Any:
    """Return plain `calls` with some keys of each call changed, or of those to `to`; None removes a key.

    `to` is a stage, for the calls to each of its operations, or one of them, as in cart.read.
    """

    def changed(call: dict[str, Any]) -> dict[str, Any]:
        if to is not None and not is_to(call["to"], to):
            return call
        return {key: value for key, value in {**call, **change}.items() if value is not None}

    return with_plain_calls(calls, changed)


def is_to(target: Any, name: str) -> bool:
    """Return whether the target of a call is a stage, one of its operations, or the operation that is named."""
    return target == name or (isinstance(target, str) and target.rpartition(".")[0] == name)


def targets_in(steps: Any) -> list[str]:
    """Return what plain steps call, each once, including what is in groups and fallbacks."""
    found: dict[str, None] = {}

    def seen(call: dict[str, Any]) -> dict[str, Any]:
        found[str(call["to"])] = None
        return call

    with_plain_calls(steps, seen)
    return list(found)

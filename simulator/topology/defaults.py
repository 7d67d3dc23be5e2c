"""`defaults:` of a topology: keys that each stage, and each call, has unless it says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.behaviour.distributions import ReadSamples
from simulator.nearest import did_you_mean
from simulator.quoting import listed, quoted
from simulator.topology.model import Method, Role, Stage
from simulator.topology.places import Keys
from simulator.topology.plain_steps import with_plain_calls
from simulator.topology.steps import Call
from simulator.topology.structure import structure

Change = Callable[[dict[str, Any]], dict[str, Any]]
_WITHOUT_BODY = frozenset(method for method in Method if not method.has_body)
_KINDS = ("stages", "calls")
# What a stage can't share with another.
_OWN = ("calls", "input", "operations", "output", "port", "role", "url")
# What only stages that are called can have.
_OF_THE_CALLED = (
    "answer",
    *("forward", "instances", "kind", "method", "most_instances", "namespace", "path"),
    *("response_bytes", "server_span", "slo", "system"),
)
# What only stages with some roles can have.
_OF_ROLES = {
    "load": (Role.INJECTOR,),
    "on_bad_line": (Role.INJECTOR,),
    **dict.fromkeys(_OF_THE_CALLED, (Role.PROCESSOR, Role.TERMINATOR)),
}


def with_defaults(value: dict[str, Any], read_samples: ReadSamples) -> tuple[dict[str, Any], list[tuple[Keys, str]]]:
    """Return a plain topology with its defaults in its stages and calls, and what is wrong with the defaults."""
    defaults, stages = value.get("defaults"), value.get("stages")
    rest = {key: inner for key, inner in value.items() if key != "defaults"}
    if defaults is None:
        return rest, []
    if not isinstance(defaults, dict) or not all(isinstance(inner, dict) for inner in defaults.values()):
        return rest, [(("defaults",), f"must be mappings under {' and '.join(_KINDS)}, not {quoted(defaults)}")]
    problems: list[tuple[Keys, str]] = [
        (("defaults", key), _unknown_kind(key)) for key in defaults if key not in _KINDS
    ]
    of_stages, of_calls = defaults.get("stages", {}), defaults.get("calls", {})
    problems += _stage_problems(of_stages, stages, read_samples) + _call_problems(of_calls)
    wrong = {(keys[1], keys[2]) for keys, _ in problems if len(keys) > 2}
    of_stages = {key: inner for key, inner in of_stages.items() if ("stages", key) not in wrong}
    of_calls = {key: inner for key, inner in of_calls.items() if ("calls", key) not in wrong}
    if isinstance(stages, dict):
        whole = {name: _with_keys(stage, of_stages) for name, stage in stages.items()}
        change = _default_keys(of_calls, whole)
        rest["stages"] = {name: _with_calls(stage, change) for name, stage in whole.items()} if of_calls else whole
    return rest, problems


def _unknown_kind(key: Any) -> str:
    hint = did_you_mean(key, _KINDS)
    return f"there are defaults for {' and '.join(_KINDS)} only{hint and f'; {hint}'}"


def _with_keys(stage: Any, of_stages: dict[str, Any]) -> Any:
    if not isinstance(stage, dict | None):
        return stage
    given = stage or {}
    role = str(given.get("role", Role.PROCESSOR))
    return {key: inner for key, inner in of_stages.items() if _can_have(role, key)} | given


def _default_keys(of_calls: dict[str, Any], stages: dict[str, Any]) -> Change:
    """Return the function that adds to a call of one of these stages the defaults that it can have."""
    without_body = {key: inner for key, inner in of_calls.items() if key != "request_bytes"}
    return lambda call: {**(of_calls if _takes_body(call.get("to"), stages) else without_body), **call}


def _takes_body(target: Any, stages: dict[str, Any]) -> bool:
    """Return whether what a call names takes a body, as far as it can be read."""
    name = str(target)
    stage, operation = (name, "") if name in stages else name.rpartition(".")[::2]
    service = stages.get(stage)
    operations = service.get("operations") if isinstance(service, dict) else None
    made: Any = None
    if isinstance(operations, dict) and operations:
        made = operations.get(operation) if operation or len(operations) > 1 else next(iter(operations.values()))
    methods = [of["method"] for of in (made, service) if isinstance(of, dict) and "method" in of]
    return not methods or str(methods[0]) not in _WITHOUT_BODY


def _with_calls(stage: Any, change: Change) -> Any:
    if not isinstance(stage, dict):
        return stage
    changed = dict(stage)
    if "calls" in changed:
        changed["calls"] = with_plain_calls(changed["calls"], change)
    load = changed.get("load")
    if isinstance(load, dict) and "session" in load:
        changed["load"] = {**load, "session": with_plain_calls(load["session"], change)}
    operations = changed.get("operations")
    if isinstance(operations, dict):
        changed["operations"] = {name: _with_calls(operation, change) for name, operation in operations.items()}
    return changed


def _can_have(role: str, key: str) -> bool:
    return role in _OF_ROLES.get(key, tuple(Role))


def _stage_problems(defaults: dict[str, Any], stages: Any, read_samples: ReadSamples) -> list[tuple[Keys, str]]:
    problems: list[tuple[Keys, str]] = [
        (("defaults", "stages", key), f"each stage has its own; the keys {listed(_OWN)} have no defaults")
        for key in defaults
        if key in _OWN
    ]
    shared = {key: inner for key, inner in defaults.items() if key not in _OWN}
    problems += [
        (("defaults", "stages", *keys), message) for keys, message in structure(shared, Stage, read_samples)[1]
    ]
    roles = {str((stage or {}).get("role", Role.PROCESSOR)) for stage in _mappings(stages)}
    for key in shared:
        if not any(_can_have(role, key) for role in roles):
            problems.append((("defaults", "stages", key), "no stage here can have this"))
    return problems


def _call_problems(defaults: dict[str, Any]) -> list[tuple[Keys, str]]:
    problems: list[tuple[Keys, str]] = []
    if "to" in defaults:
        problems.append((("defaults", "calls", "to"), "each call has its own"))
    found = structure({**defaults, "to": "any"}, Call)[1]
    return [*problems, *((("defaults", "calls", *keys), message) for keys, message in found)]


def _mappings(stages: Any) -> list[Any]:
    found = stages.values() if isinstance(stages, dict) else ()
    return [stage for stage in found if isinstance(stage, dict | None)]

"""`defaults:` of a topology: keys that each stage, and each call, has unless it says otherwise."""

from __future__ import annotations

from typing import Any

from simulator.behaviour.distributions import ReadSamples
from simulator.quoting import listed, quoted
from simulator.topology.document import Keys
from simulator.topology.model import Role, Stage
from simulator.topology.plain_steps import with_plain_calls
from simulator.topology.steps import Call
from simulator.topology.structure import structure

_KINDS = ("stages", "calls")
# What a stage can't share with another.
_OWN = ("calls", "input", "operations", "output", "port", "role", "url")
# What only stages that are called can have.
_OF_THE_CALLED = ("forward", "kind", "method", "namespace", "path", "response_bytes", "server_span", "slo", "system")
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
        (("defaults", key), f"there are defaults for {' and '.join(_KINDS)} only")
        for key in defaults
        if key not in _KINDS
    ]
    of_stages, of_calls = defaults.get("stages", {}), defaults.get("calls", {})
    problems += _stage_problems(of_stages, stages, read_samples) + _call_problems(of_calls)
    wrong = {(keys[1], keys[2]) for keys, _ in problems if len(keys) > 2}
    of_stages = {key: inner for key, inner in of_stages.items() if ("stages", key) not in wrong}
    of_calls = {key: inner for key, inner in of_calls.items() if ("calls", key) not in wrong}
    if isinstance(stages, dict):
        rest["stages"] = {name: _stage(stage, of_stages, of_calls) for name, stage in stages.items()}
    return rest, problems


def _stage(stage: Any, of_stages: dict[str, Any], of_calls: dict[str, Any]) -> Any:
    if not isinstance(stage, dict | None):
        return stage
    given = stage or {}
    role = str(given.get("role", Role.PROCESSOR))
    whole = {key: inner for key, inner in of_stages.items() if _can_have(role, key)} | given
    return whole if not of_calls else _with_calls(whole, of_calls)


def _with_calls(stage: dict[str, Any], of_calls: dict[str, Any]) -> dict[str, Any]:
    changed = dict(stage)
    if "calls" in changed:
        changed["calls"] = with_plain_calls(changed["calls"], lambda call: {**of_calls, **call})
    operations = changed.get("operations")
    if isinstance(operations, dict):
        changed["operations"] = {
            name: _with_calls(operation, of_calls) if isinstance(operation, dict) else operation
            for name, operation in operations.items()
        }
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
    if "to" in defaults:
        return [(("defaults", "calls", "to"), "each call has its own")]
    return [(("defaults", "calls", *keys), message) for keys, message in structure({"to": "any", **defaults}, Call)[1]]


def _mappings(stages: Any) -> list[Any]:
    found = stages.values() if isinstance(stages, dict) else ()
    return [stage for stage in found if isinstance(stage, dict | None)]

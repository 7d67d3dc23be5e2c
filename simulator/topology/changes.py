"""Changes of a stage, its operations and calls: their one notation, how they are applied, and what they did.

A patch has the keys to change as a file has them, {"delay": "5ms", "operations": {"read": {"workers": None}}}; None
resets a key: of an operation to what its stage says. Mappings within are merged. `calls` may have the keys to change of
every call to a stage or operation, by its name or "*" for all: {"calls": {"audit": {"timeout": "1s"}}}.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from simulator.behaviour.delays import no_samples
from simulator.behaviour.distributions import ReadSamples
from simulator.errors import ConfigurationError, Problem
from simulator.nearest import unknown_name
from simulator.quoting import listed
from simulator.topology.catalogue import PLACES, Key, keys_of
from simulator.topology.known_files import knowing_files
from simulator.topology.model import Operation, Stage
from simulator.topology.places import Keys
from simulator.topology.plain_steps import is_to, targets_in, with_call_keys
from simulator.topology.structure import structure, unstructure
from simulator.units import whole_number_in

EVERY = "*"
_RULE = "must be KEY=VALUE, as in delay='constant(1s)' or calls.audit.timeout=1s"
OPERATIONS = "operations"
_CALLS = "calls"
_LOAD = "load"
# A new value of one takes the place of the others.
_PACES = ("rate", "profile")
_INHERITED = (_CALLS, "slo")
# The parts of faults that are separated by semicolons; one in quotes separates nothing.
_PART = re.compile(r'(?:"[^"]*"|[^;"]|")+')
_Record = TypeVar("_Record", bound=Operation)
Patch = dict[str, Any]
Problems = list[tuple[Keys, str]]
Difference = tuple[str, Any, Any]  # a key, and its value before and after


def read_change(text: str, rule: str = _RULE) -> tuple[tuple[str, ...], Any]:
    """Return the keys and the plain value in `delay=5ms`, `read.delay=5ms` or `calls.audit.timeout=1s`.

    An empty value is None. Raise ValueError with the `rule` if the text is not a change.
    """
    place, separator, value = text.partition("=")
    keys = _keys_in(place)
    if not separator or not keys:
        raise ValueError(rule)
    return keys, read_value(keys[-1], value)


def read_value(key: str, text: str) -> Any:
    """Return the plain value of what was typed for a key; None for nothing, which is the key's default.

    Faults are separated by semicolons; lists and mappings are written as in a file, [a, b] and {a: 1}.
    Raise ValueError if such a one can't be read.
    """
    text = text.strip()
    if not text:
        return None
    if text[0] in "[{" and not _is_text(key):
        return _read_yaml(text)
    if key == "faults":
        return [part.strip() for part in _PART.findall(text) if part.strip()]
    return text if _is_text(key) else whole_number_in(text)


def typed_value(value: Any) -> str:
    """Return a plain value as it is typed: what `read_value` reads."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "; ".join(value)
    return value if isinstance(value, str) else str(value)


def patch_of(changes: Iterable[str]) -> Patch:
    """Return the patch of changes that are written as `read_change` says. Raise ConfigurationError for what is none."""
    patch: Patch = {}
    problems = []
    for text in changes:
        try:
            put(patch, *read_change(text))
        except ValueError as error:
            problems.append(Problem(f"{text!r} {error}"))
    if problems:
        raise ConfigurationError(problems)
    return patch


def put(patch: Patch, keys: Sequence[str], value: Any) -> None:
    """Put a value into a patch. Raise ValueError if it contradicts another change in it."""
    target = patch
    for key in keys[:-1]:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            raise ValueError("contradicts another change")
    if isinstance(target.get(keys[-1]), dict):
        raise ValueError("contradicts another change")
    target[keys[-1]] = value


def changed(
    stage: Stage, patch: Mapping[str, Any], read_samples: ReadSamples = no_samples
) -> tuple[Stage | None, Problems]:
    """Return the stage with a patch, or None, and what is wrong with it at which keys.

    An operation whose value of a key is the stage's follows it. What does not change is kept as it is: no file is read
    for it.
    """
    # The profile of a load may come from a file.
    present = unstructure(stage)
    if "load" not in patch:
        present.pop("load", None)
    plain, problems = applied(present, patch)
    new, found = structure(plain, Stage, knowing_files(stage, read_samples))
    if new is None or problems:
        return None, [*problems, *found]
    new = _with_kept(new if "load" in patch else replace(new, load=stage.load), stage)
    pairs = {name: (operation, stage.operations[name]) for name, operation in new.operations.items()}
    return replace(new, operations={name: _with_kept(*pair) for name, pair in pairs.items()}), []


def applied(plain: Mapping[str, Any], patch: Mapping[str, Any]) -> tuple[dict[str, Any], Problems]:
    """Return a plain stage with a patch, and what can't be applied."""
    problems: Problems = []
    merged = dict(plain)
    for key, value in patch.items():
        if key == OPERATIONS and isinstance(value, Mapping):
            merged = _with_operations(merged, value, problems)
        elif key == _CALLS and isinstance(value, Mapping):
            merged = _with_calls(merged, value, problems)
        elif key == _LOAD and isinstance(value, Mapping):
            _merge(merged, key, _displacing(value))
        else:
            _merge(merged, key, value)
    return merged, problems


def differing(before: Mapping[str, Any], after: Mapping[str, Any], absent: Any = None) -> Iterator[Difference]:
    """Yield each key whose value differs, as in `load.rate` or `read.delay`; `absent` stands for no value."""
    yield from _differing(before, after, absent, "")


def _differing(before: Mapping[str, Any], after: Mapping[str, Any], absent: Any, prefix: str) -> Iterator[Difference]:
    for key in dict.fromkeys((*before, *after)):
        old, new = before.get(key, absent), after.get(key, absent)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            # `read.delay` is how a key of an operation is written in a change.
            yield from _differing(old, new, absent, prefix if key == OPERATIONS else f"{prefix}{key}.")
        elif old != new and _are_like_steps(old, new):
            for index, pair in enumerate(zip(old, new, strict=True)):
                yield from _differing_steps(*pair, absent, f"{prefix}{key}[{index}]")
        elif old != new:
            yield f"{prefix}{key}", old, new


def _are_like_steps(old: Any, new: Any) -> bool:
    """Return whether these are lists of as many steps, of which at least one is more than a name."""
    if not isinstance(old, list) or not isinstance(new, list) or len(old) != len(new):
        return False
    return any(isinstance(step, Mapping | list) for step in (*old, *new))


def _differing_steps(old: Any, new: Any, absent: Any, place: str) -> Iterator[Difference]:
    old, new = ({"to": step} if isinstance(step, str) else step for step in (old, new))
    if _are_like_steps(old, new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from _differing_steps(*pair, absent, f"{place}[{index}]")
    elif isinstance(old, Mapping) and isinstance(new, Mapping) and old.get("to") == new.get("to"):
        yield from _differing(old, new, absent, f"{place}.")
    elif old != new:
        yield place, old, new


def _keys_in(place: str) -> tuple[str, ...]:
    """Return the keys in the place of a change; () if it is none. The name of a called stage may have dots."""
    keys = [key.strip() for key in place.split(".")]
    if not all(keys):
        return ()
    known = keys_of(Stage)
    if keys[0] == OPERATIONS and len(keys) > 2:
        prefix, rest = keys[:2], keys[2:]
    elif len(keys) > 1 and keys[0] not in known:
        prefix, rest = [OPERATIONS, keys[0]], keys[1:]
    else:
        prefix, rest = [], keys
    first = rest[0] if len(rest) > 1 else _with_underscores(rest[0])
    within = _keys_within(known.get(first), rest[1:])
    return () if within is None else (*prefix, first, *within)


def _keys_within(key: Key | None, rest: Sequence[str]) -> tuple[str, ...] | None:
    """Return the keys of a place within a key's value; None if there are none such."""
    if not rest:
        return ()
    if key is None:
        return None
    if key.name == _CALLS:
        return (".".join(rest[:-1]), _with_underscores(rest[-1])) if len(rest) > 1 else None
    if key.is_open:
        return (".".join(rest),)
    return (_with_underscores(rest[0]),) if key.inner and len(rest) == 1 else None


def _with_underscores(key: str) -> str:
    return key.replace("-", "_")


def _is_text(name: str) -> bool:
    found = (keys_of(record).get(name) for record in PLACES.values())
    return any(key is not None and key.is_text for key in found)


def _read_yaml(text: str) -> Any:
    from simulator.topology.document import parse_document  # noqa: PLC0415 - few stages read YAML, which takes memory

    try:
        return parse_document(text, "").value
    except ConfigurationError as error:
        raise ValueError("; ".join(problem.message for problem in error.problems)) from None


def _merge(merged: dict[str, Any], key: str, value: Any) -> None:
    """Set a key, or merge a mapping into the present one; None removes."""
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, Mapping):
        present = merged.get(key)
        whole = {**(present if isinstance(present, Mapping) else {}), **value}
        merged[key] = {inner: one for inner, one in whole.items() if one is not None}
    else:
        merged[key] = value


def _displacing(load: Mapping[str, Any]) -> dict[str, Any]:
    """Return the change of a load in which a new rate or profile takes the place of what paced it before."""
    if not any(load.get(key) is not None for key in _PACES):
        return dict(load)
    return {**dict.fromkeys(_PACES), **load}


def _with_operations(plain: dict[str, Any], patch: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    operations = dict(plain.get(OPERATIONS) or {})
    for name, change in patch.items():
        keys: Keys = (OPERATIONS, name)
        if name not in operations:
            problems.append((keys, _unknown_operation(name, operations)))
        elif not isinstance(change, Mapping):
            problems.append((keys, "must be a mapping of keys to values"))
        else:
            # A change within a value that is the stage's makes it the operation's own.
            inherited = {key: plain[key] for key in _INHERITED if isinstance(change.get(key), Mapping) and key in plain}
            operations[name], found = applied({**inherited, **(operations[name] or {})}, change)
            problems += [((*keys, *inner), message) for inner, message in found]
    return {**plain, OPERATIONS: operations} if operations else plain


def _unknown_operation(name: Any, operations: Mapping[str, Any]) -> str:
    if not operations:
        return f"there is no operation {name!r}: the stage has no operations"
    return unknown_name(f"there is no operation {name!r}", str(name), operations)


def _with_calls(plain: dict[str, Any], patch: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """Return a stage or operation with keys of calls changed: its own, and those of its operations."""
    parts = [plain, *(part for part in (plain.get(OPERATIONS) or {}).values() if isinstance(part, Mapping))]
    known = list(dict.fromkeys(target for part in parts for target in targets_in(part.get(_CALLS))))
    changes = {}
    for name, change in patch.items():
        if name != EVERY and not any(is_to(target, name) for target in known):
            there = f"there is no call to it, only to {listed(sorted(known))}" if known else "there are no calls"
            problems.append(((_CALLS, name), there))
        elif not isinstance(change, Mapping):
            problems.append(((_CALLS, name), "must be a mapping of keys to values"))
        else:
            changes[name] = change
    own = _with_call_changes(plain, changes)
    if isinstance(own.get(OPERATIONS), Mapping):
        own[OPERATIONS] = {
            name: _with_call_changes(part, changes) if isinstance(part, Mapping) else part
            for name, part in own[OPERATIONS].items()
        }
    return own


def _with_call_changes(part: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    new = dict(part)
    for name, change in changes.items():
        if new.get(_CALLS) is not None:
            new[_CALLS] = with_call_keys(new[_CALLS], change, None if name == EVERY else name)
    return new


def _with_kept(new: _Record, old: _Record) -> _Record:
    """Return a record with the old values where they are equal."""
    values = {field.name: getattr(old, field.name) for field in fields(new) if field.name != OPERATIONS}
    return replace(new, **{name: value for name, value in values.items() if getattr(new, name) == value})

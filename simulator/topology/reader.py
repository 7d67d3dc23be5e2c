"""A topology file to a Topology, and back; all its mistakes are reported together, each with its line."""

from __future__ import annotations

import contextlib
import gc
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from simulator.behaviour.distributions import ReadSamples
from simulator.errors import ConfigurationError
from simulator.quoting import quoted
from simulator.topology.decisions import decision_problems, log_problems
from simulator.topology.defaults import with_defaults
from simulator.topology.document import parse_document
from simulator.topology.labels import label_problems
from simulator.topology.model import Stage, Topology
from simulator.topology.names import MAX_CHARACTERS, check_name
from simulator.topology.places import Keys
from simulator.topology.plain_steps import alternatives
from simulator.topology.samples import samples_beside
from simulator.topology.scalars import CoreDumper
from simulator.topology.sessions import SESSION, as_written
from simulator.topology.sizes import size_problems
from simulator.topology.slips import no_stages
from simulator.topology.steps import Call
from simulator.topology.structure import structure, unstructure
from simulator.topology.targets import operation_names, resolved
from simulator.topology.text_files import read_text
from simulator.topology.thresholds import threshold_problems
from simulator.topology.wiring import wiring_problems

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")
VERSION = 1
_ANY_NAME = "topology"
# Stands in for the target of a call that can't be read.
_UNREADABLE = "unreadable-target-of-a-call"


def read_topology(path: Path) -> Topology:
    """Return the topology in a file. Raise ConfigurationError with every mistake in it."""
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError.of(f"can't be read: {reason}", str(path)) from None
    with _no_garbage_collection():
        return parse_topology(text, str(path), samples_beside(path.parent), path.stem)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector. Reading makes values and no cycles: of 5,000 stages it would take half the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def parse_topology(text: str, source: str, read_samples: ReadSamples, default_name: str) -> Topology:
    """Return the topology in a YAML text; errors name `source`, and `default_name` replaces a missing name."""
    document = parse_document(text, source)
    if not isinstance(document.value, dict):
        raise ConfigurationError.of("must be a mapping with the key `stages`", source)
    whole, default_problems = with_defaults(document.value, read_samples)
    stages, wiring, found = _read_stages(whole.get("stages"), read_samples)
    raw: dict[str, Any] = {"name": _name_from(default_name), **whole}
    version = raw.pop("version", VERSION)
    if problems_of_version := list(_version_problems(version)):
        # What else can't be read may be right in that version.
        raise ConfigurationError(document.problem(message, keys) for keys, message in problems_of_version)
    topology, top_problems = structure({**raw, "stages": {}}, Topology)
    problems = [*default_problems, *found, *top_problems]
    names = document.value.get("stages")
    wrong_wiring = wiring_problems(wiring, frozenset(names if isinstance(names, dict) else ()))
    unknown_routes = {keys[:2] for keys, _ in found if keys[-1] in ("method", "path")}
    problems += [
        (keys, message)
        for keys, message in wrong_wiring
        if _UNREADABLE not in message and not (keys[-1] == "path" and keys[:2] in unknown_routes)
    ]
    if not problems:
        problems += [*decision_problems(stages), *log_problems(stages), *label_problems(stages)]
    problems += size_problems(stages)
    if topology is not None and topology.thresholds and isinstance(names, dict):
        readable = operation_names({name: wiring[name] for name in names if name in wiring})
        problems += threshold_problems(topology.thresholds, {name: readable.get(name) for name in names})
    if problems or topology is None:
        raise ConfigurationError(document.problem(message, as_written(keys, wiring)) for keys, message in problems)
    return replace(topology, stages=stages)


def _name_from(text: str) -> str:
    """Return a topology's name from its file's: `2nd` becomes topology-2nd, `My_Shop` my-shop, Japanese topology."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = _NOT_IN_A_NAME.sub("-", letters).strip("-")
    if not name[:1].isalpha():
        name = f"{_ANY_NAME}-{name}"
    return name[:MAX_CHARACTERS].strip("-")


def _version_problems(version: Any) -> Iterator[tuple[Keys, str]]:
    if version != VERSION or isinstance(version, bool):
        hint = "leave out the quotes" if version == str(VERSION) else "a newer one may read it"
        yield ("version",), f"this program reads version {VERSION}, not {quoted(version)}: {hint}"


def _read_stages(
    raw: Any, read_samples: ReadSamples
) -> tuple[dict[str, Stage], dict[str, Stage], list[tuple[Keys, str]]]:
    """Return the stages, the readable part of their wiring (also of stages with mistakes), and the mistakes."""
    if not isinstance(raw, dict) or not raw:
        return {}, {}, [(("stages",), no_stages(raw))]
    stages: dict[str, Stage] = {}
    wiring: dict[str, Stage] = {}
    problems: list[tuple[Keys, str]] = []
    wrong_names = {name: reason for name in raw if (reason := _mistake_in(name))}
    for name, value in raw.items():
        keys: Keys = ("stages", name)
        stage, found = structure(value, Stage, read_samples)
        # A wrong name is one mistake, however many stages call it.
        problems += [((*keys, *inner), text) for inner, text in found if text not in wrong_names.values()]
        problems += [(keys, wrong_names[name])] if name in wrong_names else []
        if stage is not None:
            stages[name] = stage
        wired = stage or _wiring_of(value, found, read_samples)
        if wired is not None:
            wiring[name] = wired
    known = operation_names(wiring) | {name: ("",) for name in raw if name not in wiring}
    wiring = {name: resolved(stage, known) for name, stage in wiring.items()}
    return {name: wiring[name] for name in stages}, wiring, problems


def _wiring_of(value: Any, found: list[tuple[Keys, str]], read_samples: ReadSamples) -> Stage | None:
    """Return the readable part of a stage that has mistakes: all but the wrong keys, or calls."""
    if not isinstance(value, dict) or any(keys[-1:] == ("calls",) or keys[:2] == SESSION for keys, _ in found):
        return None  # who is called is not known
    kept = _without_mistakes(value, [keys for keys, _ in found])
    operations = kept.get("operations")
    if isinstance(operations, dict):
        kept["operations"] = {
            name: _without_mistakes(operation, [keys[2:] for keys, _ in found if keys[:2] == ("operations", name)])
            for name, operation in operations.items()
            if isinstance(operation, dict | None)
        }
    return structure(kept, Stage, read_samples)[0]


def _without_mistakes(value: dict[str, Any] | None, found: list[Keys]) -> dict[str, Any]:
    """Return the mapping of a stage or operation without what is wrong in it; `operations` are left as they are."""
    given = value or {}
    wrong_calls = {keys[1] for keys in found if keys[:1] == ("calls",) and len(keys) > 1}
    wrong = {keys[0] for keys in found if keys and not (keys[0] == "calls" and wrong_calls)} - {"operations"}
    wrong |= {"system", "namespace"} if "kind" in wrong else set()  # which kinds can have these is not a second mistake
    kept = {key: inner for key, inner in given.items() if key not in wrong}
    if wrong_calls and isinstance(kept.get("calls"), list):
        # A call with a mistake in another key still has its target.
        kept["calls"] = [_targets(step) if index in wrong_calls else step for index, step in enumerate(given["calls"])]
    return kept


def _targets(step: Any) -> Any:
    """Return a step reduced to the stages that it names, each at its place."""
    if isinstance(step, list):
        return [_targets(inner) for inner in step]
    if not isinstance(step, dict):
        return _readable(step)
    if "choose" in step:
        choice = step["choose"]
        return {"choose": [_alternative(one) for one in alternatives(choice)]} if choice else _readable(None)
    for group in ("parallel", "steps"):
        if isinstance(step.get(group), list):
            return {key: _targets(step[key]) for key in (group, "on_error") if isinstance(step.get(key), list)}
    if "delay" in step and "to" not in step:
        return {"delay": "constant(0s)"}
    target = {"to": _readable(step.get("to"))}
    return target | ({"fallback": _targets(step["fallback"])} if step.get("fallback") else {})


def _alternative(step: Any) -> Any:
    target = _targets(step)
    return {"steps": target} if isinstance(target, list) else target


def _readable(target: Any) -> str:
    return target if structure({"to": target}, Call)[0] is not None else _UNREADABLE


def _mistake_in(name: Any) -> str:
    """Return what is wrong with a name; "" if nothing is."""
    try:
        check_name(name)
    except ValueError as error:
        return str(error)
    return ""


def write_topology(topology: Topology) -> str:
    """Return a topology as YAML text that reads back as the same topology."""
    return str(yaml.dump({"version": VERSION, **unstructure(topology)}, Dumper=CoreDumper, sort_keys=False, width=120))

"""The JSON Schema of a topology file, made from the catalogue: editors complete, explain and check by it.

Whatever it refuses `reader` refuses; of what it allows `reader` says more: units, notations and wiring are its own.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from simulator.behaviour.arrivals import ARRIVALS, Arrivals
from simulator.behaviour.delays import DELAYS
from simulator.behaviour.distributions import Delay
from simulator.behaviour.faults.base import Fault
from simulator.behaviour.faults.registry import FAULTS
from simulator.behaviour.keep_rules import KeepRule
from simulator.behaviour.payloads import Size
from simulator.behaviour.profiles.base import Profile
from simulator.behaviour.profiles.registry import PROFILES
from simulator.behaviour.thresholds import Threshold
from simulator.behaviour.times import Times
from simulator.behaviour.values import Rule
from simulator.errors import ConfigurationError
from simulator.topology import quantities
from simulator.topology.catalogue import Key, keys_of
from simulator.topology.document import parse_document
from simulator.topology.expectation import Expectation
from simulator.topology.headers import Headers
from simulator.topology.load import Load
from simulator.topology.model import LogLine, Operation, Stage, Topology
from simulator.topology.objectives import Slo
from simulator.topology.reader import VERSION
from simulator.topology.steps import Alternative, Call, Choose, InOrder, Parallel, Pause, Step

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
_NAME = {"type": "string", "pattern": r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", "maxLength": 63}
_ZERO = {"type": "number", "minimum": 0, "maximum": 0}
_WITH_UNIT: Schema = {"anyOf": [{"type": "string"}, _ZERO]}
_ANY_NUMBER: Schema = {"type": ["string", "number"]}
_WEIGHT: Schema = {"description": "How often it is chosen, in proportion to the others.", **_ANY_NUMBER}
_KEEP = "^(errors|slower than .+)$"
_STEPS: Schema = {"type": "array", "items": {"$ref": "#/$defs/step"}}
_STEP_RECORDS = {"call": Call, "pause": Pause, "parallel": Parallel, "steps": InOrder, "choose": Choose}
# The key without which it would be another step.
_REQUIRED = {Call: "to", Pause: "delay", Parallel: "parallel", InOrder: "steps", Choose: "choose"}


def topology_schema(version: int = VERSION) -> Schema:
    """Return the schema of a version of the file. Raise ConfigurationError for one that this program does not know."""
    if version != VERSION:
        message = f"this program knows version {VERSION} of a topology file, not {version}: a newer one may know it"
        raise ConfigurationError.of(message, "flag --version")
    names = {"propertyNames": _NAME}
    top = _properties(Topology)
    top["version"] = {"const": VERSION, "description": "The version of the notation."}
    top["defaults"] = _or_null(
        _mapping(
            {
                "stages": {"$ref": "#/$defs/stage", "description": "Keys that each stage has, unless it has its own."},
                "calls": {
                    **_mapping(_properties(Call)),
                    "description": "Keys that each call has, unless it has its own.",
                },
            }
        )
    )
    top["stages"] = {
        "description": "The stages, by name.",
        "type": "object",
        **names,
        "minProperties": 1,
        "additionalProperties": _or_null({"$ref": "#/$defs/stage"}),
    }
    return {
        "$schema": DRAFT,
        "title": "A topology: services, what they do, and their calls",
        **_mapping(top, required=("stages",)),
        "patternProperties": {"^x-": True},
        "$defs": {
            "stage": _mapping(_properties(Stage)),
            "operation": _mapping(_properties(Operation)),
            "load": _mapping(_properties(Load)),
            "slo": _mapping(_properties(Slo)),
            "expectation": _mapping(_properties(Expectation)),
            "logline": {"anyOf": [{"type": "string"}, _mapping(_properties(LogLine), required=("message",))]},
            "step": {"anyOf": [_target(), _STEPS, *({"$ref": f"#/$defs/{name}"} for name in _STEP_RECORDS)]},
            **{name: _step(record) for name, record in _STEP_RECORDS.items()},
            "alternative": {"anyOf": [_target(), _STEPS, *map(_weighted, _STEP_RECORDS.values())]},
        },
    }


def schema_text(version: int = VERSION) -> str:
    """Return the schema as a file has it. Raise as `topology_schema`."""
    return json.dumps(topology_schema(version), indent=2) + "\n"


def _step(record: type[Any]) -> Schema:
    return _mapping(_properties(record), required=(_REQUIRED[record],))


def _weighted(record: type[Any]) -> Schema:
    return _mapping({**_properties(record), "weight": _WEIGHT}, required=(_REQUIRED[record],))


def _mapping(properties: Mapping[str, Any], required: Sequence[str] = ()) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def _properties(record: type[Any]) -> Schema:
    kinds = typing.get_type_hints(record)
    return {name: _property(key, kinds[key.field]) for name, key in keys_of(record).items()}


def _property(key: Key, kind: Any) -> Schema:
    schema = _one_or_more() if key.name == "fallback" else _of_type(key)
    if type(None) in typing.get_args(kind) or key.name in ("fallback", "operations"):
        schema = _or_null(schema)
    example = parse_document(key.about.example, "").value
    return {"description": key.about.sentence, "examples": [example], **schema}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]} if schema else {}


def _one_or_more() -> Schema:
    return {"anyOf": [{"$ref": "#/$defs/step"}, _STEPS]}


def _target() -> Schema:
    return {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]*$"}


def _of_type(key: Key) -> Schema:
    """Return the schema of a key's values; of a type that is not known here any value is good."""
    kind = key.type
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [str(member) for member in kind]}
    if key.name == "to":
        return _target()
    if key.name == "instances":
        return {"anyOf": [_whole(kind), {"type": "string", "pattern": r"^[0-9]+\.\.[0-9]+$"}]}
    if kind in quantities.WHOLE_NUMBERS:
        return _whole(kind)
    if key.inner:
        return {"$ref": f"#/$defs/{kind.__name__.lower()}"}
    return next((schema for of, schema in _TYPES if of == kind), {})


def _whole(kind: Any) -> Schema:
    low, high = quantities.WHOLE_NUMBERS[kind]
    return {"type": "integer", "minimum": low, "maximum": high}


def _notation(names: Sequence[str], otherwise: str = "") -> str:
    """Return the pattern of `name(...)` with one of some names, or of what begins otherwise."""
    known = "|".join(map(re.escape, names))
    return rf"^\s*((?:{known})\s*\({otherwise})"


_DELAY: Schema = {"anyOf": [{"type": "string", "pattern": _notation([*DELAYS, "growing"], "|[0-9.]")}, _ZERO]}
_FAULT: Schema = {"type": "string", "pattern": _notation([*FAULTS])}
_PROFILE: Schema = {"type": "string", "pattern": _notation([*PROFILES])}
_ARRIVALS: Schema = {"type": "string", "pattern": rf"^\s*({'|'.join(ARRIVALS)})\b"}
_LOG_LINE: Schema = {"$ref": "#/$defs/logline"}
_TRUE_OR_FALSE = "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"
_TYPES: tuple[tuple[Any, Schema], ...] = (
    (str, {"type": "string", "minLength": 1}),
    (
        bool,
        {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": _TRUE_OR_FALSE}]},
    ),
    (quantities.Text, {"type": "string", "minLength": 1}),
    (quantities.Url, {"type": "string", "minLength": 1}),
    (quantities.Path, {"type": "string", "pattern": "^/"}),
    (quantities.Host, {"type": "string", "minLength": 1}),
    (quantities.Name, _NAME),
    (quantities.Ratio, {"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0, "maximum": 1}]}),
    (quantities.Seconds, _WITH_UNIT),
    (quantities.PositiveSeconds, {"type": "string"}),
    (quantities.PerSecond, _WITH_UNIT),
    (quantities.Bytes, _ANY_NUMBER),
    (Size, _ANY_NUMBER),
    (Delay, _DELAY),
    (tuple[Fault, ...], {"type": "array", "items": _FAULT}),
    (tuple[Threshold, ...], {"type": "array", "items": {"type": "string", "pattern": "[<>=]"}}),
    (tuple[KeepRule, ...], {"type": "array", "items": {"type": "string", "pattern": _KEEP}}),
    (Arrivals, _ARRIVALS),
    (Profile, {"anyOf": [_PROFILE, {"type": "array", "items": _PROFILE, "minItems": 1}]}),
    (Times, {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}]}),
    (Headers, {"type": ["object", "array", "string"]}),
    (
        Mapping[str, Rule],
        {"type": "object", "additionalProperties": {"type": ["string", "boolean", "integer", "object"]}},
    ),
    (
        Mapping[str, Operation],
        {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$"},
            "additionalProperties": _or_null({"$ref": "#/$defs/operation"}),
        },
    ),
    (tuple[Step, ...], _STEPS),
    (tuple[LogLine, ...], {"anyOf": [_LOG_LINE, {"type": "array", "items": _LOG_LINE}]}),
    (quantities.Attributes, {"type": "object"}),
    (quantities.ResourceAttributes, {"type": "object"}),
    (
        tuple[Alternative, ...],
        {
            "anyOf": [
                {"type": "object", "minProperties": 1, "additionalProperties": _ANY_NUMBER},
                {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/alternative"}},
            ]
        },
    ),
)

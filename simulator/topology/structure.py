"""Plain values to the model's records and back, collecting every mistake on the way."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar, get_type_hints

from cattrs import Converter
from cattrs.errors import BaseValidationError, ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from simulator.behaviour.arrivals import Arrivals, parse_arrivals
from simulator.behaviour.breaker import BreakerRule, parse_breaker
from simulator.behaviour.conditions import When, parse_when
from simulator.behaviour.delays import no_samples, parse_delay
from simulator.behaviour.distributions import Delay, ReadSamples
from simulator.behaviour.faults.base import Fault
from simulator.behaviour.faults.registry import parse_fault
from simulator.behaviour.keep_rules import KeepRule, parse_keep_rule
from simulator.behaviour.limits import RateLimit, parse_limit
from simulator.behaviour.payloads import Size, parse_sizes
from simulator.behaviour.profiles.base import Profile
from simulator.behaviour.retries import Retries, parse_retries
from simulator.behaviour.templates import Template, parse_template
from simulator.behaviour.thresholds import Threshold, parse_threshold
from simulator.behaviour.times import Times, parse_times
from simulator.behaviour.values import Rule
from simulator.behaviour.work import Work, parse_work
from simulator.nearest import unknown_key
from simulator.quoting import quoted, shortened
from simulator.topology import model
from simulator.topology.expectation import Expectation
from simulator.topology.headers import Headers, parse_headers
from simulator.topology.instance_values import resource_problems
from simulator.topology.keys import key_of
from simulator.topology.kinds import Kind
from simulator.topology.load import Load
from simulator.topology.named_values import plain_rules, read_decisions
from simulator.topology.names import quotes_hint
from simulator.topology.objectives import LatencyObjective, Slo, parse_latency_objective
from simulator.topology.places import Keys
from simulator.topology.samples import recordings_of
from simulator.topology.sessions import has_session, with_session
from simulator.topology.single_values import SCALARS, check_operation_name, read_choice
from simulator.topology.slips import no_mapping
from simulator.topology.step_notation import register_steps
from simulator.topology.steps import Call, Choose, InOrder, Parallel, Pause

Record = TypeVar("Record")
_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")
# Mappings by name: what an operation says of these is added to what its stage says.
_ADDED = ("decide", "attributes")


def structure(
    value: Any, record: type[Record], read_samples: ReadSamples = no_samples
) -> tuple[Record | None, list[tuple[Keys, str]]]:
    """Return the `record` that plain values describe, or None and what is wrong at which keys."""
    if record is model.Stage:
        stage, problems = _structure_stage(value, read_samples)
        wrong = [] if stage is None else list(resource_problems(stage))
        return (None if wrong else stage), [*problems, *wrong]  # type: ignore[return-value]
    return _structure(value, record, read_samples)


def _structure(
    value: Any, record: type[Record], read_samples: ReadSamples
) -> tuple[Record | None, list[tuple[Keys, str]]]:
    try:
        return _converter(read_samples).structure(value, record), []
    except BaseValidationError as error:
        return None, list(_explain(error, (), record))
    except (ValueError, TypeError) as error:
        return None, [((), _reason(error))]


def _structure_stage(value: Any, read_samples: ReadSamples) -> tuple[model.Stage | None, list[tuple[Keys, str]]]:
    """Return a stage, whose own keys are the defaults of its operations."""
    raw = value.get("operations") if isinstance(value, dict) else None
    own = {key: inner for key, inner in value.items() if key != "operations"} if isinstance(value, dict) else value
    if raw is None or raw == {}:
        stage, problems = _structure(own, model.Stage, read_samples)
        stage, found = (None, []) if stage is None else with_session(stage)
        return (None if found else stage), [*problems, *found]
    stage, problems = _structure(own, model.Stage, read_samples)
    if not isinstance(raw, dict):
        message = f"must be a mapping of names to operations, as in {{read: {{method: GET}}}}, not {quoted(raw)}"
        return None, [*problems, (("operations",), message)]
    defaults = {key: inner for key, inner in own.items() if key in OPERATION_KEYS}
    operations: dict[str, model.Operation] = {}
    for name, written in raw.items():
        keys: Keys = ("operations", name)
        try:
            check_operation_name(name)
        except ValueError as error:
            problems.append((keys, str(error)))
        if not isinstance(written, dict | None):
            problems.append((keys, f"must be a mapping of keys to values, not {quoted(written)}"))
            continue
        own_keys = written or {}
        whole = {"path": f"/{name}", **defaults, **own_keys}
        for key in _ADDED:
            if isinstance(defaults.get(key), dict) and isinstance(own_keys.get(key), dict):
                whole[key] = {**defaults[key], **own_keys[key]}
        operation, found = _structure(whole, model.Operation, read_samples)
        # A mistake in a default is told once, where it stands.
        problems += [((*keys, *inner), message) for inner, message in found if not inner or inner[0] in own_keys]
        if operation is not None:
            operations[name] = operation
    if problems or stage is None:
        return None, problems
    return replace(stage, operations=operations), []


def _unstructure_stage(stage: model.Stage, write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Return a stage as a file has it: of its operations what differs from the stage."""
    plain = write(stage)
    if has_session(stage):
        plain.pop("calls", None)
    if stage.operations:
        plain["operations"] = {name: _differences(name, of, stage) for name, of in stage.operations.items()}
    return {key: plain[key] for key in _STAGE_ORDER if key in plain}


def _differences(name: str, operation: model.Operation, stage: model.Stage) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields(model.Operation):
        default, value = getattr(stage, field.name), getattr(operation, field.name)
        if field.name == "path" and default == model.DEFAULT_PATH:
            default = f"/{name}"
        if field.name in _ADDED:
            value = {key: rule for key, rule in value.items() if rule != default.get(key)}
            default = {}
        if value != default:
            found[key_of(field.name)] = written_value(model.Operation, field.name, value)
    return found


def written_value(record: type[Any], field_name: str, value: Any) -> Any:
    """Return the plain value of a field, whether or not it is the default."""
    if value is None:
        return None
    kind = _kinds(record)[field_name]  # type: ignore[arg-type]  # mypy does not know that a class is hashable
    return _converter(no_samples).unstructure(value, unstructure_as=kind)


@functools.cache
def _kinds(record: type[Any]) -> Mapping[str, Any]:
    """Return the types of a record's fields. They are worked out once: it takes a millisecond."""
    return get_type_hints(record)


def in_order(keys: Iterable[str]) -> tuple[str, ...]:
    """Return keys of a stage or operation in the order in which they are written."""
    return tuple(sorted(keys, key=_STAGE_ORDER.index))


def unstructure(record: Any, whole: bool = False) -> Any:
    """Return the plain values from which `structure` makes the record.

    Defaults are left out; with `whole` they are left out only in the records within.
    """
    plain = _converter(no_samples).unstructure(record)
    if not whole:
        return plain
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {
        key_of(name): plain.get(key_of(name), written_value(type(record), name, value))
        for name, value in values.items()
    }


@functools.lru_cache(maxsize=4)
def _converter(read_samples: ReadSamples) -> Converter:
    converter = Converter(forbid_extra_keys=True)
    for kind, read, write in SCALARS:
        converter.register_structure_hook(kind, _ignoring_type(read))
        if write is not None:
            converter.register_unstructure_hook(kind, write)
    # Stages that share a file of samples share its parsed values.
    read_delay = functools.lru_cache(maxsize=64)(lambda text: parse_delay(text, read_samples))
    converter.register_structure_hook(
        Delay, lambda value, _: read_delay(value) if isinstance(value, str) else parse_delay(value, read_samples)
    )
    for kind, parse in _NOTATIONS:
        converter.register_structure_hook(kind, _ignoring_type(parse))
    converter.register_structure_hook(Profile, lambda value, _: _profile_of(value, read_samples))
    converter.register_unstructure_hook(Profile, lambda profile: profile.plain())
    for kind in (Delay, *(kind for kind, _ in _NOTATIONS)):
        converter.register_unstructure_hook(kind, str)
    converter.register_structure_hook(Headers, _ignoring_type(parse_headers))
    converter.register_unstructure_hook(Headers, Headers.written)
    choices = (
        *(model.Role, Kind, model.Answering, model.Method, model.Forward, model.LogLevel, model.OnBadLine),
        model.Processes,
    )
    for choice in choices:
        converter.register_structure_hook(choice, read_choice)
        converter.register_unstructure_hook(choice, str)
    faults = _list_of(converter, Fault, 'faults, as in ["error(503, 5%)"]')
    converter.register_structure_hook_func(lambda kind: kind == tuple[Fault, ...], faults)
    thresholds = _list_of(converter, Threshold, 'thresholds, as in ["p99 < 300ms", "errors < 1%"]')
    converter.register_structure_hook_func(lambda kind: kind == tuple[Threshold, ...], thresholds)
    rules = _list_of(converter, KeepRule, "what a sampler keeps, as in [errors, slower than 1s]")
    converter.register_structure_hook_func(lambda kind: kind == tuple[KeepRule, ...], rules)
    converter.register_structure_hook(Times, _ignoring_type(parse_times))
    converter.register_unstructure_hook(Times, Times.plain)
    converter.register_structure_hook(Work, _ignoring_type(parse_work))
    converter.register_unstructure_hook(Work, Work.plain)
    converter.register_structure_hook_func(lambda kind: kind == Mapping[str, Rule], _ignoring_type(read_decisions))
    converter.register_unstructure_hook_func(lambda kind: kind == Mapping[str, Rule], plain_rules)
    lines = _list_of(converter, model.LogLine, 'lines, as in [{level: info, message: "found"}]')
    converter.register_structure_hook_func(
        lambda kind: kind == tuple[model.LogLine, ...],
        lambda value, kind: lines([value] if isinstance(value, dict | str) else value, kind),
    )
    hooks = register_steps(converter)
    for record in _RECORDS:
        _register_record(converter, record, hooks)
    return converter


def _register_record(converter: Converter, record: type[Any], hooks: Mapping[str, Mapping[str, Any]]) -> None:
    """Register a record; `hooks` are those of certain fields, by name, in place of those of their types."""
    left_out = _NO_KEYS.get(record, ())

    def overrides(reads: bool, omit_if_default: bool) -> dict[str, Any]:
        which = "struct_hook" if reads else "unstruct_hook"
        return {
            name: override(
                rename=key_of(name),
                omit=True if name in left_out else None,
                omit_if_default=omit_if_default,
                **({which: hooks[name][which]} if which in hooks.get(name, {}) else {}),
            )
            for name in record.__dataclass_fields__
        }

    # Each is compiled when a record of the kind is first met: most processes meet few, and they take memory.
    @functools.cache
    def reader() -> Callable[[Mapping[str, Any], Any], Any]:
        return make_dict_structure_fn(record, converter, _cattrs_forbid_extra_keys=True, **overrides(True, False))

    @functools.cache
    def writer() -> Callable[[Any], dict[str, Any]]:
        return make_dict_unstructure_fn(record, converter, **overrides(False, True))

    def read_mapping(value: Any, kind: type[Any]) -> Any:
        if value is None and record is model.Stage:
            value = {}
        if isinstance(value, str) and record in _SHORT:
            value = {_SHORT[record]: value}
        if not isinstance(value, dict):
            hint = quotes_hint(value) if record is Call else ""
            raise ValueError(no_mapping(value, record.__name__, hint))
        return reader()(_with_range(value) if record is model.Stage else value, kind)

    converter.register_structure_hook(record, read_mapping)
    if record is model.Stage:
        converter.register_unstructure_hook(record, lambda stage: _unstructure_stage(stage, writer()))
    elif record is Call:
        converter.register_unstructure_hook(record, lambda call: {**writer()(call), "to": call.target})
    else:
        converter.register_unstructure_hook_factory(lambda kind: kind is record, lambda _: writer())


def _with_range(value: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping with the two keys that `instances: 2..6` stands for."""
    instances = value.get("instances")
    match = _RANGE.fullmatch(instances) if isinstance(instances, str) else None
    if match is None:
        return value
    if "most_instances" in value:
        raise ValueError(f"instances: {instances} is a range, so leave out most_instances")
    return {**value, "instances": int(match[1]), "most_instances": int(match[2])}


def _list_of(converter: Converter, kind: Any, example: str) -> Callable[[Any, Any], Any]:
    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError(f"must be a list of {example}, not {quoted(value)}")
        return tuple(converter.structure(value, list[kind]))

    return read


def _explain(error: BaseException, keys: Keys, record: Any) -> Any:
    if isinstance(error, ClassValidationError):
        with_notes, without = error.group_exceptions()
        for inner, note in with_notes:
            yield from _explain(inner, (*keys, key_of(note.name)), record)
        lacks_a_key = any(isinstance(inner, KeyError) for inner, _ in with_notes)
        for inner in without:
            if isinstance(inner, ForbiddenExtraKeysError):
                yield from _explain_extra(inner, keys, lacks_a_key)
            else:
                yield from _explain(inner, keys, error.cl)
    elif isinstance(error, IterableValidationError):
        with_index, without = error.group_exceptions()
        for inner, place in with_index:
            yield from _explain(inner, (*keys, place.index), record)
        for inner in without:
            yield from _explain(inner, keys, record)
    elif isinstance(error, KeyError):
        yield keys, f"the key {error.args[0]!r} is missing"
    else:
        yield keys, _reason(error)


def _explain_extra(error: ForbiddenExtraKeysError, keys: Keys, lacks_a_key: bool) -> Iterable[tuple[Keys, str]]:
    left_out = () if error.cl is model.Stage else _NO_KEYS.get(error.cl, ())
    allowed = [key_of(field.name) for field in fields(error.cl) if field.name not in left_out]
    for key in sorted(map(str, error.extra_fields)):
        if error.cl is model.Operation and key in _STAGE_KEYS:
            message = f"unknown key; `{key}` is the stage's, and all its operations share it"
        else:
            message = unknown_key(key, [*allowed, *_MORE_KEYS.get(error.cl, ())])
        if error.cl is Call and lacks_a_key and "did you mean" not in message:
            message += f"; a call of a stage of this name is {{to: {shortened(key)}}}"
        yield (*keys, key), message


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _profile_of(value: object, read_samples: ReadSamples) -> Profile:
    from simulator.behaviour.profiles.registry import parse_profile  # noqa: PLC0415 - few topologies have one

    return parse_profile(value, recordings_of(read_samples))


def _ignoring_type(read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: read(value)


# The fields that have no key of their own.
_NO_KEYS: Mapping[type[Any], tuple[str, ...]] = {
    Call: ("operation",),
    InOrder: ("is_named",),
    model.Stage: ("operations",),
}
# Those that are read before the rest.
_MORE_KEYS: Mapping[type[Any], tuple[str, ...]] = {model.Topology: ("version", "defaults")}
# What a text alone stands for.
_SHORT: Mapping[type[Any], str] = {Call: "to", model.LogLine: "message"}
OPERATION_KEYS = frozenset(key_of(field.name) for field in fields(model.Operation))
# What a stage is comes before what it does, and its calls and operations at the end.
_FIRST = ("role", "kind", "system", "namespace", "url", "server_span", "host", "port")
_LAST = (
    *("forward", "response_bytes", "max_body", "slo", "span", "decide", "attributes", "log", "calls"),
    *("load", "input", "on_bad_line", "output", "operations"),
)
_STAGE_KEYS = tuple(key_of(field.name) for field in fields(model.Stage))
_STAGE_ORDER = (*_FIRST, *(key for key in _STAGE_KEYS if key not in _FIRST + _LAST), *_LAST)
_RECORDS = (
    Call,
    Pause,
    Parallel,
    InOrder,
    Choose,
    Slo,
    Expectation,
    model.LogLine,
    Load,
    model.Operation,
    model.Stage,
    model.Topology,
)
_NOTATIONS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Arrivals, parse_arrivals),
    (Fault, parse_fault),
    (Retries, parse_retries),
    (BreakerRule, parse_breaker),
    (RateLimit, parse_limit),
    (Size, parse_sizes),
    (LatencyObjective, parse_latency_objective),
    (When, parse_when),
    (Template, parse_template),
    (Threshold, parse_threshold),
    (KeepRule, parse_keep_rule),
)

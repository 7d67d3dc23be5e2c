"""Plain values to the model's records and back, collecting every mistake on the way."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from dataclasses import fields
from enum import StrEnum
from typing import Any, TypeVar

from cattrs import Converter
from cattrs.errors import BaseValidationError, ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from simulator import units
from simulator.behaviour.breaker import BreakerRule, parse_breaker
from simulator.behaviour.delays import no_samples, parse_delay
from simulator.behaviour.distributions import Delay, ReadSamples
from simulator.behaviour.faults.base import Fault
from simulator.behaviour.faults.registry import parse_fault
from simulator.behaviour.limits import RateLimit, parse_limit
from simulator.behaviour.payloads import Size, parse_sizes
from simulator.behaviour.retries import Retries, parse_retries
from simulator.behaviour.schedules import Schedule, parse_schedule
from simulator.nearest import unknown_choice, unknown_key
from simulator.quoting import quoted
from simulator.topology import model
from simulator.topology.document import Keys
from simulator.topology.headers import Headers, parse_headers
from simulator.topology.names import check_name, quotes_hint
from simulator.topology.objectives import LatencyObjective, parse_latency_objective
from simulator.topology.slips import no_mapping, no_whole_number

Record = TypeVar("Record")
_UNIT_SUFFIX = re.compile(r"_(seconds|per_second|bytes|ratio)$")
_OTHER_KEYS = {"request_size": "request_bytes", "response_size": "response_bytes", "max_instances": "most_instances"}
_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
_PATH = re.compile(r"/[A-Za-z0-9/._~-]{0,200}")
_MAX_TEXT = 4096  # the longest path of a file
RESERVED_PATHS = ("/healthz", "/readyz", "/metrics", "/control", "/injected")


def structure(
    value: Any, record: type[Record], read_samples: ReadSamples = no_samples
) -> tuple[Record | None, list[tuple[Keys, str]]]:
    """Return the `record` that plain values describe, or None and what is wrong at which keys."""
    try:
        return _converter(read_samples).structure(value, record), []
    except BaseValidationError as error:
        return None, list(_explain(error, (), record))
    except (ValueError, TypeError) as error:
        return None, [((), _reason(error))]


def unstructure(record: Any, whole: bool = False) -> Any:
    """Return the plain values from which `structure` makes the record.

    Defaults are left out; with `whole` they are left out only in the records within.
    """
    plain = _converter(no_samples).unstructure(record)
    if not whole:
        return plain
    defaults = {field.name: getattr(record, field.name) for field in fields(record)}
    written = _converter(no_samples)
    return {key_of(name): plain.get(key_of(name), written.unstructure(value)) for name, value in defaults.items()}


def key_of(field_name: str) -> str:
    """Return a field's key in a file: for nearly all its name without the unit."""
    return _OTHER_KEYS.get(field_name) or _UNIT_SUFFIX.sub("", field_name)


@functools.lru_cache(maxsize=4)
def _converter(read_samples: ReadSamples) -> Converter:
    converter = Converter(forbid_extra_keys=True)
    for kind, read, write in _SCALARS:
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
    converter.register_structure_hook(Schedule, lambda value, _: parse_schedule(value, read_samples))
    for kind in (Delay, Schedule, *(kind for kind, _ in _NOTATIONS)):
        converter.register_unstructure_hook(kind, str)
    converter.register_structure_hook(Headers, _ignoring_type(parse_headers))
    converter.register_unstructure_hook(Headers, Headers.written)
    for choice in (model.Role, model.Forward, model.OnBadLine, model.Processes):
        converter.register_structure_hook(choice, _choice)
        converter.register_unstructure_hook(choice, str)
    faults = _list_of(converter, Fault, 'faults, as in ["error(503, 5%)"]')
    converter.register_structure_hook_func(lambda kind: kind == tuple[Fault, ...], faults)
    _register_steps(converter)
    for record in _RECORDS:
        _register_record(converter, record)
    return converter


def _register_steps(converter: Converter) -> None:
    """Read a call from a name or a mapping, a group from a mapping with its own key, and a list as steps in order."""

    def read_step(value: Any, _: Any) -> Any:
        if isinstance(value, list):
            return model.InOrder(steps=tuple(converter.structure(value, list[model.Step])))
        group = next((kind for kind in (model.Parallel, model.Choose) if _is_group(value, kind)), model.Call)
        return converter.structure(value, group)

    def write_step(step: model.Step) -> Any:
        if isinstance(step, model.InOrder):
            return [write_step(inner) for inner in step.steps]
        written = converter.unstructure(step, unstructure_as=type(step))
        return step.to if isinstance(step, model.Call) and list(written) == ["to"] else written

    def write_steps(steps: Any) -> Any:
        return None if steps is None else [write_step(step) for step in steps]

    read_calls = _list_of(converter, model.Step, "stages, as in [parse, enrich]")
    read_choice = _list_of(converter, model.Alternative, "calls with weights")
    converter.register_structure_hook_func(lambda kind: kind == model.Step, read_step)
    lists: Any = (tuple[model.Step, ...], tuple[model.Step, ...] | None)
    converter.register_structure_hook_func(lambda kind: kind in lists, read_calls)
    converter.register_unstructure_hook_func(lambda kind: kind in lists, write_steps)
    alternatives: Any = tuple[model.Alternative, ...]
    converter.register_structure_hook_func(
        lambda kind: kind == alternatives, lambda value, kind: _checked_choice(read_choice(_as_list(value), kind))
    )
    converter.register_unstructure_hook_func(lambda kind: kind == alternatives, write_steps)
    optional_call: Any = model.Call | None
    converter.register_structure_hook_func(
        lambda kind: kind == optional_call,
        lambda value, _: None if value is None else converter.structure(value, model.Call),
    )
    converter.register_unstructure_hook_func(
        lambda kind: kind == optional_call, lambda call: None if call is None else write_step(call)
    )


def _is_group(value: Any, kind: type[Any]) -> bool:
    return isinstance(value, dict) and fields(kind)[0].name in value


def _as_list(value: Any) -> Any:
    """Return the list that `{stable: 90%, canary: 10%}` stands for."""
    if isinstance(value, dict):
        return [{"to": name, "weight": weight} for name, weight in value.items()]
    return value


def _checked_choice(alternatives: tuple[model.Alternative, ...]) -> tuple[model.Alternative, ...]:
    total = sum(alternative.weight_ratio for alternative in alternatives)
    if not math.isclose(total, 1.0, abs_tol=1e-9):
        raise ValueError(f"the weights must add up to 100%, not {total * 100:.12g}%")
    return alternatives


def _register_record(converter: Converter, record: type[Any]) -> None:
    names = {name: override(rename=key_of(name)) for name in record.__dataclass_fields__}
    read = make_dict_structure_fn(record, converter, _cattrs_forbid_extra_keys=True, **names)  # type: ignore[arg-type]
    lean = {name: override(rename=key_of(name), omit_if_default=True) for name in record.__dataclass_fields__}
    write = make_dict_unstructure_fn(record, converter, **lean)  # type: ignore[arg-type]

    def read_mapping(value: Any, kind: type[Any]) -> Any:
        if value is None and record is model.Stage:
            value = {}
        if isinstance(value, str) and record in (model.Call, model.Alternative):
            value = {"to": value}
        if not isinstance(value, dict):
            hint = quotes_hint(value) if record in (model.Call, model.Alternative) else ""
            raise ValueError(no_mapping(value, record.__name__, hint))
        return read(_with_range(value) if record is model.Stage else value, kind)

    converter.register_structure_hook(record, read_mapping)
    converter.register_unstructure_hook(record, write)


def _with_range(value: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping with the two keys that `instances: 2..6` stands for."""
    instances = value.get("instances")
    match = _RANGE.fullmatch(instances) if isinstance(instances, str) else None
    if match is None:
        return value
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
        for inner in without:
            yield from _explain(inner, keys, error.cl)
    elif isinstance(error, IterableValidationError):
        with_index, without = error.group_exceptions()
        for inner, place in with_index:
            yield from _explain(inner, (*keys, place.index), record)
        for inner in without:
            yield from _explain(inner, keys, record)
    elif isinstance(error, ForbiddenExtraKeysError):
        for key in sorted(map(str, error.extra_fields)):
            yield (*keys, key), unknown_key(key, [key_of(field.name) for field in fields(error.cl)])
    elif isinstance(error, KeyError):
        yield keys, f"the key {error.args[0]!r} is missing"
    else:
        yield keys, _reason(error)


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _ignoring_type(read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: read(value)


def _choice(value: Any, kind: type[StrEnum]) -> StrEnum:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(unknown_choice(value, kind)) from None


def _whole(value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(no_whole_number(value))
    if not low <= value <= high:
        raise ValueError(f"{quoted(value)} is out of range: must be between {low} and {high}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{quoted(value)} is not text")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError(f"{quoted(value)} has an unpaired surrogate in it") from None
    if len(value) > _MAX_TEXT or "\0" in value:
        raise ValueError(f"{quoted(value)} must have at most {_MAX_TEXT} characters, and no NUL")
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(f"{quoted(value)} is neither true nor false")


def _positive_duration(value: Any) -> float:
    seconds = units.parse_duration(value)
    if seconds <= 0:
        raise ValueError(f"{quoted(value)} must be more than 0")
    return seconds


def _max_body(value: Any) -> int:
    return _whole(units.parse_size(value), 1, 2**30)


def _matching(pattern: re.Pattern[str], rule: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"{quoted(value)} must be {rule}")
        return value

    return read


def _path(value: Any) -> str:
    path = _matching(_PATH, "a path like /messages")(value)
    # Clients resolve these before they send, so another path would arrive.
    if "//" in path or any(segment in (".", "..") for segment in path.split("/")):
        raise ValueError(f"{quoted(path)} must have no empty segments, and none that is . or ..")
    if path in RESERVED_PATHS:
        raise ValueError(f"{quoted(path)} is reserved: {', '.join(RESERVED_PATHS)} are the stage's own")
    return path


# Each after the records it consists of.
_RECORDS = (
    model.Call,
    model.Alternative,
    model.Parallel,
    model.Choose,
    model.Slo,
    model.Load,
    model.Stage,
    model.Topology,
)
_NOTATIONS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Fault, parse_fault),
    (Retries, parse_retries),
    (BreakerRule, parse_breaker),
    (RateLimit, parse_limit),
    (Size, parse_sizes),
    (LatencyObjective, parse_latency_objective),
)
_SCALARS: tuple[tuple[Any, Callable[[Any], Any], Callable[[Any], Any] | None], ...] = (
    (str, _text, None),
    (bool, _boolean, None),
    (model.Ratio, units.parse_ratio, units.format_ratio),
    (model.Instances, lambda value: _whole(value, 1, 100), None),
    (model.PositiveSeconds, _positive_duration, units.format_duration),
    (model.Seconds, units.parse_duration, units.format_duration),
    (model.PerSecond, units.parse_rate, units.format_rate),
    (model.Bytes, _max_body, None),
    (model.Count, lambda value: _whole(value, 0, 1_000_000), None),
    (model.Messages, lambda value: _whole(value, 0, 10**12), None),
    (model.Seed, lambda value: _whole(value, 0, 2**63 - 1), None),
    (model.PositiveCount, lambda value: _whole(value, 1, 100_000), None),
    (model.Port, lambda value: _whole(value, 0, 65535), None),
    (model.Path, _path, None),
    (model.Host, _matching(_HOST, "a host name or an address"), None),
    (model.Name, check_name, None),
)

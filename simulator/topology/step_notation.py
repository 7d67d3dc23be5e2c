"""Steps in a file: a call by its name alone, a group by its own key, a list in a group for steps in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cattrs import Converter

from simulator.behaviour.weights import check_weights, parse_weight, written_weights
from simulator.quoting import quoted, shortened
from simulator.topology.names import check_name
from simulator.topology.steps import Alternative, Call, Choose, InOrder, Parallel, Pause, Step

_KINDS: dict[str, type[Any]] = {"to": Call, "delay": Pause, "parallel": Parallel, "steps": InOrder, "choose": Choose}
_MEANT = {
    **dict.fromkeys(("sleep", "wait", "pause"), "delay"),
    **dict.fromkeys(("call", "stage"), "to"),
    **dict.fromkeys(("sequence", "sequential", "serial"), "steps"),
    **dict.fromkeys(("concurrent", "concurrently", "fan_out"), "parallel"),
    **dict.fromkeys(("choice", "one_of", "switch"), "choose"),
}
# Those whose key is their name, and no other step has.
_CALL_FIELDS = frozenset({"retries", "timeout", "deadline", "hedge", "breaker", "fallback", "request_bytes", "headers"})
_STEPS: Any = tuple[Step, ...]
_ALTERNATIVES: Any = tuple[Alternative, ...]


def register_steps(converter: Converter) -> Mapping[str, Mapping[str, Any]]:
    """Register how steps are read and written, and return the hooks of the fields with a notation of their own.

    Their records are to be registered afterwards.
    """
    reading = _Reading(converter)
    writing = _Writing(converter)
    converter.register_structure_hook_func(lambda kind: kind == Step, reading.step)
    converter.register_structure_hook_func(lambda kind: kind == _STEPS, reading.steps)
    converter.register_structure_hook_func(lambda kind: kind == _ALTERNATIVES, reading.choice)
    converter.register_structure_hook(Alternative, reading.alternative)
    converter.register_unstructure_hook_func(lambda kind: kind == _STEPS, writing.steps)
    converter.register_unstructure_hook_func(lambda kind: kind == _ALTERNATIVES, writing.choice)
    return {
        "to": {"struct_hook": lambda value, _: _target(value)},
        "fallback": {"struct_hook": reading.one_or_more, "unstruct_hook": writing.one_or_more},
    }


class _Reading:
    def __init__(self, converter: Converter) -> None:
        self._converter = converter

    def steps(self, value: Any, _: Any) -> tuple[Step, ...]:
        if not isinstance(value, list):
            raise ValueError(f"must be a list of steps, as in [parse, enrich], not {quoted(value)}")
        return tuple(self._converter.structure(value, list[Step]))

    def one_or_more(self, value: Any, _: Any) -> tuple[Step, ...]:
        """Read a step, or a list of them."""
        if value is None:
            return ()
        return self.steps(value, None) if isinstance(value, list) else (self.step(value, None),)

    def step(self, value: Any, _: Any) -> Any:
        if isinstance(value, list):
            return InOrder(steps=self.steps(value, None))
        return self._named(self._converter.structure(value, _kind_of(value)))

    def _named(self, step: Any) -> Any:
        return replace(step, is_named=True) if isinstance(step, InOrder) and step.is_plain else step

    def choice(self, value: Any, _: Any) -> tuple[Alternative, ...]:
        if isinstance(value, dict):
            value = [{"to": name, "weight": weight} for name, weight in value.items()]
        if not isinstance(value, list) or not value:
            raise ValueError(f"must be steps with weights, as in {{home: 1, product: 10}}, not {quoted(value)}")
        _check_all_weights([one.get("weight", 1) if isinstance(one, dict) else 1 for one in value])
        return tuple(self._converter.structure(value, list[Alternative]))

    def alternative(self, value: Any, _: Any) -> Alternative:
        if not isinstance(value, dict):
            return Alternative(step=self.step(value, None))
        weight = parse_weight(value.get("weight", 1))
        step = {key: inner for key, inner in value.items() if key != "weight"}
        return Alternative(step=self._named(self._converter.structure(step, _kind_of(step))), weight=weight)


class _Writing:
    def __init__(self, converter: Converter) -> None:
        self._converter = converter

    def steps(self, steps: Any) -> Any:
        return [self.step(step) for step in steps]

    def step(self, step: Step) -> Any:
        if isinstance(step, InOrder) and step.is_plain:
            return self.steps(step.steps)
        written = self._converter.unstructure(step, unstructure_as=type(step))
        return step.target if isinstance(step, Call) and list(written) == ["to"] else written

    def one_or_more(self, steps: Any) -> Any:
        return self.step(steps[0]) if len(steps) == 1 else self.steps(steps)

    def choice(self, alternatives: tuple[Alternative, ...]) -> Any:
        weights = written_weights([alternative.weight for alternative in alternatives])
        steps = [self.step(alternative.step) for alternative in alternatives]
        if all(isinstance(step, str) for step in steps) and len(set(steps)) == len(steps):
            return dict(zip(steps, weights, strict=True))
        return [{**_as_mapping(step), "weight": weight} for step, weight in zip(steps, weights, strict=True)]


def _target(value: Any) -> str:
    """Return the value if it is the name of a stage, perhaps with a dot and that of its operation."""
    stage, _, operation = value.rpartition(".") if isinstance(value, str) else ("", "", "")
    if stage and operation:
        return f"{check_name(stage)}.{check_name(operation)}"
    return check_name(value)


def _kind_of(value: Any) -> type[Any]:
    """Return the record of a step. Raise ValueError for a mapping without the key of any."""
    if not isinstance(value, dict):
        return Call
    named = [key for key in _KINDS if key in value]
    if len(named) > 1:
        raise ValueError(f"{' and '.join(f'`{key}`' for key in named)} are steps of their own: write one for each")
    kind = next((_KINDS[key] for key in named), None)
    if kind is not None or not value or _CALL_FIELDS & {str(key) for key in value}:
        return kind or Call  # without its `to`, which is told
    [first, *_] = value
    hint = f"; a call of a stage of this name is {{to: {shortened(str(first))}}}"
    if first in _MEANT:
        hint = f"; did you mean `{_MEANT[first]}`?"
    raise ValueError(f"a step has one of the keys {', '.join(_KINDS)}{hint}")


def _check_all_weights(written: list[Any]) -> None:
    try:
        weights = [parse_weight(weight) for weight in written]
    except ValueError:
        return  # told with its place when the alternative is read
    check_weights(written, weights)


def _as_mapping(step: Any) -> dict[str, Any]:
    """Return a written step as a mapping, to which a weight can be added."""
    if isinstance(step, str):
        return {"to": step}
    return {"steps": step} if isinstance(step, list) else step

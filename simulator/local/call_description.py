"""Steps and the options of calls in words, for `check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulator.behaviour.times import ONCE
from simulator.topology.graph import calls_of
from simulator.topology.model import Stage
from simulator.topology.steps import DEFAULT_TIMEOUT, Call, Choose, InOrder, Parallel, Pause, Step
from simulator.topology.structure import unstructure
from simulator.topology.walking import all_calls
from simulator.units import format_duration, format_ratio

LEGEND = "a -> b: in order, (a | b): at the same time, (30% a or 70% b): one of them, [5ms]: a delay"
# Keys of a call that its place in the steps shows.
_IN_THE_STEPS = ("to", "times", "probability", "when", "fallback")
_DEFAULTS = {"timeout": f"timeout {format_duration(DEFAULT_TIMEOUT)}", "optional": "not optional"}
# Fewer calls than these have nothing that is worth saying once for all of them.
_MIN_CALLS = 3

Options = Mapping[str, str]


def common_options(stages: Mapping[str, Stage]) -> Options:
    """Return the options, in words by key, that more than half of the calls have, so that they can be said once."""
    counts: Counter[tuple[str, str]] = Counter()
    total = 0
    for stage in stages.values():
        for _, call in calls_of(stage):
            total += 1
            counts.update(_own_options(call).items())
    return {key: words for (key, words), count in counts.items() if 2 * count > total >= _MIN_CALLS}


def option_lines(steps: Sequence[Step], common: Options) -> Iterator[str]:
    """Yield a line for each call, except those in fallbacks, with options other than the common ones, each once."""
    found: dict[str, None] = {}
    for keys, call in all_calls(steps):
        if "fallback" not in keys and (options := _options(call, common)):
            found[f"call to {call.target}: {options}"] = None
    yield from found


def _options(call: Call, common: Options) -> str:
    """Return the options of a call that its place in the steps does not show, with those of its fallback."""
    own = _own_options(call)
    said = [words for key, words in own.items() if common.get(key) != words]
    said += [_DEFAULTS.get(key, f"no {key}") for key in common if key not in own]
    if call.fallback:
        inner = [(one, _options(one, common)) for keys, one in all_calls(call.fallback) if "fallback" not in keys]
        name = len(inner) > 1  # of which call the options are
        options = "; ".join(f"{one.target}: {text}" if name else text for one, text in inner if text)
        said.append(f"fallback {in_words(call.fallback)}" + (f" ({options})" if options else ""))
    return ", ".join(said)


def _own_options(call: Call) -> dict[str, str]:
    plain = {key: value for key, value in unstructure(call).items() if key not in _IN_THE_STEPS}
    if call.headers is not None:
        plain["headers"] = call.headers.shown()
    return {key: _option(key, value) for key, value in plain.items()}


def _option(key: str, value: Any) -> str:
    if value is True:
        return key
    text = written(value)
    return text if text.startswith(f"{key}(") else f"{key} {text}"


def written(value: Any, inner: bool = False) -> str:
    """Return a plain value in words; a mapping or list within another is in parentheses."""
    if isinstance(value, dict):
        text = ", ".join(f"{key} {written(each, True)}" for key, each in value.items())
        return f"({text})" if inner else text
    if isinstance(value, list):
        text = ", ".join(written(each, True) for each in value)
        return f"({text})" if inner else text
    return str(value).lower() if isinstance(value, bool) else str(value)


def in_words(steps: Sequence[Step]) -> str:
    """Return steps in one line: `LEGEND` says how."""
    return " -> ".join(_step(step) for step in steps)


def _step(step: Step) -> str:
    match step:
        case Parallel(parallel=steps):
            bounds = f", {step.limit} at a time" if step.limit is not None else ""
            bounds += f", {step.pick} of them" if step.pick is not None else ""
            return _qualified(f"({' | '.join(_step(inner) for inner in steps)}{bounds})", step)
        case Choose(choose=alternatives, ratios=ratios):
            said = (f"{_share(ratio)} {_step(one.step)}" for one, ratio in zip(alternatives, ratios, strict=True))
            return _qualified(f"({' or '.join(said)})", step)
        case InOrder(steps=steps):
            return _qualified(f"({in_words(steps)})", step)
        case Pause(delay=delay):
            return _qualified(f"[{delay}]", step)
        case Call():
            return _qualified(step.target, step)


def _share(ratio: float) -> str:
    return format_ratio(float(f"{ratio:.4g}"))


def _qualified(text: str, step: Step) -> str:
    """Return the text of a step with how often and when it is taken."""
    times, probability = getattr(step, "times", ONCE), getattr(step, "probability_ratio", 1)
    text = text if times == ONCE else f"{times} x {text}"
    text = text if probability == 1 else f"{format_ratio(probability)} {text}"
    if isinstance(step, Parallel | InOrder):
        text += " optional" if step.optional else ""
        text += f", on error {in_words(step.on_error)}" if step.on_error else ""
    return text if step.when is None else f"{text} when {step.when}"

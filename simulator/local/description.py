"""The description of a topology, for `check`: a line per stage, and under it all that differs from the defaults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from simulator.behaviour.times import ONCE
from simulator.local.multiplication import multiplication
from simulator.quoting import printable
from simulator.topology.graph import calls_of, entries
from simulator.topology.model import Operation, Role, Stage, Topology
from simulator.topology.outlook import Multiplied
from simulator.topology.steps import Call, Choose, InOrder, Parallel, Pause, Step
from simulator.topology.structure import unstructure
from simulator.topology.walking import all_calls
from simulator.units import format_rate, format_ratio

_HEADINGS = ("stage", "role", "delay", "workers", "queue", "faults", "calls")
_GAP = "  "
_INDENT = "    "
_MAX_PADDED = 60  # one long delay does not shift the columns of a thousand stages
# The keys in the line of a stage; all others, including future ones, are written under it.
_IN_THE_LINE = ("role", "delay", "workers", "queue", "faults", "calls", "instances", "most_instances", "operations")
_IN_THE_HEADING = ("name", "seed", "stages")
_IN_THE_STEPS = ("to", "times", "probability", "when", "fallback")


def describe(topology: Topology, fits: bool = True, multiplied: Sequence[Multiplied] = ()) -> Group:
    """Return the description of a topology: its stages, what each does and calls, its entries, and its worst case.

    `fits` says whether this machine can start it; `multiplied` is how often what is called for one message.
    """
    rows = [_row(name, stage) for name, stage in topology.stages.items()]
    widths = [min(_MAX_PADDED, max(map(cell_len, column))) for column in zip(_HEADINGS, *rows, strict=True)]
    lines = [
        Text(_heading(topology, fits)),
        *map(Text, _of_all(topology)),
        Text(),
        Text(_line(_HEADINGS, widths), style="dim"),
    ]
    for row, stage in zip(rows, topology.stages.values(), strict=True):
        line = Text(_line(row, widths))
        line.stylize("bold", 0, len(row[0]))
        lines += [line, *(Text(f"{_INDENT}{detail}") for detail in _details(stage))]
    return Group(*lines, Text(), Text(_sources(topology)), *map(Text, multiplication(multiplied)))


def _heading(topology: Topology, fits: bool) -> str:
    count = len(topology.stages)
    seed = "" if topology.seed is None else f", seed {topology.seed}"
    verdict = "good to run" if fits else "nothing is wrong with it, but it is large for this machine"
    return f"{topology.name}: {count} stage{'' if count == 1 else 's'}{seed}, {verdict}"


def _of_all(topology: Topology) -> Iterator[str]:
    """Yield the keys that hold for all stages."""
    for key, value in unstructure(replace(topology, stages={})).items():
        if key not in _IN_THE_HEADING:
            yield printable(f"{_INDENT}{key}: {_written(value)}")


def _row(name: str, stage: Stage) -> tuple[str, ...]:
    faults = ", ".join(str(fault) for fault in stage.faults)
    steps = _steps(stage.calls)
    count = f"{stage.instances}" if stage.max_instances is None else f"{stage.instances}..{stage.max_instances}"
    shown = name if count == "1" else f"{name} x {count}"
    delay, workers, queue = str(stage.delay), str(stage.workers), str(stage.queue)
    return tuple(map(printable, (shown, str(stage.role), delay, workers, queue, faults or "-", steps or "-")))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True))
    return _GAP.join(padded).rstrip()


def _details(stage: Stage) -> Iterator[str]:
    rest = {key: value for key, value in unstructure(stage).items() if key not in _IN_THE_LINE}
    for key, value in rest.items():
        yield printable(f"{key}: {_written(value)}")
    for keys, call in calls_of(stage):
        if "fallback" not in keys and (options := _options(call)):
            yield printable(f"call to {call.target}: {options}")
    for name, operation in stage.operations.items():
        yield printable(f"{name}: {operation.method} {operation.path}{_of_operation(stage, operation)}")


def _of_operation(stage: Stage, operation: Operation) -> str:
    """Return what an operation does, as far as the stage's own line does not say it."""
    said = []
    if operation.delay != stage.delay:
        said.append(f"delay {operation.delay}")
    if operation.faults != stage.faults:
        said.append(f"faults {', '.join(map(str, operation.faults)) or 'none'}")
    if operation.calls != stage.calls:
        said.append(f"calls {_steps(operation.calls) or 'nothing'}")
    return "".join(f", {text}" for text in said)


def _options(call: Call) -> str:
    """Return the options of a call that its place in the steps does not show, with those of its fallback."""
    plain = {key: value for key, value in unstructure(call).items() if key not in _IN_THE_STEPS}
    if call.headers is not None:
        plain["headers"] = call.headers.shown()
    said = [_option(key, value) for key, value in plain.items()]
    if call.fallback:
        inner = [(one, _options(one)) for keys, one in all_calls(call.fallback) if "fallback" not in keys]
        name = len(inner) > 1  # of which call the options are
        options = "; ".join(f"{one.target}: {text}" if name else text for one, text in inner if text)
        said.append(f"fallback {_steps(call.fallback)}" + (f" ({options})" if options else ""))
    return ", ".join(said)


def _option(key: str, value: Any) -> str:
    if value is True:
        return key
    text = _written(value)
    return text if text.startswith(f"{key}(") else f"{key} {text}"


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_written(inner)}" for key, inner in value.items())
    return ", ".join(map(_written, value)) if isinstance(value, list) else str(value)


def _steps(steps: Sequence[Step]) -> str:
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
            return _qualified(f"({_steps(steps)})", step)
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
        text += f", on error {_steps(step.on_error)}" if step.on_error else ""
    return text if step.when is None else f"{text} when {step.when}"


def _sources(topology: Topology) -> str:
    said = [
        f"{name} ({_load(topology.stages[name])})" if topology.stages[name].role is Role.INJECTOR else f"{name} (POST)"
        for name in entries(topology)
    ]
    return f"entries: {', '.join(said)}"


def _load(stage: Stage) -> str:
    if stage.input is not None:
        return printable(f"from {stage.input}")
    if stage.load is None:
        return "POST"
    if stage.load.schedule is None:
        return f"{stage.load.concurrency} at a time"
    rate = stage.load.rate_per_second
    if rate is not None and not rate:
        return "paused"
    return str(stage.load.arrivals) if rate is None else f"{format_rate(rate)}, {stage.load.arrivals}"

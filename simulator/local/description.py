"""The description of a topology, for `check`: a line per stage, and under it all that differs from the defaults."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from simulator.behaviour.profiles.base import Profile
from simulator.local.call_description import LEGEND, Options, common_options, in_words, option_lines, written
from simulator.local.multiplication import multiplication
from simulator.quoting import printable
from simulator.topology.graph import entries
from simulator.topology.labels import labelled_series
from simulator.topology.model import Role, Stage, Topology
from simulator.topology.outlook import Multiplied
from simulator.topology.steps import Call, Step
from simulator.topology.structure import unstructure
from simulator.units import format_duration, format_rate

_HEADINGS = ("stage", "role", "delay", "workers", "queue")
_GAP = "  "
_INDENT = "    "
_MAX_PADDED = 32  # one long delay does not shift the columns of a thousand stages
# The keys in the line of a stage; all others, including future ones, are written under it.
_IN_THE_LINE = ("role", "delay", "workers", "queue", "calls", "instances", "most_instances", "operations")
_IN_THE_LINE_OF_AN_OPERATION = ("method", "path", "calls")
_IN_THE_HEADING = ("name", "seed", "stages")


def describe(
    topology: Topology, fits: bool = True, multiplied: Sequence[Multiplied] = (), width: int | None = None
) -> Group:
    """Return the description of a topology: its stages, what each does and calls, its entries, and its worst case.

    `fits` says whether this machine can start it; `multiplied` is how often what is called for one message. Lines
    longer than `width` are wrapped; None means that none is.
    """
    common = common_options(topology.stages)
    rows = [_row(name, stage) for name, stage in topology.stages.items()]
    widths = [min(_MAX_PADDED, max(map(cell_len, column))) for column in zip(_HEADINGS, *rows, strict=True)]
    lines = [_heading(topology, fits), *_of_all(topology, common)]
    if any(not isinstance(step, Call) for stage in topology.stages.values() for step in stage_steps(stage)):
        lines.append(f"{_INDENT}in calls, {LEGEND}")
    found = [*_wrapped(lines, width), Text(), Text(_line(_HEADINGS, widths), style="dim")]
    series = labelled_series(topology.stages)
    for row, (name, stage) in zip(rows, topology.stages.items(), strict=True):
        [line, *rest] = _wrapped([_line(row, widths)], width)
        line.stylize("bold", 0, len(row[0]))
        details = [*_details(stage, common), *([f"series of the labels: {series[name]}"] if name in series else [])]
        found += [line, *rest, *_wrapped((f"{_INDENT}{detail}" for detail in details), width)]
    return Group(*found, Text(), *_wrapped([_sources(topology), *multiplication(multiplied)], width))


def stage_steps(stage: Stage) -> Iterator[Step]:
    """Yield the outermost steps of all operations."""
    for operation in stage.all_operations.values():
        yield from operation.calls


def _wrapped(lines: Iterable[str], width: int | None) -> Iterator[Text]:
    for line in lines:
        if width is None or len(line) <= width:
            yield Text(line)
            continue
        indent = " " * (len(line) - len(line.lstrip()) + len(_INDENT))
        parts = textwrap.wrap(
            line,
            width,
            subsequent_indent=indent,
            expand_tabs=False,
            replace_whitespace=False,
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield from map(Text, parts)


def _heading(topology: Topology, fits: bool) -> str:
    count = len(topology.stages)
    seed = "" if topology.seed is None else f", seed {topology.seed}"
    verdict = "good to run" if fits else "nothing is wrong with it, but it is large for this machine"
    return f"{topology.name}: {count} stage{'' if count == 1 else 's'}{seed}, {verdict}"


def _of_all(topology: Topology, common: Options) -> Iterator[str]:
    """Yield what holds for all stages, or for all calls."""
    for key, value in unstructure(replace(topology, stages={})).items():
        if key not in _IN_THE_HEADING:
            yield printable(f"{_INDENT}{key}: {written(value)}")
    if common:
        yield printable(f"{_INDENT}calls, unless they say otherwise: {', '.join(common.values())}")


def _row(name: str, stage: Stage) -> tuple[str, ...]:
    count = f"{stage.instances}" if stage.max_instances is None else f"{stage.instances}..{stage.max_instances}"
    shown = name if count == "1" else f"{name} x {count}"
    return tuple(map(printable, (shown, str(stage.role), str(stage.delay), str(stage.workers), str(stage.queue))))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True))
    return _GAP.join(padded).rstrip()


def _details(stage: Stage, common: Options) -> Iterator[str]:
    plain = unstructure(stage)
    yield from map(printable, _of_operation(plain, stage.calls, _IN_THE_LINE, common))
    for name, operation in stage.operations.items():
        own = plain["operations"][name] or {}
        calls = operation.calls if "calls" in own else ()
        yield printable(f"{name}: {operation.method} {operation.path}")
        for line in _of_operation(own, calls, _IN_THE_LINE_OF_AN_OPERATION, common):
            yield printable(f"{_INDENT}{line}")
        if "calls" in own and not calls:
            yield f"{_INDENT}calls: none"


def _of_operation(
    plain: dict[str, Any], calls: Sequence[Step], left_out: Sequence[str], common: Options
) -> Iterator[str]:
    """Yield a line for each key of a stage or operation, and for each call with options."""
    for key, value in plain.items():
        if key not in left_out:
            yield f"{key}: {written(value) or 'none'}"
    if calls:
        yield f"calls: {in_words(calls)}"
        yield from option_lines(calls, common)


def _sources(topology: Topology) -> str:
    return f"entries: {', '.join(f'{name} ({words})' for name, words in entry_words(topology))}"


def entry_words(topology: Topology) -> Iterator[tuple[str, str]]:
    """Yield each stage where messages enter, and which these are."""
    for name in entries(topology):
        stage = topology.stages[name]
        yield name, _load(stage) if stage.role is Role.INJECTOR else _requests(stage)


def _requests(stage: Stage) -> str:
    """Return what requests a stage takes: its methods."""
    if stage.takes_any_path:
        return "any request"
    return ", ".join(dict.fromkeys(str(operation.method) for operation in stage.all_operations.values()))


def _load(stage: Stage) -> str:
    if stage.input is not None:
        return printable(f"from {stage.input}")
    if stage.load is None:
        return _requests(stage)
    if stage.load.users is not None:
        return printable(f"{stage.load.users} users, who think {stage.load.think}")
    if stage.load.schedule is None:
        return f"{stage.load.concurrency} at a time"
    if stage.load.profile is not None:
        return printable(f"{profile_words(stage.load.profile)}, {stage.load.arriving}")
    rate = stage.load.rate_per_second
    return f"{format_rate(rate)}, {stage.load.arriving}" if rate else "paused"


def profile_words(profile: Profile) -> str:
    """Return what a profile comes to: its highest rate, how many messages it has, and how long it lasts."""
    highest = f"up to {format_rate(float(f'{profile.highest_rate_per_second:.6g}'))}"
    if profile.messages == math.inf:
        return f"{highest}, without an end"
    return f"{highest}, {profile.messages:,.0f} messages in {format_duration(float(f'{profile.duration_seconds:.6g}'))}"

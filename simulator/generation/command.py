"""The command `generate`: a random topology as a YAML file, and a sentence that describes it."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from simulator.errors import ConfigurationError, Problem, StartError
from simulator.generation.generate import Plan, generate
from simulator.generation.load import busiest
from simulator.generation.visits import mean_visits
from simulator.topology.graph import edges
from simulator.topology.model import Topology
from simulator.topology.names import check_name
from simulator.topology.reader import write_topology
from simulator.units import format_rate, format_ratio, parse_positive_rate, parse_ratio

Value = TypeVar("Value")
_COMMENT_WIDTH = 118
# The same in every file, however the program was started: the same options give the same file, byte for byte.
_PROGRAM = "web-service-simulator"
# Each option of the command, and the field of the plan that it sets.
_OPTIONS = {
    "--stages": "stages",
    "--seed": "seed",
    "--name": "name",
    "--layers": "layers",
    "--injectors": "injectors",
    "--visits": "max_visits",
    "--rate": "rate_per_second",
    "--faults": "faulty_ratio",
    "--options": "options_ratio",
}
_SHOWN: Mapping[str, Callable[[Any], str]] = {
    "max_visits": "{:g}".format,
    "rate_per_second": format_rate,
    "faulty_ratio": format_ratio,
    "options_ratio": format_ratio,
}


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A topology as YAML text, and a sentence that describes it."""

    text: str
    summary: str


def plan_of(*, name: str | None, rate: str, faults: str, options: str, **numbers: Any) -> Plan:
    """Return the plan that the command line asks for. Raise ConfigurationError with everything that is wrong in it."""
    problems: list[Problem] = []

    def read(flag: str, parse: Callable[[str], Value], text: str) -> Value | None:
        try:
            return parse(text)
        except ValueError as error:
            problems.append(Problem(str(error), f"flag {flag}"))
            return None

    values = {
        "rate_per_second": read("--rate", parse_positive_rate, rate),
        "faulty_ratio": read("--faults", parse_ratio, faults),
        "options_ratio": read("--options", parse_ratio, options),
        "name": None if name is None else read("--name", check_name, name),
    }
    if problems:
        raise ConfigurationError(problems)
    return Plan(**numbers, **values)  # type: ignore[arg-type]


def generate_text(plan: Plan) -> Generated:
    """Return the text of a plan's topology. Raise ConfigurationError if no number of workers carries the load."""
    topology = generate(plan)
    summary = _summary(topology, plan)
    comment = [*textwrap.wrap(summary, _COMMENT_WIDTH), f"Made by: {_command_line(plan)}"]
    return Generated(text="".join(f"# {line}\n" for line in comment) + write_topology(topology), summary=summary)


def write_new(path: Path, text: str, overwrite: bool) -> None:
    """Write a file. Raise StartError if it can't be written, or exists and is not to be overwritten."""
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise StartError(f"{path} already exists: give --overwrite, or another file") from None
    except OSError as error:
        raise StartError(f"{path} can't be written: {error.strerror}") from None


def _summary(topology: Topology, plan: Plan) -> str:
    calls = sum(1 for _ in edges(topology.stages))
    text = f"{topology.name}: {_counted(len(topology.stages), 'stage')}, {_counted(calls, 'call')}"
    if len(topology.stages) == 1:
        return f"{text}; POST to it."
    name, ratio = busiest(topology.stages)
    return (
        f"{text}; a message makes {mean_visits(topology.stages):.1f} visits on average. "
        f"At {format_rate(plan.rate_per_second)} at most {ratio:.0%} of the workers of any stage are busy ({name})."
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _command_line(plan: Plan) -> str:
    """Return the command that makes the topology: with the seed, and with what differs from the defaults."""
    defaults = {field.name: field.default for field in fields(Plan)}
    words = [_PROGRAM, "generate"]
    for option, name in _OPTIONS.items():
        value = getattr(plan, name)
        if value != defaults[name]:
            words += [option, _SHOWN.get(name, str)(value)]
    return shlex.join(words)

"""`check` on files that are far too large: it takes seconds, little memory, and says what fits on a few screens."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from simulator.behaviour.delays import no_samples
from simulator.generation.generate import Plan, generate
from simulator.topology.graph import reached_from
from simulator.topology.model import Role
from simulator.topology.reader import parse_topology, write_topology
from tests.support.processes import PROGRAM, clean_environment

# Of processor time, which a machine with other things to do takes no more of.
MAX_SECONDS = 60.0
MAX_KB = 500_000
MAX_SHOWN_BYTES = 32_000
MISTAKES_SHOWN = 50
# A small program in between: for the system, a process that pytest starts has pytest's own memory until its exec.
MEASURE = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump([code, used.ru_utime + used.ru_stime, used.ru_maxrss], file)
"""


@dataclass(frozen=True)
class Checked:
    """What `check` printed, how it ended, and what it took."""

    code: int
    shown: str
    said: str
    cpu_seconds: float
    memory_kb: int


def check(folder, text):
    (folder / "large.yaml").write_text(text)
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        command = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            MEASURE,
            "used",
            sys.executable,
            str(PROGRAM),
            "check",
            "large.yaml",
        ]
        subprocess.run(command, cwd=folder, stdout=out, stderr=err, env=clean_environment(), check=True)
    code, cpu_seconds, memory_kb = json.loads((folder / "used").read_text())
    return Checked(code, (folder / "out").read_text(), (folder / "err").read_text(), cpu_seconds, memory_kb)


def assert_cheap(checked):
    assert checked.cpu_seconds < MAX_SECONDS
    assert checked.memory_kb < MAX_KB


def chain(count):
    """Write stages that each call the next one."""
    stages = [f"  s{n}: {{delay: constant(1ms), workers: 8, calls: [s{n + 1}]}}" for n in range(count - 1)]
    return "\n".join(["name: chain", "stages:", *stages, f"  s{count - 1}: {{role: terminator}}", ""])


def complete(count, with_cycles):
    """Write stages that call each other, all of them or each only those after it."""
    names = [f"s{n}" for n in range(count)]
    calls = {name: names[: n * with_cycles] + names[n + 1 :] for n, name in enumerate(names)}
    stages = [f"  {name}: {{calls: [{', '.join(to)}]}}" for name, to in calls.items()]
    return "\n".join(["name: all", "stages:", *stages, ""])


@pytest.mark.parametrize(
    ("write", "count"),
    [
        (lambda: chain(10_000), 10_000),
        (lambda: complete(120, with_cycles=False), 120),
        (lambda: chain(100) + "# nothing\n" * 400_000, 100),
    ],
    ids=["10,000 stages", "120 that call all after them", "4 MB of comments"],
)
def test_a_large_topology_is_described(tmp_path, write, count):
    """All stages are there, each in a line of its own."""
    checked = check(tmp_path, write())
    assert checked.code == 0, checked.said
    assert len(re.findall(r"^s\d+ .*constant", checked.shown, re.MULTILINE)) == count
    assert_cheap(checked)


@pytest.mark.parametrize(
    ("write", "mistake"),
    [
        (lambda: complete(120, with_cycles=True), "the calls form a cycle: s0 -> s1 -> s0"),
        (lambda: chain(65_000), "more than 200000 values"),
        (lambda: chain(80_000), "it is larger than 4194304 bytes"),
        (lambda: f"big: &big '{'x' * 1_000_000}'\nall: [{'*big, ' * 2000}]\n", "more than 16777216 characters"),
    ],
    ids=["120 that all call each other", "4 MB of stages", "more than 4 MB", "1 MB aliased 2,000 times"],
)
def test_a_topology_that_is_too_large_is_refused(tmp_path, write, mistake):
    """The first mistakes are shown, and nothing else."""
    checked = check(tmp_path, write())
    assert (checked.code, checked.shown) == (2, "")
    assert mistake in checked.said
    assert len(checked.said) < MAX_SHOWN_BYTES
    assert_cheap(checked)


@pytest.fixture(scope="module")
def five_thousand():
    """Generate 5,000 stages with faults and options, as text; the last of them call nobody."""
    return write_topology(generate(Plan(stages=5000, seed=7, faulty_ratio=0.1, options_ratio=0.3)))


def line_of(text, name, key):
    """Return the line, from 1, of a key of a stage."""
    lines = text.splitlines()
    start = lines.index(f"  {name}:")
    return next(number for number, line in enumerate(lines[start:], start + 1) if line.strip().startswith(f"{key}:"))


def test_five_thousand_generated_stages_are_described(tmp_path, five_thousand):
    """Nothing is wrong with them, and each of them is described."""
    checked = check(tmp_path, five_thousand)
    assert checked.code == 0, checked.said
    assert checked.shown.startswith("generated-5000: 5000 stages, seed 7, ")
    assert_cheap(checked)


@pytest.mark.parametrize(
    ("key", "wrong", "column", "said"),
    [
        ("delay", "delay: lognormal(p50=5ms)", 5, "delay: lognormal lacks its p99"),
        ("workers", "workers: 0", 5, "workers: 0 is out of range: must be between 1 and 100000"),
        ("queue", "queues: 64", 5, "queues: unknown key; did you mean `queue`?"),
        ("calls", "calls: [nobody]", 13, "calls[0]: there is no stage 'nobody'; there are "),
        ("calls", "calls: [injector]", 13, "calls[0]: 'injector' is an injector"),
        ("calls", "calls: [FIRST]", 5, "calls: the calls form a cycle: FIRST -> "),
    ],
    ids=["a delay", "a number", "a key", "an unknown stage", "a call to an injector", "a cycle"],
)
def test_one_mistake_in_five_thousand_stages_is_found(tmp_path, five_thousand, key, wrong, column, said):
    """It is named with its line and column, it alone, and as quickly as a topology without one is described."""
    topology = parse_topology(five_thousand, "g", no_samples, "g")
    first = topology.stages["injector"].calls[0].choose[0].step.to
    leaves = (name for name in reversed(reached_from(topology, first)) if topology.stages[name].calls == ())
    name = next(leaf for leaf in leaves if topology.stages[leaf].role is Role.PROCESSOR)
    lines = five_thousand.splitlines()
    number = line_of(five_thousand, name, "delay" if key == "calls" else key)
    if key == "calls":  # a leaf has none
        number += 1
        lines.insert(number - 1, "")
    lines[number - 1] = f"    {wrong.replace('FIRST', first)}"
    checked = check(tmp_path, "\n".join(lines))
    # A cycle is told at the stage that it comes back to.
    at, stage = (line_of("\n".join(lines), first, "calls"), first) if "cycle" in said else (number, name)
    assert (checked.code, checked.shown) == (2, "")
    assert checked.said.startswith(
        f"1 mistake:\nlarge.yaml:{at}:{column}: stages.{stage}.{said.replace('FIRST', first)}"
    )
    assert len(checked.said) < MAX_SHOWN_BYTES
    assert_cheap(checked)


def test_of_a_thousand_wrong_stages_fifty_mistakes_are_shown(tmp_path):
    """Each stage has four mistakes; how many more there are than are shown is said."""
    stages = [f"  s{n}: {{delay: fast, workers: 0, colour: red, calls: [no{n}]}}" for n in range(1000)]
    checked = check(tmp_path, "\n".join(["name: wrong", "stages:", *stages]))
    assert (checked.code, checked.shown) == (2, "")
    assert checked.said.startswith("4000 mistakes:\n")
    assert checked.said.count("\nlarge.yaml:") == MISTAKES_SHOWN
    assert checked.said.endswith("\nand 3950 more\n")
    assert len(checked.said) < MAX_SHOWN_BYTES
    assert_cheap(checked)

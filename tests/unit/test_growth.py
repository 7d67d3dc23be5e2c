"""What is done with a whole topology takes time that goes with its number of stages, and not with its square."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from pathlib import Path

import pytest

from simulator.behaviour.delays import no_samples
from simulator.generation.generate import Plan, generate
from simulator.generation.load import loads_of
from simulator.local.collisions import check_files
from simulator.local.description import describe
from simulator.local.ledger import make_ledger
from simulator.render.compose import compose_files
from simulator.render.kubernetes import kubernetes_files
from simulator.topology.draining import run_drain_seconds, waits_for
from simulator.topology.graph import called_first, callers_by_stage, entries, reached_from
from simulator.topology.outlook import Outlook
from simulator.topology.reader import parse_topology, write_topology
from simulator.topology.settings import resolve_topology_stage
from simulator.topology.sizes import size_problems
from simulator.topology.survey import Survey
from simulator.topology.wiring import wiring_problems

# In proportion it would be 4 times as long, and 16 times where each stage looks at all others.
MAX_RATIO = 8.0


@functools.cache
def plan(stages):
    return Plan(stages=stages, seed=7, faulty_ratio=0.1, options_ratio=0.3)


@functools.cache
def topology(stages):
    return generate(plan(stages))


@functools.cache
def text(stages):
    return write_topology(topology(stages))


def zeros(stages):
    return {name: defaultdict(int) for name in topology(stages).stages}


def resolve_all(stages):
    survey = Survey(topology(stages))
    for name in topology(stages).stages:
        resolve_topology_stage(survey, name, {}, no_samples)


WORK = {
    "generate": lambda stages: generate(plan(stages)),
    "write": lambda stages: write_topology(topology(stages)),
    "read": lambda stages: parse_topology(text(stages), "g.yaml", no_samples, "g"),
    "wiring": lambda stages: list(wiring_problems(topology(stages).stages, frozenset(topology(stages).stages))),
    "unknown targets": lambda stages: list(
        wiring_problems(topology(stages).stages, frozenset(f"x{number}" for number in range(stages)))
    ),
    "sizes": lambda stages: list(size_problems(topology(stages).stages)),
    "drain": lambda stages: run_drain_seconds(topology(stages)),
    "order": lambda stages: called_first(topology(stages)),
    "reached": lambda stages: reached_from(topology(stages), "injector"),
    "callers": lambda stages: callers_by_stage(topology(stages)),
    "entries": lambda stages: entries(topology(stages)),
    "waits": lambda stages: waits_for(topology(stages), dict.fromkeys(topology(stages).stages, 1)),
    "settings": resolve_all,
    "files": lambda stages: check_files(topology(stages).stages, [Path("g.yaml")]),
    "description": lambda stages: describe(topology(stages)),
    "outlook": lambda stages: (Outlook(topology(stages)).multiplied(), Outlook(topology(stages)).warnings()),
    "ledger": lambda stages: make_ledger(topology(stages), zeros(stages), {}),
    "loads": lambda stages: loads_of(topology(stages).stages),
}


# Text for other engines is written slowly: fewer stages will do.
RENDERED = {
    "compose": lambda stages: compose_files(topology(stages), "."),
    "kubernetes": lambda stages: kubernetes_files(topology(stages)),
}


def cpu_seconds(work, stages):
    """Return the processor time that it takes, of short work the least of three: a pause would count for much."""
    times = []
    while sum(times) < 1 and len(times) < 3:
        began = time.process_time()
        work(stages)
        times.append(time.process_time() - began)
    return min(times)


@pytest.mark.parametrize(
    ("work", "few"),
    [*((work, 400) for work in WORK.values()), *((work, 100) for work in RENDERED.values())],
    ids=[*WORK, *RENDERED],
)
def test_four_times_as_many_stages_take_about_four_times_as_long(work, few):
    """Less than eight times, a hundredth of a second apart: what is quadratic takes sixteen times as long.

    A machine may be twice as slow in one second as in the one before, so it is judged by two of three measurements.
    """
    many = 4 * few
    text(few), text(many)
    judged = []
    while max(judged.count(True), judged.count(False)) < 2:
        short, long = cpu_seconds(work, few), cpu_seconds(work, many)
        judged.append(long < MAX_RATIO * short + 0.01)
    assert judged.count(True) == 2, f"{short:.4f} s for {few} stages, {long:.4f} s for {many}"

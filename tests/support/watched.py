"""A run that a console watches, without its processes: real files and a real store, figures of the test's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.console.metrics.fetching import FetchError
from simulator.console.metrics.scraper import Scraper, targets_of
from simulator.console.traces.store import TraceStore
from simulator.console.watching import Watching
from simulator.local.counted import counts_of
from simulator.telemetry.record import Outcome
from simulator.telemetry.run_files import RunFiles, labels
from simulator.telemetry.tally import Tally, received_slot
from simulator.topology.graph import callers, entries, operation_edges
from simulator.topology.model import Topology
from simulator.topology.reader import read_topology
from tests.support.fake_time import FakeTime
from tests.support.processes import ROOT

CALL = "simulator_downstream_call_duration_seconds"


def shipped(name: str = "pipeline") -> Topology:
    """Read a topology that comes with the product."""
    return read_topology(ROOT / "topologies" / f"{name}.yaml")


def exposition(stage: str, samples: Mapping[str, float], delay: str = "") -> str:
    """Write a stage's /metrics; samples are {"name{labels": value}, a name alone has no labels of its own."""
    lines = [f'simulator_info{{stage="{stage}",delay="{delay}"}} 1.0']
    for series, value in samples.items():
        name, _, own = series.partition("{")
        lines.append(f'{name}{{stage="{stage}"{"," + own if own else ""}}} {value}')
    return "\n".join(lines) + "\n"


@dataclass
class Watched:
    """A run, and what it does at the word of a test; `metrics` and `delays` are what its stages tell, by their names.

    Whoever is in `down`, by its label, does not answer.
    """

    watching: Watching
    topology: Topology
    files: RunFiles
    store: TraceStore
    time: FakeTime
    tallies: dict[str, Tally]
    metrics: dict[str, dict[str, float]]
    delays: dict[str, str]
    down: set[str] = field(default_factory=set)
    nudges: list[float] = field(default_factory=list)

    def handle(
        self, stage: str, count: int, seconds: float = 0.05, outcome: Outcome = Outcome.FORWARDED, late: float = 0.0
    ) -> None:
        """Have a stage handle messages; those of an entry begin there, so many seconds after they were due."""
        tally = self.tallies[labels(stage, self.topology.stages[stage].instances)[0]]
        tally.add(received_slot("outside"), count)
        tally.add(f"outcome.{outcome}", count)
        for _ in range(count):
            tally.observe("handling_seconds", seconds)
            if stage in entries(self.topology):
                tally.observe("pipeline_seconds", late + seconds)
        series = f'simulator_messages_total{{outcome="{outcome}"'
        self.metrics[stage][series] = self.metrics[stage].get(series, 0.0) + count

    def look(self, after_seconds: float = 1.0) -> None:
        """Let time pass and look."""
        self.time.advance(after_seconds)
        self.watching.look()

    def log(self, label: str, **fields: Any) -> None:
        """Have a process write a line."""
        with self.files.log(label).open("a") as file:
            file.write(json.dumps(fields) + "\n")


def watched(folder: Path, topology: Topology | None = None) -> Watched:
    """Make the files of a run in a folder, and what watches it."""
    topology = topology or shipped()
    files, time, store = RunFiles(folder), FakeTime(), TraceStore()
    files.logs.mkdir()
    files.tallies.mkdir()
    tallies = {}
    for name, stage in topology.stages.items():
        called = [to for caller, to in operation_edges(topology.stages) if caller == name]
        for label in labels(name, stage.instances):
            tallies[label] = Tally.create(files.tally(label), counts_of(name, stage, callers(topology, name), called))
    metrics: dict[str, dict[str, float]] = {name: {} for name in topology.stages}
    delays = {name: str(stage.delay) for name, stage in topology.stages.items()}
    urls = {
        name: [f"http://{label}/messages" for label in labels(name, stage.instances)]
        for name, stage in topology.stages.items()
    }
    found: list[Watched] = []

    def fetch(url: str) -> str:
        label = url.removeprefix("http://").removesuffix("/metrics")
        if label in found[0].down:
            raise FetchError("nothing is listening there")
        stage = label.partition(".")[0]
        return exposition(stage, metrics[stage], delays[stage])

    scraper = Scraper(targets_of(urls), fetch, time.now)
    nudges: list[float] = []
    watching = Watching(topology, files, store, scraper, time, lambda: nudges.append(time.seconds))
    found.append(Watched(watching, topology, files, store, time, tallies, metrics, delays, nudges=nudges))
    return found[0]

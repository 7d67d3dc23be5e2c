"""Probes in virtual time: nothing is written, and the machine does not matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from simulator.behaviour.thresholds import Threshold
from simulator.behaviour.verdicts import Judge
from simulator.engine.output import Discarding
from simulator.garbage import RareCollection
from simulator.local.judged_rows import judge_row
from simulator.proof.capacity.figures import ProbeFigures
from simulator.proof.capacity.load import at_rate
from simulator.proof.capacity.probe import Probe, ProbePlan, probe_of
from simulator.telemetry.due_seconds import DueSeconds
from simulator.telemetry.observe import Sink
from simulator.telemetry.record import StageRecord
from simulator.telemetry.schedule import ScheduleWatcher
from simulator.telemetry.truth import visit_row
from simulator.topology.draining import run_drain_seconds
from simulator.topology.model import Topology
from simulator.topology.targets import operation_names
from simulator.topology.thresholds import subject_of
from simulator.virtual.kernel import Kernel
from simulator.virtual.system import InstanceSetup, VirtualSystem

_SLICES = 100  # after each of which Ctrl-C is looked at


class VirtualProber:
    """Drive a topology with a seed in virtual time; `check()` is called now and then, and may raise an exception."""

    def __init__(
        self, topology: Topology, injector: str, thresholds: tuple[Threshold, ...], check: Callable[[], None]
    ) -> None:
        self._topology = topology
        self._injector = injector
        self._thresholds = thresholds
        self._check = check
        known = operation_names(topology.stages)
        self._subjects = [subject_of(threshold, known) for threshold in thresholds]

    def probe(self, rate_per_second: float, plan: ProbePlan) -> Probe:
        """Drive it from the start, for as long as planned and until everything is answered."""
        topology = at_rate(self._topology, self._injector, rate_per_second)
        judge = Judge(self._thresholds, self._subjects, 0.0, plan.warm_up_seconds)
        figures = ProbeFigures(topology, plan.warm_up_seconds, plan.total_seconds)

        def on_row(row: Mapping[str, Any]) -> None:
            judge_row(judge, row, 0.0)
            figures.add(row)

        self._run(topology, plan.total_seconds, on_row)
        return probe_of(rate_per_second, plan, judge.verdicts(plan.total_seconds), figures)

    def _run(self, topology: Topology, seconds: float, on_row: Callable[[Mapping[str, Any]], None]) -> None:
        kernel, due = Kernel(), list[DueSeconds]()

        def setup(name: str, instance: int) -> InstanceSetup:
            sink = _RowSink(name, instance, on_row)
            seconds = DueSeconds(name, instance, kernel, lambda line: on_row(orjson.loads(line)))
            due.append(seconds)
            watcher = ScheduleWatcher(None, None, None, seconds)
            return InstanceSetup(sinks=lambda _: [sink], listener=watcher, output=Discarding())

        system = VirtualSystem(topology, kernel, setup)
        with RareCollection(lambda: system.in_flight):
            system.start()
            for number in range(1, _SLICES + 1):
                self._check()
                kernel.run(seconds * number / _SLICES - kernel.now())
            system.stop_loads()
            bound = kernel.now() + run_drain_seconds(topology)
            while system.in_flight and kernel.now() < bound:
                self._check()
                kernel.run(min(seconds / _SLICES, bound - kernel.now()))
            system.break_off()
        for each in due:
            each.close()


class _RowSink(Sink):
    """Hand over a row for each visit."""

    def __init__(self, stage: str, instance: int, on_row: Callable[[Mapping[str, Any]], None]) -> None:
        self._stage = stage
        self._instance = instance
        self._on_row = on_row

    def handled(self, record: StageRecord) -> None:
        """Hand over the row."""
        self._on_row(visit_row(self._stage, self._instance, record))

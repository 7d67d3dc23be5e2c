"""Probes in real time: for each the topology is started, driven and stopped like a run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.behaviour.thresholds import Threshold
from simulator.behaviour.verdicts import Judge
from simulator.local.collisions import check_files
from simulator.local.command import start_pace
from simulator.local.control_token import control_token
from simulator.local.folder import RunFolder, open_run_folder
from simulator.local.judged_rows import judge_row
from simulator.local.machine import check_open_files, this_machine
from simulator.local.packing import pack
from simulator.local.stop_request import Interrupted, StopRequest
from simulator.local.supervisor import Supervisor
from simulator.local.telemetry_folder import without_standard_output
from simulator.local.truth_folder import TruthManifest
from simulator.local.truth_tail import TruthTail
from simulator.local.view import Silence
from simulator.net.open_files import allow_many_files
from simulator.proof.capacity.bottleneck import MachineLoad, machine_limit
from simulator.proof.capacity.figures import ProbeFigures
from simulator.proof.capacity.load import at_rate
from simulator.proof.capacity.machine import (
    CoreTimes,
    busy_ratio,
    longest_wait_ratio,
    own_cores,
    read_core_times,
    read_waits,
)
from simulator.proof.capacity.probe import Probe, ProbePlan, probe_of
from simulator.telemetry.run_files import labels
from simulator.telemetry.service import for_named_stages
from simulator.topology.model import Topology
from simulator.topology.targets import operation_names
from simulator.topology.thresholds import subject_of
from simulator.topology.variables import ENVIRONMENT_PREFIX

_QUIET = {f"{ENVIRONMENT_PREFIX}LOG_LEVEL": "warning"}  # a line for each message would cost what the probe measures


class LiveProber:
    """Drive a topology on this machine, each probe in the folder `report`, by default the one of a run of its name."""

    def __init__(
        self,
        topology: Topology,
        injector: str,
        thresholds: tuple[Threshold, ...],
        file: Path,
        report: Path | None,
        program: Sequence[str],
        environment: Mapping[str, str],
        stop: StopRequest,
    ) -> None:
        self._topology = topology
        self._injector = injector
        self._thresholds = thresholds
        self._file = file
        self._report = report
        self._program = program
        kept, _ = without_standard_output(for_named_stages(environment)[0])
        self._environment = {**_QUIET, **kept}
        self._stop = stop
        known = operation_names(topology.stages)
        self._subjects = [subject_of(threshold, known) for threshold in thresholds]

    def probe(self, rate_per_second: float, plan: ProbePlan) -> Probe:
        """Drive it for as long as planned, and until everything is answered. Raise Interrupted if a person stops it."""
        topology = at_rate(self._topology, self._injector, rate_per_second)
        folder = open_run_folder(
            self._report, topology.name, lambda path: check_files(topology.stages, [self._file], path)
        )
        processes = pack(topology, None, this_machine().cores)
        check_open_files(processes, allow_many_files())
        manifest = TruthManifest(folder, topology, is_virtual=False)
        with contextlib.ExitStack() as opened:
            environment = opened.enter_context(control_token(folder, self._environment))
            supervisor = opened.enter_context(
                Supervisor(topology, folder, self._program, environment, self._stop, processes=processes)
            )
            manifest.begin(time.time())
            supervisor.start(start_pace(None))
            watch = _Watch(topology, folder, plan, supervisor, self._judge(supervisor.began_at, plan))
            opened.enter_context(watch.tail)
            supervisor.run(Silence(), plan.total_seconds, watch.look)
            if self._stop.made:
                raise Interrupted
            watch.end_load()
            result = supervisor.finish(lambda _: None)
            watch.read()
        manifest.end(time.time(), result)
        folder.release()
        verdicts = watch.judge.verdicts(supervisor.began_at + plan.total_seconds)
        limit = machine_limit(watch.figures, watch.machine())
        return probe_of(rate_per_second, plan, verdicts, watch.figures, limit)

    def _judge(self, began_at: float, plan: ProbePlan) -> Judge:
        return Judge(self._thresholds, self._subjects, began_at, plan.warm_up_seconds)


@dataclass(frozen=True)
class _Moment:
    at: float
    cores: CoreTimes | None
    waits: Mapping[int, float]


class _Watch:
    """What is seen of a probe while it runs: its rows, and the times of the cores when judging begins and ends."""

    def __init__(
        self, topology: Topology, folder: RunFolder, plan: ProbePlan, supervisor: Supervisor, judge: Judge
    ) -> None:
        began_at = supervisor.began_at
        self._pids = supervisor.pids
        self._warm_at = began_at + plan.warm_up_seconds
        self._unix_offset_seconds = time.time() - time.monotonic()
        self.judge = judge
        self.figures = ProbeFigures(topology, self._warm_at, began_at + plan.total_seconds)
        self.tail = TruthTail(folder, _labels(topology))
        self._before: _Moment | None = None
        self._after: _Moment | None = None

    def look(self, now: float) -> bool:
        """Read what is new; never end the probe."""
        if self._before is None and now >= self._warm_at:
            self._before = self._moment()
        self.read()
        return False

    def end_load(self) -> None:
        """Called when no further message is sent."""
        self._after = self._moment()

    def machine(self) -> MachineLoad:
        """Return how the machine fared between."""
        count, before, after = len(own_cores()), self._before, self._after
        if before is None or after is None:
            return MachineLoad(cores=count, busy_ratio=None)
        return MachineLoad(
            cores=count,
            busy_ratio=busy_ratio(before.cores, after.cores),
            waited_ratio=longest_wait_ratio(before.waits, after.waits, after.at - before.at),
        )

    def _moment(self) -> _Moment:
        return _Moment(time.monotonic(), read_core_times(own_cores()), read_waits(self._pids))

    def read(self) -> None:
        """Add the rows since the last time."""
        for row in self.tail.poll():
            judge_row(self.judge, row, self._unix_offset_seconds)
            self.figures.add(row)


def _labels(topology: Topology) -> Iterable[str]:
    return [label for name, stage in topology.started.items() for label in labels(name, stage.instances)]

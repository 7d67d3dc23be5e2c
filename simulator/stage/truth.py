"""The truth of one stage of a run: its rows, written to a file with a bound."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from simulator.errors import StartError
from simulator.telemetry.catalogue.truth import LOST
from simulator.telemetry.clock import Clock
from simulator.telemetry.due_seconds import DueSeconds
from simulator.telemetry.lines import Flag, LineWriter, WriterThread
from simulator.telemetry.log_file import LogBound, LogFile
from simulator.telemetry.run_files import create_file
from simulator.telemetry.tally import TRUTH_ROWS_DELETED, TRUTH_ROWS_DROPPED, Tally
from simulator.telemetry.truth import TruthSink, line_of
from simulator.topology.model import Role
from simulator.topology.settings import StageSettings


@dataclass(frozen=True, kw_only=True)
class StageTruth:
    """What writes the rows of a stage: of messages and, of an injector, of the seconds of its load."""

    sink: TruthSink
    seconds: DueSeconds | None
    writer: LineWriter

    def close(self, wait: Callable[[Flag], bool]) -> None:
        """Write what is left; `wait(flag)` waits until that is done, and returns whether it was in time."""
        if self.seconds is not None:
            self.seconds.close()
        self.writer.close(wait)


def make_truth(
    settings: StageSettings, bound: LogBound, tally: Tally | None, clock: Clock, thread: WriterThread
) -> StageTruth:
    """Return what writes the truth of a stage. Raise StartError if its file can't be written."""
    name, instance = settings.name, settings.instance
    try:
        with create_file(bound.path) as file:
            descriptor = os.dup(file.fileno())
    except OSError as error:
        raise StartError(f"{bound.path} can't be written: {error.strerror}") from None

    def tell(slot: str) -> Callable[[int], None]:
        return lambda count: tally.set(slot, count) if tally is not None else None

    writer = LineWriter(
        descriptor,
        thread,
        lambda count: line_of({"kind": LOST, "stage": name, "instance": instance, "rows": count}),
        on_loss=tell(TRUTH_ROWS_DROPPED),
        file=LogFile(descriptor, bound, tell(TRUTH_ROWS_DELETED)),
    )
    is_injector = settings.stage.role is Role.INJECTOR
    return StageTruth(
        sink=TruthSink(name, instance, writer.write),
        seconds=DueSeconds(name, instance, clock, writer.write) if is_injector else None,
        writer=writer,
    )

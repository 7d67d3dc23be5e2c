"""Judging a run by its thresholds while it goes on, from the rows of its truth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.behaviour.thresholds import Threshold
from simulator.behaviour.verdicts import Judge, Verdict
from simulator.errors import ConfigurationError
from simulator.local.judged_rows import judge_row
from simulator.local.truth_tail import TruthTail
from simulator.telemetry.run_files import RunFiles, labels
from simulator.topology.graph import entries
from simulator.topology.model import Role, Stage, Topology
from simulator.topology.targets import operation_names
from simulator.topology.thresholds import subject_of

# Of what is still to come so much more is allowed for than is expected: ten standard deviations of a thousand messages.
_MORE_RATIO, _MORE_MESSAGES = 1.1, 200
# After the end of a window its last rows may take so long to be written by their stages.
_WRITTEN_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class JudgingOptions:
    """How a run is judged: what of its beginning is left out, and whether it ends with the first broken threshold."""

    warm_up_seconds: float = 0.0
    fail_fast: bool = False


class RunJudging:
    """The judge of a run, and what it needs to know of its load.

    `duration_seconds` of None means that the run has no such end. Nothing is judged without thresholds.
    """

    def __init__(self, topology: Topology, options: JudgingOptions, duration_seconds: float | None) -> None:
        self._topology = topology
        self._options = options
        self._expected = _expected_messages(topology, duration_seconds)
        self._begun = 0
        self._unix_offset_seconds = 0.0
        self._judge: Judge | None = None
        self.given_up: Threshold | None = None

    def begin(self, start_at: float, unix_seconds: float) -> None:
        """Begin at a time of the run's clock, which was a time of day."""
        known = operation_names(self._topology.stages)
        thresholds = self._topology.thresholds
        subjects = [subject_of(threshold, known) for threshold in thresholds]
        self._unix_offset_seconds = unix_seconds - start_at
        self._judge = Judge(thresholds, subjects, start_at, self._options.warm_up_seconds)

    @property
    def stages(self) -> frozenset[str]:
        """Return the stages whose rows are needed: those of thresholds, and those where requests begin."""
        return frozenset([*entries(self._topology), *(name for name in self._topology.stages if self._is_judged(name))])

    def _is_judged(self, name: str) -> bool:
        known = operation_names(self._topology.stages)
        return any(subject_of(threshold, known)[0] == name for threshold in self._topology.thresholds)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row of the truth."""
        if self._judge is not None:
            self._begun += bool(row.get("request"))
            judge_row(self._judge, row, self._unix_offset_seconds)

    def is_over(self, now: float, in_flight: Callable[[], int], written_seconds: float = 0.0) -> bool:
        """Return whether the run is to end, because a threshold can't hold any more.

        Rows may take `written_seconds` until they are added; `in_flight()` returns how many messages are.
        """
        if self._judge is None or not self._options.fail_fast:
            return False
        count = in_flight()
        to_come = max(0.0, self._expected - self._begun - count)
        self.given_up = self._judge.broken_for_good(now - written_seconds, count, to_come)
        return self.given_up is not None

    def verdicts(self, ended_at: float | None) -> tuple[Verdict, ...]:
        """Return the verdicts; `ended_at` is when the load was stopped, None if it ended by itself."""
        return () if self._judge is None else self._judge.verdicts(ended_at)


class LiveJudging:
    """Judging a run in real time; a context manager, which follows the files of the truth until its end."""

    def __init__(self, judging: RunJudging | None, files: RunFiles) -> None:
        self._judging = judging
        self._files = files
        self._tail: TruthTail | None = None

    def __enter__(self) -> LiveJudging:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tail is not None:
            self._tail.close()

    def begin(self, topology: Topology, start_at: float) -> None:
        """Begin to judge the run, whose loads began at `start_at`, monotonic."""
        if self._judging is not None:
            self._judging.begin(start_at, time.time() - time.monotonic() + start_at)
            self._tail = TruthTail(self._files, [*_labels(topology, self._judging.stages)])

    def is_over(self, now: float, in_flight: Callable[[], int]) -> bool:
        """Judge what is new, and return whether the run is to end because of it."""
        self.read()
        return self._judging is not None and self._judging.is_over(now, in_flight, _WRITTEN_SECONDS)

    def read(self) -> None:
        """Judge what is new."""
        if self._judging is not None and self._tail is not None:
            for row in self._tail.poll():
                self._judging.add(row)

    def verdicts(self, ended_at: float | None) -> tuple[Verdict, ...]:
        """Judge what is new, and return the verdicts, as `RunJudging` does."""
        self.read()
        return () if self._judging is None else self._judging.verdicts(ended_at)

    @property
    def given_up(self) -> Threshold | None:
        """Return the threshold because of which the run ended early; None if there is none."""
        return None if self._judging is None else self._judging.given_up


def make_judging(
    topology: Topology, options: JudgingOptions, duration_seconds: float | None, with_truth: bool
) -> RunJudging | None:
    """Return the judging of a run; None if it has no thresholds. Raise ConfigurationError if it can't be judged."""
    if not topology.thresholds:
        if options.fail_fast or options.warm_up_seconds:
            flag = "--fail-fast" if options.fail_fast else "--warm-up"
            message = "there is no threshold that it could be about: add --threshold, or thresholds to the topology"
            raise ConfigurationError.of(message, f"flag {flag}")
        return None
    if not with_truth:
        message = "thresholds are judged by the truth of the run, so it must be written"
        raise ConfigurationError.of(message, "--no-truth or SIMULATOR_TRUTH")
    return RunJudging(topology, options, duration_seconds)


def _labels(topology: Topology, names: frozenset[str]) -> Iterator[str]:
    for name, stage in topology.started.items():
        if name in names:
            yield from labels(name, stage.instances)


def _expected_messages(topology: Topology, duration_seconds: float | None) -> float:
    """Return how many messages a run will hardly exceed; infinity if nothing bounds them."""
    loads = [stage for stage in topology.stages.values() if stage.role is Role.INJECTOR]
    return sum(_of_injector(stage, duration_seconds) * stage.instances for stage in loads) if loads else math.inf


def _of_injector(stage: Stage, duration_seconds: float | None) -> float:
    load = stage.load
    if load is None:
        return math.inf
    messages = math.inf if load.messages is None else float(load.messages)
    schedule = load.schedule
    if schedule is None:
        return messages
    expected = schedule.profile.messages
    if duration_seconds is not None:
        expected = min(expected, schedule.profile.expected(duration_seconds))
    return min(messages, expected * _MORE_RATIO + _MORE_MESSAGES)

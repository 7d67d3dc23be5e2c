"""What a probe did to every stage: added up from the rows of its truth, of the messages that were due in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.local.judged_rows import is_visit
from simulator.telemetry.record import CallOutcome, Outcome
from simulator.topology.model import Role, Stage, Topology

_RATE_LIMITED = 429
LATE_SECONDS = 0.05  # an injector that sends a message so much later than it was due is late


@dataclass(kw_only=True)
class StageWork:
    """One stage's visits, and sums of their times; `held_seconds` is how long they had a worker."""

    visits: int = 0
    held_seconds: float = 0.0
    held_squares: float = 0.0
    waited_seconds: float = 0.0
    own_seconds: float = 0.0
    overhead_seconds: float = 0.0
    rate_limited: int = 0
    rejected: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    stopped_by_breaker: Counter[str] = field(default_factory=Counter)


class ProbeFigures:
    """The figures of one probe; of messages that were due from `from_at` until `until_at`, when the load stops."""

    def __init__(self, topology: Topology, from_at: float, until_at: float) -> None:
        self._topology = topology
        self._from_at = from_at
        self._middle_at = (from_at + until_at) / 2
        self._until_at = until_at
        self._in_second_half = self._backlog_in_the_middle = self._backlog = 0
        self.late = 0
        self.messages = 0
        self.loads: dict[str, StageWork] = {name: StageWork() for name in topology.stages}

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a visit, as the truth has it: a column that equals its default may be missing."""
        due_at = row.get("due_at")
        if not is_visit(row):
            return
        at = row["received_at"] if due_at is None else due_at
        if at < self._from_at:
            return
        if row.get("request"):
            self.messages += 1
            self._add_to_backlog(at, at + (row.get("end_to_end_seconds") or 0.0))
            if (lag := row.get("lag_seconds")) is not None:
                self.late += lag >= LATE_SECONDS
        load = self.loads[row["stage"]]
        load.visits += 1
        waited = row.get("queue_wait_seconds")
        if waited is not None:
            load.waited_seconds += waited
            held_seconds = row["duration_seconds"] - waited - row.get("reading_seconds", 0.0)
            load.held_seconds += held_seconds
            load.held_squares += held_seconds**2
        if row.get("delay_drawn_seconds") is not None:
            load.own_seconds += row.get("own_seconds", 0.0)
            load.overhead_seconds += row.get("overhead_seconds", 0.0)
        if row["outcome"] == Outcome.REJECTED:
            load.rejected += 1
            load.rate_limited += row.get("code") == _RATE_LIMITED
        for call in row.get("calls", ()):
            load.calls[call["downstream"]] += 1
            load.stopped_by_breaker[call["downstream"]] += call["outcome"] == CallOutcome.BREAKER_OPEN

    def _add_to_backlog(self, due_at: float, done_at: float) -> None:
        self._in_second_half += due_at > self._middle_at
        self._backlog_in_the_middle += due_at <= self._middle_at < done_at
        self._backlog += due_at <= self._until_at < done_at

    def backlog_grows(self, least_ratio: float) -> bool:
        """Return whether more messages were waiting at the end than in the middle, beyond what arrivals vary by.

        Of a Poisson process they vary by the square root of their number; 4 of these happen once in 30,000 times.
        `least_ratio` is the share of the messages since the middle that must be left over in any case.
        """
        growth = self._backlog - self._backlog_in_the_middle
        return growth > max(4 * math.sqrt(self._in_second_half), least_ratio * self._in_second_half)

    def demands(self) -> dict[str, float]:
        """Return for each stage but the injectors how long a message keeps one of its workers busy, in seconds."""
        return {name: self.loads[name].held_seconds / max(1, self.messages) for name, _ in self._serving()}

    def utilisations(self, rate_per_second: float, demands: Mapping[str, float] | None = None) -> dict[str, float]:
        """Return the share of each stage's workers that a rate of messages keeps busy (the utilisation law).

        It exceeds 1 if the workers are too few, and is exact where what was due is not, for the demand of a message
        does not depend on how many happened to come. `demands` are other ones than those of this probe.
        """
        found = self.demands() if demands is None else demands
        return {name: rate_per_second * found[name] / workers_of(stage) for name, stage in self._serving()}

    def predicted_rate(self) -> float | None:
        """Return the rate at which the first stage has no worker left, or reaches its rate limit; None if none can."""
        rates = [workers_of(stage) / demand for name, stage in self._serving() if (demand := self.demands()[name]) > 0]
        for name, stage in self._serving():
            visits = self.loads[name].visits / max(1, self.messages)
            if stage.rate_limit is not None and visits:
                rates.append(stage.rate_limit.rate_per_second * stage.instances / visits)
        return min(rates, default=None)

    def as_dict(self, rate_per_second: float) -> dict[str, Any]:
        """Return for each stage but the injectors its utilisation at a rate, and what a visit took on average."""
        utilisations = self.utilisations(rate_per_second)
        return {name: _plain(self.loads[name], utilisations[name]) for name, _ in self._serving()}

    def demand_error(self, name: str) -> float:
        """Return the standard error of a stage's demand as a share of it, from how much its visits differ."""
        load = self.loads[name]
        if not load.held_seconds:
            return 0.0
        return math.sqrt(max(0.0, load.held_squares * load.visits / load.held_seconds**2 - 1) / load.visits)

    def _serving(self) -> Iterator[tuple[str, Stage]]:
        for name, stage in self._topology.stages.items():
            if stage.role is not Role.INJECTOR:
                yield name, stage


def _plain(load: StageWork, utilisation: float) -> dict[str, Any]:
    visits = max(1, load.visits)
    return {
        "visits": load.visits,
        "rejected": load.rejected,
        "utilisation": utilisation,
        "waited_seconds": load.waited_seconds / visits,
        "held_seconds": load.held_seconds / visits,
        "overhead_seconds": load.overhead_seconds / visits,
    }


def workers_of(stage: Stage) -> int:
    """Return how many workers all instances of a stage have."""
    return stage.workers * stage.instances

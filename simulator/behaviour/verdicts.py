"""Judging thresholds: every visit is added as it ends, and the verdicts follow from their sums."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.behaviour.threshold_sums import ThresholdSum, new_sum
from simulator.behaviour.thresholds import Threshold, Unit
from simulator.behaviour.visit_figures import VisitFigures
from simulator.units import format_duration, human_duration

# By so long after the end of a window every message that was due in it has ended.
_SETTLED_SECONDS = 600.0
_NEARLY = 1e-9
# A message in flight is expected to visit a stage so often at most.
_VISITS_OF_A_MESSAGE = 10


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a threshold came to. With windows, `observed` is of the worst one; None if nothing could be judged.

    `messages` are those that were judged, `reason` says why nothing was. `windows` of None means that there are none;
    `first_broken_seconds` is the start of the first that broke it, since the load began.
    """

    threshold: Threshold
    observed: float | None
    kept: bool
    messages: int
    windows: int | None = None
    broken_windows: int | None = None
    first_broken_seconds: float | None = None
    reason: str = ""

    @property
    def observed_text(self) -> str:
        """Return what was observed for people: `p99 = 212ms`, `p99 = 1.20s in the worst of 6 windows`."""
        if self.observed is None:
            return f"not judged: {self.reason}"
        windows = "" if self.windows is None else f" in the worst of {self.windows} windows"
        return f"{self.threshold.left_side} = {human_value(self.observed, self.threshold.unit)}{windows}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `bound` and `value` are in `unit`."""
        return {
            "threshold": str(self.threshold),
            "kept": self.kept,
            "observed": self.observed_text,
            "reason": self.reason,
            "subject": self.threshold.subject,
            "measure": self.threshold.measure,
            "statistic": self.threshold.statistic,
            "operator": self.threshold.operator,
            "bound": self.threshold.bound,
            "unit": str(self.threshold.unit),
            "over_seconds": self.threshold.over_seconds,
            "value": self.observed,
            "messages": self.messages,
            "windows": self.windows,
            "broken_windows": self.broken_windows,
            "first_broken_seconds": self.first_broken_seconds,
        }


def human_value(value: float, unit: Unit) -> str:
    """Return a value as people read it: 212ms, 1.25%, 3, 190/s."""
    match unit:
        case Unit.SECONDS:
            return human_duration(value) if value else "0s"
        case Unit.SHARE:
            return f"{value * 100:.3g}%"
        case Unit.RATE:
            return f"{value:.4g}/s"
        case Unit.COUNT:
            return f"{value:.0f}"


class Judge:
    """The judge of a run whose load began at `start_at`; messages that were due in the warm-up are left out.

    `subjects` says for each threshold which stage and operation it is about, "" for no particular one. Every time is in
    seconds of the run's clock. For each threshold about a percentile each message takes 8 bytes until the end.
    """

    def __init__(
        self,
        thresholds: Sequence[Threshold],
        subjects: Sequence[tuple[str, str]],
        start_at: float,
        warm_up_seconds: float = 0.0,
    ) -> None:
        self._start_at = start_at
        self._warm_up_seconds = warm_up_seconds
        self._last_at = -math.inf
        self._of_whole: list[_Judged] = []
        self._of_stages: dict[str, list[tuple[str, _Judged]]] = {}
        self._judged: list[_Judged] = []
        for threshold, (stage, operation) in zip(thresholds, subjects, strict=True):
            judged = _Judged(threshold, start_at + warm_up_seconds, start_at)
            self._judged.append(judged)
            if stage:
                self._of_stages.setdefault(stage, []).append((operation, judged))
            else:
                self._of_whole.append(judged)

    @property
    def stages(self) -> frozenset[str]:
        """Return the stages that thresholds are about; the whole is known where requests begin."""
        return frozenset(self._of_stages)

    @property
    def is_of_whole(self) -> bool:
        """Return whether a threshold is about the whole."""
        return bool(self._of_whole)

    def add(self, visit: VisitFigures) -> None:
        """Add a visit that has ended."""
        if visit.begins and visit.at > self._last_at:
            self._last_at = visit.at
        # Without one, a message may be due the moment its injector is up, before the run has seen that.
        if self._warm_up_seconds and visit.at < self._start_at + self._warm_up_seconds:
            return
        if visit.begins:
            for judged in self._of_whole:
                judged.add(visit)
        for operation, judged in self._of_stages.get(visit.stage, ()):
            if not operation or operation == visit.operation:
                judged.add(visit)

    def add_due(self, at: float, due: int, missed: int) -> None:
        """Add messages that were due about some time, and how many of them were not sent."""
        if not self._warm_up_seconds or at >= self._start_at + self._warm_up_seconds:
            for judged in self._of_whole:
                judged.add_due(at, due, missed)

    def broken_for_good(self, now: float, in_flight: int, to_come: float = math.inf) -> Threshold | None:
        """Return a threshold that can't hold any more; None if there is none.

        `in_flight` messages have not been added yet, and up to `to_come` more will begin. A window is judged once it
        has ended.
        """
        return next((one.threshold for one in self._judged if one.cannot_hold(now, in_flight, to_come)), None)

    def verdicts(self, ended_at: float | None) -> tuple[Verdict, ...]:
        """Return the verdicts, in the order of the thresholds; None for a load that ended with its last message."""
        end = self._last_at if ended_at is None else ended_at
        left_out = f" after the warm-up of {format_duration(self._warm_up_seconds)}" if self._warm_up_seconds else ""
        return tuple(judged.verdict(end, left_out) for judged in self._judged)


class _Judged:
    """A threshold with its sum, or with one for each window in which there was a message."""

    def __init__(self, threshold: Threshold, start_at: float, load_at: float) -> None:
        self.threshold = threshold
        self._start_at = start_at
        self._load_at = load_at
        self._over_seconds = threshold.over_seconds
        self._sums: dict[int, ThresholdSum] = {}

    def add(self, visit: VisitFigures) -> None:
        self._sum_of(visit.at).add(visit)

    def add_due(self, at: float, due: int, missed: int) -> None:
        self._sum_of(at).add_due(due, missed)

    def _sum_of(self, at: float) -> ThresholdSum:
        window = 0 if self._over_seconds is None else max(0, int((at - self._start_at) / self._over_seconds))
        found = self._sums.get(window)
        if found is None:
            found = self._sums[window] = new_sum(self.threshold)
        return found

    def cannot_hold(self, now: float, in_flight: int, to_come: float) -> bool:
        if self.threshold.subject:
            # How often a stage will still be visited is not known: with retries it may be any number of times.
            in_flight, to_come = in_flight * _VISITS_OF_A_MESSAGE, math.inf
        if self._over_seconds is None:
            return any(one.cannot_hold(in_flight + to_come) for one in self._sums.values())
        last = self._complete(now)
        first = last - int(_SETTLED_SECONDS / self._over_seconds) - 1
        return any(self._at(window).cannot_hold(in_flight) for window in self._windows(max(0, first), last))

    def verdict(self, ended_at: float, left_out: str) -> Verdict:
        if self._over_seconds is not None:
            return self._verdict_of_windows(self._complete(ended_at), left_out)
        found = self._at(0)
        observed = found.observed()
        return Verdict(
            threshold=self.threshold,
            observed=observed,
            kept=observed is not None and self.threshold.holds(observed),
            messages=found.count,
            reason="" if observed is not None else self._nothing(found.count, left_out),
        )

    def _verdict_of_windows(self, complete: int, left_out: str) -> Verdict:
        sums = {window: self._at(window) for window in self._windows(0, complete)}
        values = {window: value for window, one in sums.items() if (value := one.observed()) is not None}
        broken = [window for window, value in values.items() if not self.threshold.holds(value)]
        messages = sum(one.count for one in sums.values())
        reason = "" if values else self._nothing(messages, left_out)
        if not complete:
            reason = f"there was no whole window of {format_duration(self._over_seconds or 0.0)}{left_out}"
        return Verdict(
            threshold=self.threshold,
            observed=max(values.values(), key=self._badness) if values else None,
            kept=bool(values) and not broken,
            messages=messages,
            windows=len(values),
            broken_windows=len(broken),
            first_broken_seconds=self._seconds_of(min(broken)) if broken else None,
            reason=reason,
        )

    def _complete(self, end: float) -> int:
        """Return how many windows have ended by some time."""
        if not self._over_seconds or math.isinf(end):
            return 0
        return max(0, math.floor((end - self._start_at) / self._over_seconds + _NEARLY))

    def _windows(self, first: int, last: int) -> Iterator[int]:
        """Yield those windows that can be judged: of rates all, and of what messages took those that had one."""
        yield from (
            range(first, last)
            if self.threshold.unit is Unit.RATE
            else (window for window in sorted(self._sums) if first <= window < last)
        )

    def _at(self, window: int) -> ThresholdSum:
        return self._sums.get(window) or new_sum(self.threshold)

    def _seconds_of(self, window: int) -> float:
        return self._start_at - self._load_at + window * (self._over_seconds or 0.0)

    def _badness(self, value: float) -> float:
        match self.threshold.operator:
            case "<" | "<=":
                return value
            case ">" | ">=":
                return -value
            case _:
                return abs(value - self.threshold.bound)

    def _nothing(self, messages: int, left_out: str) -> str:
        if messages and self.threshold.unit is Unit.RATE:
            return f"a rate needs two messages that were due at different times{left_out}"
        return f"there was no message to judge{left_out}"


def all_kept(verdicts: Sequence[Verdict]) -> bool:
    """Return whether every threshold was kept."""
    return all(verdict.kept for verdict in verdicts)


def as_dicts(verdicts: Sequence[Verdict]) -> list[Mapping[str, Any]]:
    """Return plain values for JSON."""
    return [verdict.as_dict() for verdict in verdicts]

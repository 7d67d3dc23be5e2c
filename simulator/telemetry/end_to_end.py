"""What the requests of a whole system took from end to end, and accepted work until it was done, from the tallies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from simulator.telemetry import tally
from simulator.telemetry.record import OUTSIDE
from simulator.telemetry.standing import WINDOW_SECONDS, RollingDurations, percentiles
from simulator.telemetry.tally import Tallies

Durations = Mapping[int, int]
Percentiles = Mapping[str, float | None]
Figures = TypeVar("Figures")
Others = TypeVar("Others")


@dataclass(frozen=True, kw_only=True)
class Whole(Generic[Figures]):
    """The figures of all requests that succeeded, from end to end, and of accepted work that did.

    `requests` are by what they asked for, `accepted` by the stage or operation that had accepted the work.
    """

    every: Figures
    requests: Mapping[str, Figures] = field(default_factory=dict)
    accepted: Mapping[str, Figures] = field(default_factory=dict)

    def each(self, of: Callable[[Figures], Others]) -> Whole[Others]:
        """Return others that follow from these figures."""
        return Whole(
            every=of(self.every),
            requests={name: of(figures) for name, figures in self.requests.items()},
            accepted={name: of(figures) for name, figures in self.accepted.items()},
        )


@dataclass(frozen=True, kw_only=True)
class WholeFigures:
    """What succeeded, per second, and its percentiles in seconds, over the window; NaN if there was nothing."""

    rate_per_second: float
    p50_seconds: float
    p95_seconds: float
    p99_seconds: float


EndToEnd = Whole[Percentiles]
WholeSnapshot = Whole[WholeFigures]


NO_FIGURES = WholeFigures(rate_per_second=math.nan, p50_seconds=math.nan, p95_seconds=math.nan, p99_seconds=math.nan)


def end_to_end_durations(sources: Mapping[str, Tallies], kinds: Mapping[str, Sequence[str]]) -> Whole[Durations]:
    """Return the durations that the stages have counted; `kinds` are those of the requests that begin at each.

    Stages at which none has begun are not read any further, for they may be a thousand.
    """
    every: Durations = {}
    requests: dict[str, Durations] = {}
    accepted: dict[str, Durations] = {}
    for name, source in sources.items():
        counts = source.counts()
        if counts[tally.received_slot(OUTSIDE)]:
            whole = source.durations(tally.PIPELINE)
            every = _added(every, whole)
            for kind in kinds[name]:
                apart = whole if len(kinds[name]) == 1 else source.durations(tally.pipeline_slot(kind))
                requests[kind] = _added(requests.get(kind, {}), apart)
        if counts[tally.ACCEPTED]:
            accepted |= _accepted(name, source, tally.operations_of(counts))
    return Whole(every=every, requests=requests, accepted=accepted)


def end_to_end(sources: Mapping[str, Tallies], kinds: Mapping[str, Sequence[str]]) -> EndToEnd:
    """Return the percentiles of a whole run."""
    return end_to_end_durations(sources, kinds).each(percentiles)


class WholeWindow:
    """Follow the requests of a system over the last `window_seconds`."""

    def __init__(
        self,
        sources: Mapping[str, Tallies],
        kinds: Mapping[str, Sequence[str]],
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        self._sources = sources
        self._kinds = kinds
        self._window_seconds = window_seconds
        self._moments: dict[tuple[str, str], RollingDurations] = {}
        self._last_at: float | None = None

    def snapshot(self, now: float, found: Whole[Durations] | None = None) -> WholeSnapshot:
        """Return the figures; `now` is monotonic, and the end of the window. What is not `found` already is read."""
        if found is None:
            found = end_to_end_durations(self._sources, self._kinds)
        snapshot = Whole(
            every=self._figures(("", ""), now, found.every),
            requests={name: self._figures(("request", name), now, some) for name, some in found.requests.items()},
            accepted={name: self._figures(("accepted", name), now, some) for name, some in found.accepted.items()},
        )
        self._last_at = now
        return snapshot

    def _figures(self, key: tuple[str, str], now: float, durations: Durations) -> WholeFigures:
        if key not in self._moments:
            self._moments[key] = RollingDurations(self._window_seconds)
            if self._last_at is not None:  # there were none at the last look
                self._moments[key].figures(self._last_at, 0, {})
        return WholeFigures(**self._moments[key].figures(now, sum(durations.values()), durations))


def _accepted(name: str, source: Tallies, operations: Sequence[str]) -> Iterator[tuple[str, Durations]]:
    """Yield the durations of each operation that is counted apart, or those of the stage if none is."""
    apart = [(f"{name}.{one}", source.durations(tally.accepted_slot(one))) for one in operations]
    found = [(label, durations) for label, durations in apart if durations]
    yield from found or [(name, source.durations(tally.ACCEPTED_WORK))]


def _added(some: Durations, more: Durations) -> Durations:
    return {bucket: some.get(bucket, 0) + more.get(bucket, 0) for bucket in {**some, **more}}

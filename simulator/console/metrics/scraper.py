"""Fetch the counters of every process repeatedly, without being a burden."""

from __future__ import annotations

import math
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from simulator.console.metrics.exposition import ExpositionReader
from simulator.console.metrics.fetching import FetchError, TooLate
from simulator.console.metrics.history import History
from simulator.telemetry.run_files import labels

_INTERVAL_SECONDS = 1.0
# A look at the tallies of a thousand stages takes a third of a second, and a process 5 ms for each scrape.
_INTERVAL_A_TARGET_SECONDS = 0.005
_SCRAPES_PER_SECOND = 20
_UNWATCHED_FACTOR = 5
# A user who has changed something waits for its effect.
_HURRY_FACTOR = 0.5
_HURRY_SECONDS = 6.0
# A page asks every second or two; one that is hidden for a moment is still open.
_WATCHED_FOR_SECONDS = 10.0
# A busy process answers late now and then; only this many late answers in a row mean that it is down.
_LATE_ROUNDS = 3


@dataclass(frozen=True)
class ScrapeTarget:
    """One process of a stage: its label, and the URL of its /metrics."""

    stage: str
    label: str
    url: str


def targets_of(addresses: Mapping[str, Sequence[str]]) -> list[ScrapeTarget]:
    """Return the processes of a run, from {stage: [URL that takes messages, ...]}."""
    return [
        ScrapeTarget(stage, label, urllib.parse.urljoin(url, "/metrics"))
        for stage, urls in addresses.items()
        for label, url in zip(labels(stage, len(urls)), urls, strict=True)
    ]


def interval_seconds(targets: int, is_watched: bool) -> float:
    """Return the time from one round to the next: longer for more processes, and while no page is open."""
    interval = max(_INTERVAL_SECONDS, _INTERVAL_A_TARGET_SECONDS * targets)
    return interval if is_watched else interval * _UNWATCHED_FACTOR


def scrapes_a_round(targets: int) -> int:
    """Return how many processes a round fetches from; the next round continues after them."""
    return min(targets, math.ceil(_SCRAPES_PER_SECOND * interval_seconds(targets, is_watched=True)))


def one_by_one(visit: Callable[[ScrapeTarget], None], targets: Iterable[ScrapeTarget]) -> None:
    """Visit the targets one after the other."""
    for target in targets:
        visit(target)


class Scraper:
    """The histories of some processes, kept up to date.

    `fetch(url)` returns a text or raises FetchError; `monotonic` is the clock of the histories.
    """

    def __init__(
        self, targets: Sequence[ScrapeTarget], fetch: Callable[[str], str], monotonic: Callable[[], float]
    ) -> None:
        self._targets = tuple(targets)
        self._fetch = fetch
        self._monotonic = monotonic
        self._readers = {target: ExpositionReader() for target in targets}
        self._histories = {target: History() for target in targets}
        self._by_stage: dict[str, list[History]] = {}
        for target, history in self._histories.items():
            self._by_stage.setdefault(target.stage, []).append(history)
        self._late_rounds = dict.fromkeys(targets, 0)
        self._next = 0
        self._began_at: float | None = None
        self._watched_at = self._hurried_at = -math.inf

    def watched(self) -> None:
        """Called when a page is open."""
        self._watched_at = self._monotonic()

    def hurry(self) -> None:
        """Called when something was changed: for a few seconds rounds are twice as frequent."""
        self._watched_at = self._hurried_at = self._monotonic()

    def due_in_seconds(self) -> float:
        """Return the time until the next round should begin; 0 if it should begin now."""
        if self._began_at is None:
            return 0.0
        now = self._monotonic()
        interval = interval_seconds(len(self._targets), now - self._watched_at <= _WATCHED_FOR_SECONDS)
        if now - self._hurried_at <= _HURRY_SECONDS:
            interval *= _HURRY_FACTOR
        return max(0.0, self._began_at + interval - now)

    def round(
        self, for_each: Callable[[Callable[[ScrapeTarget], None], Iterable[ScrapeTarget]], object] = one_by_one
    ) -> None:
        """Fetch from all targets, or from the next ones if there are many.

        `for_each(visit, targets)` may do so concurrently, and returns when all are done.
        """
        self._began_at = self._monotonic()
        count, first = scrapes_a_round(len(self._targets)), self._next
        self._next = (first + count) % max(1, len(self._targets))
        for_each(self._visit, (*self._targets, *self._targets)[first : first + count])

    def histories(self, stage: str) -> list[History]:
        """Return the histories of a stage's processes, in their order."""
        return self._by_stage.get(stage, [])

    def _visit(self, target: ScrapeTarget) -> None:
        history = self._histories[target]
        late_rounds, self._late_rounds[target] = self._late_rounds[target] + 1, 0
        try:
            samples = self._readers[target].read(self._fetch(target.url))
        except TooLate as error:
            self._late_rounds[target] = late_rounds
            if late_rounds >= _LATE_ROUNDS:
                history.mark_down(str(error))
        except (FetchError, ValueError) as error:
            history.mark_down(str(error))
        else:
            history.record(self._monotonic(), samples)

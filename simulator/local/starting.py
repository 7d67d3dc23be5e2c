"""The start of a run: a few stages at a time, with a time limit until the next one is ready."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from simulator.errors import StartError
from simulator.local.stage_processes import how_it_ended
from simulator.units import format_duration

DEFAULT_TIMEOUT_SECONDS = 60.0


class Startable(Protocol):
    """A stage of a run."""

    label: str

    @property
    def returncode(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""

    def last_words(self) -> str:
        """Return why it did not start, as far as it said so."""


C = TypeVar("C", bound=Startable)


@dataclass(frozen=True, kw_only=True)
class StartPace:
    """How many stages are started at the same time, and the longest time until the next one of them is ready."""

    concurrency: int
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS


def start_stages(
    groups: Sequence[Sequence[C]],
    begin: Callable[[C], None],
    ready_among: Callable[[Iterable[C]], Iterable[C]],
    pace: StartPace,
    now: Callable[[], float],
    on_tick: Callable[[int], None],
) -> None:
    """Start stages in their order, a group when the one before is ready, and return when all are ready.

    `ready_among` waits for a moment and returns those that have become ready; `on_tick(ready)` is called repeatedly
    with their number. Raise StartError if a stage ends, or if none becomes ready in time; what `on_tick` raises ends
    the start.
    """
    count, ready, last_ready = sum(map(len, groups)), 0, now()
    for group in groups:
        waiting, starting = deque(group), dict[str, C]()
        while waiting or starting:
            while waiting and len(starting) < pace.concurrency:
                child = waiting.popleft()
                begin(child)
                starting[child.label] = child
            for child in list(ready_among(starting.values())):
                del starting[child.label]
                ready += 1
                last_ready = now()
            _refuse_ended(starting.values())
            on_tick(ready)
            if starting and now() - last_ready > pace.timeout_seconds:
                raise StartError(_too_slow(starting.values(), ready, count, pace.timeout_seconds))


def _refuse_ended(starting: Iterable[Startable]) -> None:
    for child in starting:
        if (code := child.returncode) is not None:
            raise StartError(_with_words(f"stage {child.label} did not start: it {how_it_ended(code)}", child))


def _too_slow(starting: Iterable[Startable], ready: int, count: int, timeout_seconds: float) -> str:
    first = next(iter(starting))
    names = ", ".join(child.label for child in starting)
    said = f"{ready} of {count} stages are ready, and no other became ready for {format_duration(timeout_seconds)}"
    return _with_words(f"{said}; waiting for {names}; --start-timeout waits longer", first)


def _with_words(text: str, child: Startable) -> str:
    words = child.last_words()
    return f"{text}\n{words}" if words else f"{text}; it wrote nothing to standard error"

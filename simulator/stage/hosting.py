"""The stages of one process: started together, and stopped one by one, callers before the stages that they call."""

from __future__ import annotations

import ctypes
import functools
import gc
from collections.abc import Callable, Mapping
from contextlib import nullcontext

import gevent

from simulator.garbage import RareCollection
from simulator.stage.assembly import Surroundings
from simulator.stage.running import RunningStage
from simulator.stage.shared import Shared
from simulator.stage.siblings import Siblings
from simulator.topology.settings import StageSettings

OnEnd = Callable[[str, int], None]


def _nothing(label: str, code: int) -> None:
    pass


class Host:
    """The stages of this process, by their labels. `has_failed` means that one of them did not end normally.

    With `siblings` other processes of the same container have stages, too.
    """

    def __init__(self, environment: Mapping[str, str], siblings: Siblings | None = None) -> None:
        self._environment = environment
        self._shared = Shared(environment, siblings.turn if siblings else nullcontext)
        self._siblings = siblings
        self._added: list[str] = []
        self._stages: dict[str, RunningStage] = {}
        self._ending: dict[str, gevent.Greenlet] = {}
        self._ended: set[str] = set()
        self._rare_collection = RareCollection(lambda: sum(stage.in_flight for stage in self._stages.values()))
        self.has_failed = False

    @property
    def is_over(self) -> bool:
        """Return whether there were stages, and all of them have ended."""
        return 0 < len(self._stages) == len(self._ended)

    def add(self, label: str, settings: StageSettings, surroundings: Surroundings) -> None:
        """Assemble a stage. Raise StartError or ConfigurationError if that can't be done."""
        self._stages[label] = RunningStage(settings, surroundings, self._environment, self._shared)
        self._added.append(label)

    def begin(self) -> list[str]:
        """Start the stages that have been added, and return their labels."""
        started, self._added = self._added, []
        _settle_memory()
        self._rare_collection.begin()
        for label in started:
            self._stages[label].begin()
        return started

    def end(self, label: str, on_end: OnEnd = _nothing) -> None:
        """Stop a stage whose callers have ended, in the background.

        `on_end(label, exit code)` is called when it has ended.
        """
        self._begin_end(label, 0.0, lambda: None, on_end)

    def close_to_others(self, label: str) -> None:
        """Make a stage take messages only from the stages of its circle, before all of these are stopped."""
        if label in self._stages:
            self._stages[label].close_to_others()

    def hurry(self, label: str) -> None:
        """Make a stage that is stopping wait no longer for what it has admitted."""
        if label in self._stages:
            self._stages[label].hurry()

    def hurry_all(self) -> None:
        """Hurry every stage."""
        for stage in self._stages.values():
            stage.hurry()

    def end_all(self, by_orchestrator: bool, on_end: OnEnd = _nothing) -> None:
        """Stop every stage after those here that call it, those in a circle together, and return when all have ended.

        With `by_orchestrator` others may still send here for a while, so that each stage waits for its shutdown delay.
        """
        labels_of: dict[str, list[str]] = {}
        for label, stage in self._stages.items():
            labels_of.setdefault(stage.settings.name, []).append(label)

        def wait_for_callers(label: str) -> None:
            settings = self._stages[label].settings
            callers = [caller for caller in settings.callers_stopped_before if caller not in settings.circle]
            gevent.joinall([self._ending[other] for caller in callers for other in labels_of.get(caller, ())])
            if self._siblings is not None:
                self._siblings.wait_for(caller for caller in settings.callers_stopped_before if caller not in labels_of)

        for label, stage in self._stages.items():
            delay_seconds = stage.settings.shutdown_delay_seconds if by_orchestrator else 0.0
            self._begin_end(label, delay_seconds, functools.partial(wait_for_callers, label), on_end)
        gevent.joinall(list(self._ending.values()))

    def _begin_end(self, label: str, delay_seconds: float, wait_for_callers: Callable[[], None], on_end: OnEnd) -> None:
        if label in self._stages and label not in self._ending:
            self._ending[label] = gevent.spawn(self._end, label, delay_seconds, wait_for_callers, on_end)

    def _end(self, label: str, delay_seconds: float, wait_for_callers: Callable[[], None], on_end: OnEnd) -> None:
        code = 1
        try:
            circle = self._circle_of(label)
            self._stages[label].shut_down(
                delay_seconds, wait_for_callers, lambda: any(stage.is_busy for stage in circle)
            )
            code = 0
        except BaseException:
            self.has_failed = True
            raise  # gevent shows it on standard error
        finally:
            self._ended.add(label)
            if self._siblings is not None:
                self._siblings.has_ended(label)
            on_end(label, code)

    def _circle_of(self, label: str) -> list[RunningStage]:
        """Return the stages of this process in the same circle, the stage itself included."""
        circle = self._stages[label].settings.circle
        return [stage for stage in self._stages.values() if stage.settings.name in circle] if circle else []


def _settle_memory() -> None:
    """Exclude from garbage collection what lives as long as the process.

    What only starting took goes back to the system, where the C library is one that can do that.
    """
    gc.collect()
    gc.freeze()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)

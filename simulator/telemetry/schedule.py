"""Recording in metrics, tally and log how an injector's schedule is kept and its input is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structlog.typing import FilteringBoundLogger

from simulator.telemetry import tally as tallies
from simulator.telemetry.metrics import Metrics
from simulator.telemetry.tally import MemoryTally, Tally

if TYPE_CHECKING:
    from simulator.telemetry.due_seconds import DueSeconds  # only stages that write the truth need it


class ScheduleWatcher:
    """Record each message that an injector creates.

    `metrics` or `logger` of None means that there are none, `tally` of None that there is no ledger, and `seconds` of
    None that there is no truth.
    """

    def __init__(
        self,
        metrics: Metrics | None,
        tally: Tally | MemoryTally | None,
        logger: FilteringBoundLogger | None,
        seconds: DueSeconds | None = None,
    ) -> None:
        self._metrics = metrics
        self._tally = tally
        self._logger = logger
        self._seconds = seconds

    def due(self, lag_seconds: float) -> None:
        """Record that a message was due, and how late it started."""
        if self._metrics is not None:
            self._metrics.record_due(lag_seconds)
        if self._seconds is not None:
            self._seconds.due(lag_seconds)
        self._count(tallies.DUE)

    def missed(self) -> None:
        """Record that a due message was rejected."""
        if self._metrics is not None:
            self._metrics.record_missed()
        if self._seconds is not None:
            self._seconds.missed()
        self._count(tallies.MISSED)

    def unstarted(self, count: int, oldest_lag_seconds: float) -> None:
        """Record and log that messages were due and missed, since the load was stopped before they started."""
        if self._metrics is not None:
            self._metrics.record_unstarted(count)
        if self._logger is not None:
            self._logger.warning("load.behind", missed=count, lag_seconds=oldest_lag_seconds)
        if self._seconds is not None:
            self._seconds.unstarted(count)
        self._count(tallies.DUE, count)
        self._count(tallies.MISSED, count)

    def line(self) -> None:
        """Record that a line of the input was read."""
        self._count(tallies.LINES)

    def bad_line(self, number: int, reason: str) -> None:
        """Record that a line of the input is not a message, and log which one."""
        if self._logger is not None:
            self._logger.error("input.bad_line", line=number, error=reason)
        self._count(tallies.BAD_LINES)

    def finished(self) -> None:
        """Record that the load has finished."""
        if self._logger is not None:
            self._logger.info("load.finished")
        self._count(tallies.LOAD_FINISHED)

    def _count(self, name: str, count: int = 1) -> None:
        if self._tally is not None:
            self._tally.add(name, count)

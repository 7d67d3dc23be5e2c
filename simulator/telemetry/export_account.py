"""What becomes of the telemetry of one stage: every item arrives, or is counted as lost and logged."""

from __future__ import annotations

import threading
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from simulator.telemetry.otlp_answers import NO_CONNECTION
from simulator.telemetry.otlp_batch import CollectorAnswer
from simulator.telemetry.otlp_signal import Signal
from simulator.urls import redacted

_HINT = "start a collector there, or set OTEL_EXPORTER_OTLP_ENDPOINT to where one is"


class ExportAccount:
    """What becomes of the spans of one stage, its log records or its data points, at one endpoint.

    The first failure is logged as a warning with its reason, later ones are only counted, and when items get through
    again the log says how many were lost. `record_dropped(count)` is called for every item that does not arrive.
    """

    def __init__(
        self,
        logger: FilteringBoundLogger,
        record_dropped: Callable[[int], None],
        endpoint: str,
        signal: Signal = Signal.TRACES,
    ) -> None:
        self._logger = logger
        self._record_dropped = record_dropped
        self._endpoint = redacted(endpoint)
        self._signal = signal
        self._unreported = 0
        self._is_failing = self._was_rejected = self._overflowed = False
        self._is_over = False
        self._waiting = self._in_flight = 0
        self._lock = threading.Lock()
        # Set when the end is near and nothing is waiting or in flight any more.
        self.settled = threading.Event()
        self._is_ending = False
        self.dropped = 0  # items that did not arrive, here or because there was no room

    def wait(self) -> None:
        """Record an item that is waiting for its batch."""
        self._waiting += 1

    def begin(self, count: int) -> None:
        """Record items that are being sent."""
        with self._lock:
            self._waiting -= count
            self._in_flight += count

    def end(self, count: int, answer: CollectorAnswer, rejected: int) -> bool:
        """Record what became of items that were being sent; return False if they were already counted as lost."""
        with self._lock:
            self._in_flight -= count
            if self._is_over:
                return False
            if answer.is_taken:
                self._arrived(answer, rejected)
            else:
                self._failed(answer)
                self.lose(count)
        self._settle()
        return True

    def skip(self, count: int) -> None:
        """Count items as lost that were waiting and will not be sent."""
        with self._lock:
            self._waiting -= count
            if not self._is_over:
                self.lose(count)
        self._settle()

    def lose(self, count: int) -> None:
        """Count items as lost."""
        self.dropped += count
        self._unreported += count
        self._record_dropped(count)

    def overflow(self, queue_items: int) -> None:
        """Drop and count an item for which the queue has no room."""
        if not self._overflowed:  # log it once: it may last for as long as the collector is slow
            self._overflowed = True
            waiting = f"{queue_items} {self._signal.words} wait already"
            reason = f"{waiting}: the collector accepts them more slowly than they are made"
            self._logger.warning("telemetry.queue_full", endpoint=self._endpoint, reason=reason)
        self.lose(1)

    def begin_end(self) -> None:
        """Called when no further item will come."""
        self._is_ending = True
        self._settle()

    def conclude(self) -> None:
        """Count what is still waiting or in flight as lost, and log what was lost since the last log line about it."""
        with self._lock:
            self._is_over = True
            left = self._waiting + self._in_flight
        if left:
            self.lose(left)
        if self._unreported:
            self._log_dropped(self._unreported)
            self._unreported = 0

    def _log_dropped(self, count: int) -> None:
        if self._signal is Signal.TRACES:
            self._logger.warning("telemetry.spans_dropped", endpoint=self._endpoint, spans_dropped=count)
        elif self._signal is Signal.LOGS:
            self._logger.warning("telemetry.log_records_dropped", endpoint=self._endpoint, log_records_dropped=count)
        else:
            self._logger.warning("telemetry.data_points_dropped", endpoint=self._endpoint, data_points_dropped=count)

    def _log_rejected(self, reason: str) -> None:
        if self._signal is Signal.TRACES:
            self._logger.warning("telemetry.spans_rejected", endpoint=self._endpoint, reason=reason)
        elif self._signal is Signal.LOGS:
            self._logger.warning("telemetry.log_records_rejected", endpoint=self._endpoint, reason=reason)
        else:
            self._logger.warning("telemetry.data_points_rejected", endpoint=self._endpoint, reason=reason)

    def _settle(self) -> None:
        if self._is_ending and not self._waiting and not self._in_flight:
            self.settled.set()

    def _failed(self, answer: CollectorAnswer) -> None:
        if self._is_failing:
            return
        self._is_failing = True
        hint = {"hint": _HINT} if answer.problem == NO_CONNECTION else {}
        self._logger.warning("telemetry.export_failed", endpoint=self._endpoint, reason=answer.problem, **hint)

    def _arrived(self, answer: CollectorAnswer, rejected: int) -> None:
        if self._is_failing:
            lost = {f"{self._signal.items}_dropped": self._unreported}
            self._logger.info("telemetry.export_recovered", endpoint=self._endpoint, **lost)
            self._is_failing = False
            self._unreported = 0
        if not rejected:
            return
        if not self._was_rejected:  # log it once: it may happen to every batch from now on
            self._was_rejected = True
            self._log_rejected(answer.problem)
        self.lose(rejected)

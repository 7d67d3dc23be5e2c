"""Spans to a collector that may be absent, slow or broken, at no cost to the service, and with every loss counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from structlog.typing import FilteringBoundLogger

from simulator.telemetry.batching import Batching
from simulator.telemetry.otlp import FLUSH_SECONDS
from simulator.telemetry.otlp_posting import NO_CONNECTION, Answer
from simulator.urls import redacted

PAUSE_SECONDS = 5.0
# At the end, batches are begun for a part of the time, so that the last of them has the rest to be answered in.
_BEGIN_RATIO = 0.5
_HINT = "start a collector there, or set OTEL_EXPORTER_OTLP_ENDPOINT to where one is"


class SpanSender(Protocol):
    """The way of a batch to the collector."""

    def send(self, spans: Sequence[ReadableSpan], timeout_seconds: float | None = None) -> Answer:
        """Send a batch, within `timeout_seconds`, or the usual time for None, and return what came of it."""

    def close(self) -> None:
        """Called at the end; a wait between two tries ends."""


class PatientExporter(SpanExporter):
    """Export through a sender; when that fails, drop and count spans for a while instead of trying each batch.

    The first failure is logged as a warning with its reason, later ones are only counted, and when spans get through
    again the log says how many were lost. `record_dropped(count)` is called for every span that does not arrive.
    """

    def __init__(
        self,
        sender: SpanSender,
        logger: FilteringBoundLogger,
        record_dropped: Callable[[int], None],
        monotonic: Callable[[], float],
        endpoint: str,
    ) -> None:
        self._sender = sender
        self._logger = logger
        self._record_dropped = record_dropped
        self._monotonic = monotonic
        self._endpoint = redacted(endpoint)
        self._paused_until = float("-inf")
        # Both are of the flush, once it has begun.
        self._end: float | None = None
        self._begin_until = float("inf")
        self._untold = 0
        self._is_failing = self._was_rejected = self._overflowed = False
        self._ending = threading.Lock()  # of a batch, or of everything
        self._is_over = False
        self._under_way = 0
        self.taken = 0  # spans that came here, exported or not
        self.dropped = 0  # spans that did not arrive, here or because there was no room

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch, or drop it while the collector is given time to come back."""
        self.taken += len(spans)
        now = self._monotonic()
        if now < self._paused_until or now >= self._begin_until:
            self.lose(len(spans))
            return SpanExportResult.FAILURE
        self._under_way = len(spans)
        answer = self._send(spans, None if self._end is None else self._end - now)
        with self._ending:
            self._under_way = 0
            if self._is_over:  # these spans have been counted as lost already
                return SpanExportResult.FAILURE
            if not answer.is_taken:
                self._paused_until = self._monotonic() + PAUSE_SECONDS
                self._failed(answer)
                self.lose(len(spans))
                return SpanExportResult.FAILURE
            self._arrived(answer, min(answer.spans_rejected, len(spans)))
            return SpanExportResult.SUCCESS

    def lose(self, count: int) -> None:
        """Count spans as lost."""
        self.dropped += count
        self._untold += count
        self._record_dropped(count)

    def overflow(self, queue_spans: int) -> None:
        """Drop and count a span for which the queue has no room."""
        if not self._overflowed:  # once: it may go on for as long as the collector is slow
            self._overflowed = True
            reason = f"{queue_spans} spans wait already: the collector takes them more slowly than they are made"
            self._logger.warning("telemetry.queue_full", endpoint=self._endpoint, reason=reason)
        self.lose(1)

    def begin_flush(self, flush_seconds: float) -> None:
        """Called when the end is near: it comes after this time."""
        now = self._monotonic()
        self._end, self._begin_until = now + flush_seconds, now + flush_seconds * _BEGIN_RATIO

    def shutdown(self) -> None:
        """Close the sender."""
        self._sender.close()

    def conclude(self, waiting: int) -> None:
        """Count what is still waiting and under way as lost, and log what was lost since that was last logged."""
        with self._ending:
            self._is_over = True
            left = waiting + self._under_way
        if left:
            self.lose(left)
        if self._untold:
            self._logger.warning("telemetry.spans_dropped", endpoint=self._endpoint, spans_dropped=self._untold)
            self._untold = 0

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True: nothing is kept here."""
        return True

    def _send(self, spans: Sequence[ReadableSpan], timeout_seconds: float | None) -> Answer:
        try:
            return self._sender.send(spans, timeout_seconds)
        except Exception as error:  # noqa: BLE001 - whatever breaks costs spans, counted ones, and nothing else
            return Answer(False, problem=f"a batch can't be sent: {type(error).__name__}")

    def _failed(self, answer: Answer) -> None:
        if self._is_failing:
            return
        self._is_failing = True
        hint = {"hint": _HINT} if answer.problem == NO_CONNECTION else {}
        self._logger.warning("telemetry.export_failed", endpoint=self._endpoint, reason=answer.problem, **hint)

    def _arrived(self, answer: Answer, rejected: int) -> None:
        if self._is_failing:
            self._logger.info("telemetry.export_recovered", endpoint=self._endpoint, spans_dropped=self._untold)
            self._is_failing = False
            self._untold = 0
        if not rejected:
            return
        if not self._was_rejected:  # once: it may be so with every batch from now on
            self._was_rejected = True
            self._logger.warning("telemetry.spans_rejected", endpoint=self._endpoint, reason=answer.problem)
        self.lose(rejected)


class BoundedProcessor(BatchSpanProcessor):
    """Batch spans for an exporter, and count those for which there is no room or no time, which the SDK does not."""

    def __init__(self, exporter: PatientExporter, batching: Batching, flush_seconds: float = FLUSH_SECONDS) -> None:
        super().__init__(
            exporter,
            max_queue_size=batching.queue_spans,
            max_export_batch_size=batching.batch_spans,
            schedule_delay_millis=batching.every_millis,
            export_timeout_millis=1,  # the SDK does nothing with it, but would read a variable
        )
        self._queue_spans = batching.queue_spans
        self._flush_seconds = flush_seconds
        self._patient = exporter
        self._passed_on = 0
        self._closing = threading.Lock()
        self._is_closed = False

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, or drop and count it where too many wait already."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._is_closed:
            self._patient.lose(1)
        elif self._passed_on - self._patient.taken >= self._queue_spans:
            self._patient.overflow(self._queue_spans)
        else:
            self._passed_on += 1
            super().on_end(span)

    def shutdown(self) -> None:
        """Export what is left within the time for it; what has not arrived by then is counted and logged as lost."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
        self._patient.begin_flush(self._flush_seconds)
        # Of the SDK's two ways to shut down only the inner one has a bound; the version is pinned.
        self._batch_processor.shutdown(timeout_millis=int(self._flush_seconds * 1000))
        self._patient.conclude(self._passed_on - self._patient.taken)

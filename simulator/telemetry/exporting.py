"""Spans to a collector that may be absent, slow or broken, at no cost to the service, and with every loss counted.

The stages of a process share the way to the collector, in batches that may have spans of several of them. What becomes
of its spans each stage counts and tells by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
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
        """Called at the end; a wait between two attempts ends."""


class SpanAccount:
    """What becomes of the spans of one stage.

    The first failure is logged as a warning with its reason, later ones are only counted, and when spans get through
    again the log says how many were lost. `record_dropped(count)` is called for every span that does not arrive.
    """

    def __init__(self, logger: FilteringBoundLogger, record_dropped: Callable[[int], None], endpoint: str) -> None:
        self._logger = logger
        self._record_dropped = record_dropped
        self._endpoint = redacted(endpoint)
        self._untold = 0
        self._is_failing = self._was_rejected = self._overflowed = False
        self._is_over = False
        self._waiting = self._under_way = 0
        self._lock = threading.Lock()
        # Set when nothing is waiting or under way any more, once the end is near.
        self.settled = threading.Event()
        self._is_ending = False
        self.dropped = 0  # spans that did not arrive, here or because there was no room

    def wait(self) -> None:
        """Note a span that is waiting for its batch."""
        self._waiting += 1

    def begin(self, count: int) -> None:
        """Note spans that are on their way."""
        with self._lock:
            self._waiting -= count
            self._under_way += count

    def end(self, count: int, answer: Answer, rejected: int) -> bool:
        """Note what came of spans that were on their way; return False where they had been given up already."""
        with self._lock:
            self._under_way -= count
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
        """Count spans as lost that were waiting, and will not be sent."""
        with self._lock:
            self._waiting -= count
            if not self._is_over:
                self.lose(count)
        self._settle()

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

    def begin_end(self) -> None:
        """Called when no span will come any more."""
        self._is_ending = True
        self._settle()

    def conclude(self) -> None:
        """Count what is still waiting and under way as lost, and log what was lost since that was last logged."""
        with self._lock:
            self._is_over = True
            left = self._waiting + self._under_way
        if left:
            self.lose(left)
        if self._untold:
            self._logger.warning("telemetry.spans_dropped", endpoint=self._endpoint, spans_dropped=self._untold)
            self._untold = 0

    def _settle(self) -> None:
        if self._is_ending and not self._waiting and not self._under_way:
            self.settled.set()

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


class PatientExporter(SpanExporter):
    """Export through a sender; when that fails, drop spans for a while instead of trying each batch.

    The account of a span is that of its resource.
    """

    def __init__(self, sender: SpanSender, monotonic: Callable[[], float]) -> None:
        self._sender = sender
        self._monotonic = monotonic
        self._accounts: dict[int, SpanAccount] = {}
        self._resources: list[object] = []  # kept, so that no other can ever have their ids
        self._paused_until = float("-inf")
        # Both are of the flush, once it has begun.
        self._end: float | None = None
        self._begin_until = float("inf")
        self.taken = 0  # spans that came here, exported or not

    def add(self, resource: object, account: SpanAccount) -> None:
        """Keep the account of a resource from now on."""
        self._resources.append(resource)
        self._accounts[id(resource)] = account

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch, or drop it while the collector is given time to come back."""
        self.taken += len(spans)
        shares = self._shares(spans)
        now = self._monotonic()
        if now < self._paused_until or now >= self._begin_until:
            for account, count in shares.items():
                account.skip(count)
            return SpanExportResult.FAILURE
        for account, count in shares.items():
            account.begin(count)
        answer = self._send(spans, None if self._end is None else self._end - now)
        if not answer.is_taken:
            self._paused_until = self._monotonic() + PAUSE_SECONDS
        # Whose spans a collector rejects it does not say.
        rejected = min(answer.spans_rejected, len(spans))
        is_good = answer.is_taken
        for account, count in shares.items():
            share = min(rejected, count)
            rejected -= share
            is_good = account.end(count, answer, share) and is_good
        return SpanExportResult.SUCCESS if is_good else SpanExportResult.FAILURE

    def begin_flush(self, flush_seconds: float) -> None:
        """Called when the end is near: it comes after this time."""
        now = self._monotonic()
        self._end, self._begin_until = now + flush_seconds, now + flush_seconds * _BEGIN_RATIO

    def shutdown(self) -> None:
        """Close the sender."""
        self._sender.close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True: nothing is kept here."""
        return True

    def _shares(self, spans: Sequence[ReadableSpan]) -> dict[SpanAccount, int]:
        shares: dict[SpanAccount, int] = {}
        for span in spans:
            account = self._accounts[id(span.resource)]
            shares[account] = shares.get(account, 0) + 1
        return shares

    def _send(self, spans: Sequence[ReadableSpan], timeout_seconds: float | None) -> Answer:
        try:
            return self._sender.send(spans, timeout_seconds)
        except Exception as error:  # noqa: BLE001 - whatever breaks costs spans, counted ones, and nothing else
            return Answer(False, problem=f"a batch can't be sent: {type(error).__name__}")


class SpanQueue:
    """The spans that wait for their batch, of all the stages of a process, in a queue with a bound."""

    def __init__(self, exporter: PatientExporter, batching: Batching, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._batches = BatchSpanProcessor(
            exporter,
            max_queue_size=batching.queue_spans,
            max_export_batch_size=batching.batch_spans,
            schedule_delay_millis=batching.every_millis,
            export_timeout_millis=1,  # the SDK does nothing with it, but would read a variable
        )
        self._queue_spans = batching.queue_spans
        self._flush_seconds = flush_seconds
        self._exporter = exporter
        self._passed_on = 0
        self._stages = 0

    def processor(self, resource: object, account: SpanAccount) -> StageSpans:
        """Return what takes the spans of the stage with this resource."""
        self._exporter.add(resource, account)
        self._stages += 1
        return StageSpans(self, account)

    def put(self, span: ReadableSpan, account: SpanAccount) -> None:
        """Take a span, or drop and count it where too many wait already, which the SDK does not."""
        if self._passed_on - self._exporter.taken >= self._queue_spans:
            account.overflow(self._queue_spans)
        else:
            self._passed_on += 1
            account.wait()
            self._batches.on_end(span)

    def leave(self, account: SpanAccount) -> None:
        """Export what is left of a stage within the time for it; with the last stage the way to the collector ends."""
        self._stages -= 1
        account.begin_end()
        if self._stages:
            # Beside the others, which are waited for only as long as this stage may take.
            threading.Thread(target=self._batches.force_flush, daemon=True).start()
            account.settled.wait(self._flush_seconds)
        else:
            self._exporter.begin_flush(self._flush_seconds)
            # Of the SDK's two ways to shut down only the inner one has a bound; the version is pinned.
            self._batches._batch_processor.shutdown(timeout_millis=int(self._flush_seconds * 1000))
        account.conclude()


class StageSpans(SpanProcessor):
    """Take the spans of one stage, and count those for which there is no room or no time."""

    def __init__(self, queue: SpanQueue, account: SpanAccount) -> None:
        self._queue = queue
        self._account = account
        self._closing = threading.Lock()
        self._is_closed = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Wait for the end of the span."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._is_closed:
            self._account.lose(1)
        else:
            self._queue.put(span, self._account)

    def shutdown(self) -> None:
        """Export what is left within the time for it; what has not arrived by then is counted and logged as lost."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
        self._queue.leave(self._account)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True: spans go when their batch is full, or its time is up."""
        return True

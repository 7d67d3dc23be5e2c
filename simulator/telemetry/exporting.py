"""Spans to a collector that may be absent, slow or broken, at no cost to the service, and with every loss counted.

The stages of a process share the connection to the collector, in batches that may have spans of several stages. Each
stage counts and logs by itself what becomes of its spans.
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
from simulator.telemetry.otlp_posting import NO_CONNECTION, CollectorAnswer
from simulator.urls import redacted

PAUSE_SECONDS = 5.0
# At the end, batches are started only for a part of the time, so that the last one can be answered in the rest.
_START_RATIO = 0.5
_HINT = "start a collector there, or set OTEL_EXPORTER_OTLP_ENDPOINT to where one is"


class SpanSender(Protocol):
    """The way of a batch to the collector."""

    def send(self, spans: Sequence[ReadableSpan], timeout_seconds: float | None = None) -> CollectorAnswer:
        """Send a batch within `timeout_seconds`, None meaning the usual time, and return the collector's answer."""

    def close(self) -> None:
        """Close the connections, and end a wait between two attempts."""


class SpanAccount:
    """What becomes of the spans of one stage.

    The first failure is logged as a warning with its reason, later ones are only counted, and when spans get through
    again the log says how many were lost. `record_dropped(count)` is called for every span that does not arrive.
    """

    def __init__(self, logger: FilteringBoundLogger, record_dropped: Callable[[int], None], endpoint: str) -> None:
        self._logger = logger
        self._record_dropped = record_dropped
        self._endpoint = redacted(endpoint)
        self._unreported = 0
        self._is_failing = self._was_rejected = self._overflowed = False
        self._is_over = False
        self._waiting = self._in_flight = 0
        self._lock = threading.Lock()
        # Set when the end is near and nothing is waiting or in flight any more.
        self.settled = threading.Event()
        self._is_ending = False
        self.dropped = 0  # spans that did not arrive, here or because there was no room

    def wait(self) -> None:
        """Record a span that is waiting for its batch."""
        self._waiting += 1

    def begin(self, count: int) -> None:
        """Record spans that are being sent."""
        with self._lock:
            self._waiting -= count
            self._in_flight += count

    def end(self, count: int, answer: CollectorAnswer, rejected: int) -> bool:
        """Record what became of spans that were being sent; return False if they were already counted as lost."""
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
        """Count spans as lost that were waiting and will not be sent."""
        with self._lock:
            self._waiting -= count
            if not self._is_over:
                self.lose(count)
        self._settle()

    def lose(self, count: int) -> None:
        """Count spans as lost."""
        self.dropped += count
        self._unreported += count
        self._record_dropped(count)

    def overflow(self, queue_spans: int) -> None:
        """Drop and count a span for which the queue has no room."""
        if not self._overflowed:  # log it once: it may last for as long as the collector is slow
            self._overflowed = True
            reason = f"{queue_spans} spans wait already: the collector accepts them more slowly than they are made"
            self._logger.warning("telemetry.queue_full", endpoint=self._endpoint, reason=reason)
        self.lose(1)

    def begin_end(self) -> None:
        """Called when no further span will come."""
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
            self._logger.warning("telemetry.spans_dropped", endpoint=self._endpoint, spans_dropped=self._unreported)
            self._unreported = 0

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
            self._logger.info("telemetry.export_recovered", endpoint=self._endpoint, spans_dropped=self._unreported)
            self._is_failing = False
            self._unreported = 0
        if not rejected:
            return
        if not self._was_rejected:  # log it once: it may happen to every batch from now on
            self._was_rejected = True
            self._logger.warning("telemetry.spans_rejected", endpoint=self._endpoint, reason=answer.problem)
        self.lose(rejected)


class PatientExporter(SpanExporter):
    """Export through a sender; when that fails, drop spans for a while instead of attempting every batch.

    The account of a span is the one of its resource.
    """

    def __init__(self, sender: SpanSender, monotonic: Callable[[], float]) -> None:
        self._sender = sender
        self._monotonic = monotonic
        self._accounts: dict[int, SpanAccount] = {}
        self._resources: list[object] = []  # kept, so that no others can ever have their ids
        self._paused_until = float("-inf")
        # Both belong to the flush, once it has started.
        self._end: float | None = None
        self._start_until = float("inf")
        self.taken = 0  # spans that arrived here, exported or not

    def add(self, resource: object, account: SpanAccount) -> None:
        """Keep the account of a resource from now on."""
        self._resources.append(resource)
        self._accounts[id(resource)] = account

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch, or drop it while the collector is given time to recover."""
        self.taken += len(spans)
        shares = self._shares(spans)
        now = self._monotonic()
        if now < self._paused_until or now >= self._start_until:
            for account, count in shares.items():
                account.skip(count)
            return SpanExportResult.FAILURE
        for account, count in shares.items():
            account.begin(count)
        answer = self._send(spans, None if self._end is None else self._end - now)
        if not answer.is_taken:
            self._paused_until = self._monotonic() + PAUSE_SECONDS
        # A collector does not say whose spans it rejects.
        rejected = min(answer.spans_rejected, len(spans))
        is_good = answer.is_taken
        for account, count in shares.items():
            share = min(rejected, count)
            rejected -= share
            is_good = account.end(count, answer, share) and is_good
        return SpanExportResult.SUCCESS if is_good else SpanExportResult.FAILURE

    def begin_flush(self, flush_seconds: float) -> None:
        """Called when the end is near, after `flush_seconds`."""
        now = self._monotonic()
        self._end, self._start_until = now + flush_seconds, now + flush_seconds * _START_RATIO

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

    def _send(self, spans: Sequence[ReadableSpan], timeout_seconds: float | None) -> CollectorAnswer:
        try:
            return self._sender.send(spans, timeout_seconds)
        except Exception as error:  # noqa: BLE001 - a failure costs spans, which are counted, and nothing else
            return CollectorAnswer(False, problem=f"a batch can't be sent: {type(error).__name__}")


class SpanQueue:
    """The bounded queue of spans that wait for their batch, of all the stages of a process."""

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
        self._queued = 0
        self._stages = 0

    def processor(self, resource: object, account: SpanAccount) -> StageSpans:
        """Return the processor for the spans of the stage with this resource."""
        self._exporter.add(resource, account)
        self._stages += 1
        return StageSpans(self, account)

    def put(self, span: ReadableSpan, account: SpanAccount) -> None:
        """Queue a span, or drop and count it if too many wait already: the SDK would not count it."""
        if self._queued - self._exporter.taken >= self._queue_spans:
            account.overflow(self._queue_spans)
        else:
            self._queued += 1
            account.wait()
            self._batches.on_end(span)

    def leave(self, account: SpanAccount) -> None:
        """Export what is left of a stage, within the time for it; with the last stage, shut the exporter down."""
        self._stages -= 1
        account.begin_end()
        if self._stages:
            # In the background: the spans of other stages may take longer than this stage may wait.
            threading.Thread(target=self._batches.force_flush, daemon=True).start()
            account.settled.wait(self._flush_seconds)
        else:
            self._exporter.begin_flush(self._flush_seconds)
            # Of the SDK's two ways to shut down, only the inner one has a bound; the version is pinned.
            self._batches._batch_processor.shutdown(timeout_millis=int(self._flush_seconds * 1000))
        account.conclude()


class StageSpans(SpanProcessor):
    """Queue the spans of one stage, and count those for which there is no room or no time."""

    def __init__(self, queue: SpanQueue, account: SpanAccount) -> None:
        self._queue = queue
        self._account = account
        self._closing = threading.Lock()
        self._is_closed = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: a span is exported when it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span."""
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
        """Return True: spans are sent when their batch is full, or its time is up."""
        return True

"""Spans to a collector that may be absent, slow or broken, at no cost to the service."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from structlog.typing import FilteringBoundLogger

from simulator.telemetry.encoding import SpanEncoder
from simulator.urls import redacted

PAUSE_SECONDS = 5.0
# A batch holds up everything else in the process while it is encoded, some 10 microseconds a span, and each costs a
# call of a millisecond, however small: this many spans are worth one call.
_BATCH_SPANS = 128
_BATCH_EVERY_MILLIS = 500
_QUEUE_SPANS = 8192


class LeanOtlpExporter(OTLPSpanExporter):
    """Export as OTLPSpanExporter does, with all its settings, but with spans encoded at a fraction of the cost."""

    def __init__(self, endpoint: str, timeout: float | None) -> None:
        super().__init__(endpoint=endpoint, timeout=timeout)
        self._encoder = SpanEncoder()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode and send a batch."""
        # The client behind it, with its retries, headers and compression, is not public; the version is pinned.
        sent = self._client.export(self._encoder.encode(spans))
        return SpanExportResult.SUCCESS if sent.success else SpanExportResult.FAILURE


class PatientExporter(SpanExporter):
    """Export through `inner`; when that fails, drop and count spans for a while instead of trying each batch.

    The first failure is logged as a warning, later ones are only counted, and when spans get through again the log
    says how many were lost.
    """

    def __init__(
        self,
        inner: SpanExporter,
        logger: FilteringBoundLogger,
        record_dropped: Callable[[int], None],
        monotonic: Callable[[], float],
        endpoint: str,
    ) -> None:
        self._inner = inner
        self._logger = logger
        self._record_dropped = record_dropped
        self._monotonic = monotonic
        self._endpoint = redacted(endpoint)
        self._paused_until = float("-inf")
        self._dropped = 0
        self.taken = 0  # spans that came here, exported or not

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch, or drop it while the collector is given time to come back."""
        self.taken += len(spans)
        if self._monotonic() < self._paused_until:
            return self._drop(len(spans))
        try:
            result = self._inner.export(spans)
        except Exception:  # noqa: BLE001 - whatever breaks in an exporter costs spans, counted ones, and nothing else
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self._paused_until = self._monotonic() + PAUSE_SECONDS
            return self._drop(len(spans))
        if self._dropped:
            self._logger.info("telemetry.export_recovered", endpoint=self._endpoint, spans_dropped=self._dropped)
            self._dropped = 0
        return result

    def shutdown(self) -> None:
        """Say what was lost, and shut the inner exporter down."""
        if self._dropped:
            self._logger.warning("telemetry.spans_dropped", endpoint=self._endpoint, spans_dropped=self._dropped)
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the inner exporter."""
        return self._inner.force_flush(timeout_millis)

    def _drop(self, count: int) -> SpanExportResult:
        if not self._dropped:
            self._logger.warning(
                "telemetry.export_failed",
                endpoint=self._endpoint,
                hint="no collector takes the spans there; start one or set OTEL_EXPORTER_OTLP_ENDPOINT",
            )
        self._dropped += count
        self._record_dropped(count)
        return SpanExportResult.FAILURE


class BoundedProcessor(BatchSpanProcessor):
    """Batch spans for an exporter, and count those for which there is no room, which the SDK drops uncounted."""

    def __init__(self, exporter: PatientExporter, record_dropped: Callable[[int], None]) -> None:
        super().__init__(
            exporter,
            max_queue_size=_QUEUE_SPANS,
            max_export_batch_size=_BATCH_SPANS,
            schedule_delay_millis=_BATCH_EVERY_MILLIS,
        )
        self._patient = exporter
        self._record_dropped = record_dropped
        self._passed_on = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, or drop and count it where too many wait already."""
        if self._passed_on - self._patient.taken >= _QUEUE_SPANS:
            self._record_dropped(1)
            return
        if span.context is not None and span.context.trace_flags.sampled:
            self._passed_on += 1
        super().on_end(span)

"""The spans of a stage on their way to an exporter."""

from __future__ import annotations

import threading

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.exporting import ExportQueue


class StageSpans(SpanProcessor):
    """Queue the spans of one stage, and count those for which there is no room or no time."""

    def __init__(self, queue: ExportQueue[ReadableSpan], resource: object, account: ExportAccount) -> None:
        self._queue = queue
        self._account = account
        self._closing = threading.Lock()
        self._is_closed = False
        queue.join(resource, account)

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
        """Export what is left within the usual time for it."""
        self.finish(None)

    def finish(self, flush_seconds: float | None) -> None:
        """Export what is left within a time; what has not arrived by then is counted and logged as lost."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
        self._queue.leave(self._account, flush_seconds)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True: spans are sent when their batch is full, or its time is up."""
        return True

"""The three signals that OTLP carries, and what the protocol calls what they consist of."""

from __future__ import annotations

from enum import StrEnum


class Signal(StrEnum):
    """A signal of OpenTelemetry; its value is in the path and, in capitals, in the names of variables."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"

    @property
    def items(self) -> str:
        """Return what a request has of it, as in names: spans, log_records or data_points."""
        return _ITEMS[self]

    @property
    def words(self) -> str:
        """Return what a request has of it, as in a sentence: spans, log records or data points."""
        return self.items.replace("_", " ")

    @property
    def path(self) -> str:
        """Return the path that OTLP over HTTP appends to the endpoint of a collector."""
        return f"/v1/{self}"


_ITEMS = {Signal.TRACES: "spans", Signal.LOGS: "log_records", Signal.METRICS: "data_points"}

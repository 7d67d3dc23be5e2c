"""The colours of charts, on the console and in a run's report: each has to be seen on a light and on a dark ground."""

from __future__ import annotations

from simulator.telemetry.record import Outcome

CONFIGURED, INJECTED, OBSERVED = "#e09a1f", "#b44bc4", "#3577d4"
P50, P90, P99 = "#3577d4", "#2f9e68", "#e0653a"
QUEUE, PROCESSING, OVERHEAD, FAULT, DOWNSTREAM = "#e09a1f", "#3577d4", "#e0454f", "#b44bc4", "#9fb0c3"
OUTCOMES = {
    Outcome.DELIVERED: "#2f9e68",
    Outcome.FORWARDED: "#2f9e68",
    Outcome.REJECTED: "#e09a1f",
    Outcome.INVALID: "#8a97a8",
    Outcome.FAULTED: "#b44bc4",
    Outcome.FAILED: "#e0454f",
    Outcome.BROKEN_OFF: "#8a2630",
}

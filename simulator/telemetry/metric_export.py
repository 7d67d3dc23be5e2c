"""The metrics of a process's stages, exported at regular intervals and when a stage stops."""

from __future__ import annotations

import threading
from collections.abc import Callable

from simulator.telemetry.batching import Batching
from simulator.telemetry.data_points import DataPoint, MetricsReader
from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.exporting import ExportQueue

# The points of a reading come all at once. A batch is encoded in a few milliseconds.
METRIC_BATCHING = Batching(queue_items=200_000, batch_items=128, every_millis=100)


class StageMetrics:
    """The metrics of one stage on their way to one destination."""

    def __init__(
        self,
        queue: ExportQueue[DataPoint],
        resource: object,
        account: ExportAccount,
        reader: MetricsReader,
        roll: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._account = account
        self._reader = reader
        self._roll = roll
        self._reading = threading.Lock()
        self._is_closed = False
        queue.join(resource, account)

    def export(self) -> None:
        """Read all metrics, and queue their points."""
        with self._reading:
            if not self._is_closed:
                self._read()

    def close(self, flush_seconds: float) -> None:
        """Export the last state within the time for it; what has not arrived by then is counted and logged as lost."""
        with self._reading:
            if self._is_closed:
                return
            self._is_closed = True
            self._read()
        self._queue.leave(self._account, flush_seconds)

    def _read(self) -> None:
        self._roll()
        for point in self._reader.read():
            self._queue.put(point, self._account)


class MetricSchedule:
    """Export the metrics of all stages of a process every `interval_seconds`."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._stages: list[StageMetrics] = []
        self._over = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, stage: StageMetrics) -> None:
        """Export the metrics of a stage, too."""
        self._stages.append(stage)

    def _run(self) -> None:
        while not self._over.wait(self._interval_seconds):
            for stage in list(self._stages):
                stage.export()

"""What the stages of a process share: its runtime, one thread for logs, the ways to collectors, the libraries.

None of it depends on the number of stages, so that a thousand of them are not a thousand threads and timers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from gevent import monkey

from simulator.stage.gevent_runtime import GeventRuntime
from simulator.stage.instrumentation import instrument_requests
from simulator.stage.plain_locks import use_plain_locks
from simulator.stage.threads import in_thread
from simulator.telemetry.at_work import AtWork, LoggerAtWork, Shown
from simulator.telemetry.export_routes import Means, export_routes
from simulator.telemetry.light_spans import use_light_spans
from simulator.telemetry.light_tracer import use_light_tracers
from simulator.telemetry.lines import LineWriter, WriterThread
from simulator.telemetry.logs import forward_library_warnings
from simulator.telemetry.metric_settings import MetricSettings, read_metric_settings
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.process_metrics import ProcessMetrics
from simulator.telemetry.propagation import install_propagation
from simulator.topology.variables import TELEMETRY_LIMIT_VARIABLE, TELEMETRY_VARIABLE

if TYPE_CHECKING:
    from simulator.telemetry.metric_export import MetricSchedule

# Of a stage that no run has started.
_FOLDER_LIMIT_BYTES = 2**30
# Long enough for a turn of the event loop: what has arrived meanwhile is handled first.
_PAUSE_SECONDS = 0.0001
Turn = Callable[[], AbstractContextManager[None]]


class Shared:
    """What exists once in a process, made before its first stage.

    `routes` are where each signal goes, `metric_schedule` says when metrics do, None if they go nowhere. `turn()` is
    held while lines are written.
    """

    def __init__(self, environment: Mapping[str, str], turn: Turn = nullcontext) -> None:
        start_new_thread = monkey.get_original("_thread", "start_new_thread")
        self.writer_thread = WriterThread(
            lambda run: start_new_thread(run, ()),  # a real thread, not one of gevent's
            monkey.get_original("threading", "Event"),
            monkey.get_original("time", "sleep"),
            turn,
        )
        self.runtime = GeventRuntime()
        self.at_work = AtWork()
        self.metric_settings = read_metric_settings(environment)
        self.routes = export_routes(environment, self._means(environment))
        self.metric_schedule = _metric_schedule(self.metric_settings) if self.routes[Signal.METRICS] else None
        install_propagation(environment)
        forward_library_warnings(LoggerAtWork(self.at_work))  # type: ignore[arg-type]
        instrument_requests(self.at_work)
        use_plain_locks()
        use_light_spans()
        use_light_tracers()
        self.process_metrics = ProcessMetrics(time.monotonic)

    def _means(self, environment: Mapping[str, str]) -> Means:
        folder, limit = environment.get(TELEMETRY_VARIABLE), environment.get(TELEMETRY_LIMIT_VARIABLE, "")
        return Means(
            monotonic=time.monotonic,
            in_thread=in_thread,
            pause=lambda: self.runtime.sleep(_PAUSE_SECONDS),
            line_writer=self._line_writer,
            folder=Path(folder) if folder else None,
            folder_limit_bytes=int(limit) if limit.isascii() and limit.isdecimal() else _FOLDER_LIMIT_BYTES,
        )

    def _line_writer(self) -> Callable[[bytes], None]:
        """Return what writes lines to standard output, beside those of the log."""

        def dropped(count: int) -> bytes:
            return orjson.dumps({"event": "telemetry.lines_dropped", "lines": count})

        return LineWriter(sys.stdout.fileno(), self.writer_thread, dropped).write

    def add(self, shown: Shown) -> None:
        """Add the telemetry of a stage, for the libraries."""
        self.at_work.add(shown)


def _metric_schedule(settings: MetricSettings) -> MetricSchedule:
    from simulator.telemetry.metric_export import MetricSchedule  # noqa: PLC0415 - only if they are exported

    return MetricSchedule(settings.interval_seconds)

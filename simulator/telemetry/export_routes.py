"""The destinations of a process's telemetry, each with its own queue, and what one stage has lost on the way there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from structlog.typing import FilteringBoundLogger

from simulator.telemetry.batching import Batching
from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.exporting import ExportQueue, PatientExporter
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_sending import OtlpSender, http_transport
from simulator.telemetry.otlp_signal import Signal


@dataclass(frozen=True)
class ExportRoute:
    """The way of one signal to one destination, which the stages of a process share."""

    signal: Signal
    endpoint: str
    queue: ExportQueue[Any]


def collector_route(
    signal: Signal,
    destination: Destination,
    encode: Callable[[Sequence[Any]], bytes],
    batching: Batching,
    monotonic: Callable[[], float],
) -> ExportRoute:
    """Return the way of a signal to a collector; `encode(items)` returns a request in protobuf."""
    sender = OtlpSender(destination, encode, http_transport(destination), signal, monotonic)
    return ExportRoute(signal, destination.endpoint, ExportQueue(PatientExporter(sender, monotonic), batching))


class StageExports:
    """What becomes of the telemetry of one stage; `record_dropped(signal, count)` is called for what is lost."""

    def __init__(self, logger: FilteringBoundLogger, record_dropped: Callable[[Signal, int], None]) -> None:
        self._logger = logger
        self._record_dropped = record_dropped
        self._accounts: dict[Signal, list[ExportAccount]] = {signal: [] for signal in Signal}

    def account(self, route: ExportRoute) -> ExportAccount:
        """Return a new account of what the stage sends on a route."""

        def record(count: int) -> None:
            self._record_dropped(route.signal, count)

        account = ExportAccount(self._logger, record, route.endpoint, route.signal)
        self._accounts[route.signal].append(account)
        return account

    def dropped(self, signal: Signal) -> int:
        """Return how many items of a signal did not arrive, those of each destination counted."""
        return sum(account.dropped for account in self._accounts[signal])

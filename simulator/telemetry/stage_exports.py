"""What becomes of the telemetry of one stage on its way to its destinations, and its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from structlog.typing import FilteringBoundLogger

from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.export_routes import ExportRoute
from simulator.telemetry.otlp import FLUSH_SECONDS
from simulator.telemetry.otlp_signal import Signal

# All exports of a stage that stops share FLUSH_SECONDS; those of its last lines, which come last, have at least this.
_LAST_SECONDS = 1.0
Finish = Callable[[float], None]


class StageExports:
    """What becomes of the telemetry of one stage; `record_dropped(signal, count)` is called for what is lost."""

    def __init__(
        self,
        logger: FilteringBoundLogger,
        record_dropped: Callable[[Signal, int], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._logger = logger
        self._record_dropped = record_dropped
        self._monotonic = monotonic
        self._end: float | None = None
        self._accounts: dict[Signal, list[ExportAccount]] = {signal: [] for signal in Signal}
        self._finishing: dict[Signal, list[Finish]] = {signal: [] for signal in Signal}

    def account(self, route: ExportRoute) -> ExportAccount:
        """Return a new account of what the stage sends on a route."""

        def record(count: int) -> None:
            self._record_dropped(route.signal, count)

        account = ExportAccount(self._logger, record, route.endpoint, route.signal)
        self._accounts[route.signal].append(account)
        return account

    def at_end(self, signal: Signal, finish: Finish) -> None:
        """Call `finish(flush_seconds)` when the stage ends; it exports what is left of a signal within that time."""
        self._finishing[signal].append(finish)

    def finish(self, *signals: Signal) -> None:
        """Export what is left of these signals, all at the same time, and return when it has arrived or is lost."""
        if self._end is None:
            self._end = self._monotonic() + FLUSH_SECONDS
        seconds = max(_LAST_SECONDS, self._end - self._monotonic())
        finishing = [finish for signal in signals for finish in self._finishing[signal]]
        others = [threading.Thread(target=finish, args=(seconds,), daemon=True) for finish in finishing[1:]]
        for other in others:
            other.start()
        for finish in finishing[:1]:
            finish(seconds)
        for other in others:
            other.join()

    def exported(self) -> Iterator[Signal]:
        """Return the signals that are exported."""
        return (signal for signal, accounts in self._accounts.items() if accounts)

    def dropped(self, signal: Signal) -> int:
        """Return how many items of a signal did not arrive, those of each destination counted."""
        return sum(account.dropped for account in self._accounts[signal])

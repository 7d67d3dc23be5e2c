"""Exports to a collector that may be absent, slow or broken, at no cost to the service, and with every loss counted.

Spans, log records and data points take the same way. The stages of a process share the connection to the collector, in
batches that may have items of several stages. Each stage counts and logs by itself what becomes of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Generic, Protocol, TypeVar

from opentelemetry.instrumentation.utils import suppress_instrumentation

from simulator.telemetry.batching import Batching
from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.otlp import FLUSH_SECONDS
from simulator.telemetry.otlp_batch import CollectorAnswer
from simulator.telemetry.paced import Paced

PAUSE_SECONDS = 5.0
# With so much of the queue taken, others have to wait for an export, and not the other way round: nothing may be lost.
_HURRY_RATIO = 0.5
# At the end, batches are started only for a part of the time, so that the last one can be answered in the rest.
_START_RATIO = 0.5


class Exported(Protocol):
    """What is exported: a span, a log record or a data point of a stage, which has the stage's resource."""

    @property
    def resource(self) -> object:
        """Return the resource of the stage."""


Item = TypeVar("Item", bound=Exported)
Sent_contra = TypeVar("Sent_contra", bound=Exported, contravariant=True)


class Sender(Protocol[Sent_contra]):
    """The way of a batch to where it is exported."""

    def send(self, items: Sequence[Sent_contra], timeout_seconds: float | None = None) -> CollectorAnswer:
        """Send a batch within `timeout_seconds`, None meaning the usual time, and return the answer."""

    def close(self) -> None:
        """Close the connections, and end a wait between two attempts."""


class PatientExporter(Generic[Item]):
    """Export through a sender; when that fails, drop items for a while instead of attempting every batch.

    The account of an item is the one of its resource. `pause()` is called now and then while a batch is encoded.
    """

    def __init__(
        self, sender: Sender[Item], monotonic: Callable[[], float], pause: Callable[[], None] = lambda: None
    ) -> None:
        self._sender = sender
        self._monotonic = monotonic
        self._pause = pause
        self._is_hurried: Callable[[], bool] = lambda: False
        self._accounts: dict[int, ExportAccount] = {}
        self._resources: list[object] = []  # kept, so that no others can ever have their ids
        self._paused_until = float("-inf")
        # Both belong to the flush, once it has started.
        self._end: float | None = None
        self._start_until = float("inf")
        self.taken = 0  # items that arrived here, exported or not

    def add(self, resource: object, account: ExportAccount) -> None:
        """Keep the account of a resource from now on."""
        self._resources.append(resource)
        self._accounts[id(resource)] = account

    def hurry_while(self, is_hurried: Callable[[], bool]) -> None:
        """Encode without pauses from now on whenever `is_hurried()`."""
        self._is_hurried = is_hurried

    def export(self, items: Sequence[Item]) -> bool:
        """Export a batch, or drop it while the collector is given time to recover; return whether it was taken."""
        self.taken += len(items)
        shares = self._shares(items)
        now = self._monotonic()
        if now < self._paused_until or now >= self._start_until:
            for account, count in shares.items():
                account.skip(count)
            return False
        for account, count in shares.items():
            account.begin(count)
        answer = self._send(items, None if self._end is None else self._end - now)
        if not answer.is_taken:
            self._paused_until = self._monotonic() + PAUSE_SECONDS
        # A collector does not say whose items it rejects.
        rejected = min(answer.rejected, len(items))
        is_good = answer.is_taken
        for account, count in shares.items():
            share = min(rejected, count)
            rejected -= share
            is_good = account.end(count, answer, share) and is_good
        return is_good

    def begin_flush(self, flush_seconds: float) -> None:
        """Called when the end is near, after `flush_seconds`."""
        now = self._monotonic()
        self._end, self._start_until = now + flush_seconds, now + flush_seconds * _START_RATIO

    def shutdown(self) -> None:
        """Close the sender."""
        self._sender.close()

    def _shares(self, items: Sequence[Item]) -> dict[ExportAccount, int]:
        shares: dict[ExportAccount, int] = {}
        for item in items:
            account = self._accounts[id(item.resource)]
            shares[account] = shares.get(account, 0) + 1
        return shares

    def _send(self, items: Sequence[Item], timeout_seconds: float | None) -> CollectorAnswer:
        try:
            return self._sender.send(Paced(items, self._pause_with_time), timeout_seconds)
        except Exception as error:  # noqa: BLE001 - a failure costs items, which are counted, and nothing else
            return CollectorAnswer(False, problem=f"a batch can't be sent: {type(error).__name__}")

    def _pause_with_time(self) -> None:
        if not self._is_hurried():
            self._pause()


class ExportQueue(Generic[Item]):
    """The bounded queue of items that wait for their batch, of all the stages of a process.

    `is_exporting` is true in what happens because of an export, such as a line of the log about its failure.
    """

    def __init__(
        self, exporter: PatientExporter[Item], batching: Batching, flush_seconds: float = FLUSH_SECONDS
    ) -> None:
        self._exporter = exporter
        self._batching = batching
        self._flush_seconds = flush_seconds
        self._items: deque[Item] = deque()
        self._wake = threading.Event()
        self._exporting = threading.Lock()
        self._is_exporting: ContextVar[bool] = ContextVar("an export is under way", default=False)
        self._is_closing = self._is_over = False
        self._queued = 0
        self._stages = 0
        exporter.hurry_while(lambda: len(self._items) >= batching.queue_items * _HURRY_RATIO)
        self._worker = threading.Thread(target=self._run, daemon=True)
        self._worker.start()

    @property
    def is_exporting(self) -> bool:
        """Return whether the caller works for an export."""
        return self._is_exporting.get()

    def join(self, resource: object, account: ExportAccount) -> None:
        """Take the items of the stage with this resource."""
        self._exporter.add(resource, account)
        self._stages += 1

    def put(self, item: Item, account: ExportAccount) -> None:
        """Queue an item, or drop and count it if too many wait already, those in flight included."""
        if self._queued - self._exporter.taken >= self._batching.queue_items:
            account.overflow(self._batching.queue_items)
            return
        self._queued += 1
        account.wait()
        self._items.append(item)
        if len(self._items) >= self._batching.batch_items and not self._wake.is_set():
            self._wake.set()

    def leave(self, account: ExportAccount, flush_seconds: float | None = None) -> None:
        """Export what is left of a stage, within the time for it; with the last stage, shut the exporter down."""
        seconds = self._flush_seconds if flush_seconds is None else flush_seconds
        self._stages -= 1
        account.begin_end()
        if self._stages:
            # In the background: the items of other stages may take longer than this stage may wait.
            threading.Thread(target=self._export_all, daemon=True).start()
            account.settled.wait(seconds)
        else:
            self._exporter.begin_flush(seconds)
            self._is_closing = True
            self._wake.set()
            self._worker.join(seconds)
            self._is_over = True
            self._exporter.shutdown()
        account.conclude()

    def _run(self) -> None:
        while not self._is_closing:
            was_woken = self._wake.wait(self._batching.every_millis / 1000)
            self._wake.clear()
            # An incomplete batch waits for its time.
            self._export_waiting(self._batching.batch_items if was_woken else 1, self._batching.batch_items)
        self._export_all()

    def _export_all(self) -> None:
        self._export_waiting(1, 1)

    def _export_waiting(self, min_items: int, min_items_then: int) -> None:
        """Export a batch if at least so many items wait, and further ones while at least `min_items_then` do."""
        self._is_exporting.set(True)
        with suppress_instrumentation(), self._exporting:
            while len(self._items) >= min_items and not self._is_over:
                count = min(len(self._items), self._batching.batch_items)
                self._exporter.export([self._items.popleft() for _ in range(count)])
                min_items = min_items_then

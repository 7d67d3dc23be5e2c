"""Spans forwarded to the user's own collector, which may be absent, slow or broken, at no cost to their senders."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulator.console.traces.destination import destination_from, forwarding_url
from simulator.telemetry.otlp_batch import CollectorAnswer, OtlpBatch, Transport
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_posting import Poster
from simulator.telemetry.tally import SPANS_FORWARDED, SPANS_OFFERED

__all__ = ["Destination", "Forwarder", "ForwarderStatus", "OtlpBatch", "destination_from", "forwarding_url"]

MAX_BYTES = 8 * 2**20
# A batch's memory beside its body, so that very many small ones are bounded too.
BATCH_OVERHEAD_BYTES = 1024
_FLUSH_SECONDS = 2.0
_IDLE_SECONDS = 0.25
_OWN = "the endpoint leads back to this console; set OTEL_EXPORTER_OTLP_ENDPOINT to the collector's own address"


@dataclass(frozen=True)
class ForwarderStatus:
    """The state of the forwarder: its endpoint, and spans forwarded, dropped and still waiting.

    `problem` says in words what was wrong with the last attempt, "" if it succeeded.
    """

    endpoint: str
    spans_forwarded: int
    spans_dropped: int
    spans_waiting: int
    problem: str


class Forwarder:
    """Hold at most `max_bytes` of batches, and post them in the order of their arrival.

    If the collector can't be reached, the forwarder retries after a pause while new batches wait; if there is no more
    room, the oldest are dropped and counted. A batch that the collector refuses is dropped immediately.
    `count(name, spans)` is called for spans offered and forwarded, so that a console that is killed leaves a count.
    `connect(headers)` returns the transport, which sends these with each batch: the name of this console, so that it
    knows a batch that comes back.
    """

    def __init__(
        self,
        destination: Destination,
        max_bytes: int = MAX_BYTES,
        connect: Callable[[Mapping[str, str]], Transport] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        count: Callable[[str, int], None] = lambda name, spans: None,
    ) -> None:
        self._destination = destination
        self._max_bytes = max_bytes
        self._name = f"console-{uuid.uuid4().hex}"
        headers = {"via": f"1.1 {self._name}"}
        self._post = Poster(destination, headers) if connect is None else connect(headers)
        self._monotonic = monotonic
        self._count = count
        self._changed = threading.Condition()
        self._waiting: deque[OtlpBatch] = deque()
        self._in_flight: OtlpBatch | None = None
        self._held_bytes = 0  # waiting and in flight
        self._forwarded = self._dropped = 0
        self._problem = ""
        self._is_closed = False

    def offer(self, batch: OtlpBatch) -> None:
        """Queue a batch for forwarding, or drop and count it. Never blocks."""
        if not batch.items:
            return
        with self._changed:
            self._count(SPANS_OFFERED, batch.items)
            if self._name in batch.via:
                self._problem = _OWN
                self._dropped += batch.items
            elif self._is_closed:
                self._dropped += batch.items
            else:
                self._waiting.append(batch)
                self._held_bytes += _bytes_of(batch)
                self._make_room()
                self._changed.notify()

    def run(self, stop: threading.Event) -> None:
        """Forward until `stop` is set, then the rest for at most two seconds more; meant for its own thread.

        An attempt in flight when `stop` is set is completed.
        """
        while not stop.is_set():
            batch = self._next()
            if batch is not None:
                stop.wait(self._attempt(batch, self._destination.timeout_seconds).pause_seconds)
        self._flush()

    def status(self) -> ForwarderStatus:
        """Return the present state."""
        with self._changed:
            waiting = sum(batch.items for batch in self._waiting)
            waiting += self._in_flight.items if self._in_flight is not None else 0
            return ForwarderStatus(
                self._destination.shown_endpoint, self._forwarded, self._dropped, waiting, self._problem
            )

    def _next(self, wait_seconds: float = _IDLE_SECONDS) -> OtlpBatch | None:
        with self._changed:
            if not self._waiting:
                self._changed.wait(wait_seconds)
            if not self._waiting:
                return None
            self._in_flight = self._waiting.popleft()
            return self._in_flight

    def _attempt(self, batch: OtlpBatch, timeout_seconds: float) -> CollectorAnswer:
        answer = self._post(batch, timeout_seconds)
        with self._changed:
            self._in_flight = None
            self._problem = answer.problem
            if answer.is_worth_retrying:
                self._waiting.appendleft(batch)
                return answer
            self._held_bytes -= _bytes_of(batch)
            lost = min(answer.rejected, batch.items) if answer.is_taken else batch.items
            self._dropped += lost
            self._forwarded += batch.items - lost
            self._count(SPANS_FORWARDED, batch.items - lost)
        return answer

    def _make_room(self) -> None:
        while self._waiting and self._held_bytes > self._max_bytes:
            self._drop(self._waiting.popleft())

    def _flush(self) -> None:
        """Forward what is left, for a limited time, and drop the rest."""
        with self._changed:
            self._is_closed = True
        end = self._monotonic() + _FLUSH_SECONDS
        while (left := end - self._monotonic()) > 0 and (batch := self._next(0)) is not None:
            if self._attempt(batch, min(left, self._destination.timeout_seconds)).pause_seconds:
                break
        with self._changed:
            while self._waiting:
                self._drop(self._waiting.popleft())

    def _drop(self, batch: OtlpBatch) -> None:
        self._held_bytes -= _bytes_of(batch)
        self._dropped += batch.items


def _bytes_of(batch: OtlpBatch) -> int:
    return len(batch.body) + BATCH_OVERHEAD_BYTES

"""Spans passed on to the user's own collector, which may be absent, slow or broken, at no cost to who sent them."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from simulator.console.traces.destination import destination_from, wants_passing
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_posting import Answer, Parcel, Poster
from simulator.telemetry.tally import SPANS_OFFERED, SPANS_PASSED_ON

__all__ = ["Destination", "Parcel", "Passer", "Standing", "destination_from", "wants_passing"]

MOST_BYTES = 8 * 2**20
# What a parcel takes in memory beside its body, so that a great many small ones are bounded too.
PARCEL_BYTES = 1024
_FLUSH_SECONDS = 2.0
_IDLE_SECONDS = 0.25
_OWN = "the endpoint leads back to this console; set OTEL_EXPORTER_OTLP_ENDPOINT to the collector's own address"


@dataclass(frozen=True)
class Standing:
    """How the passing on stands: where to, spans passed on, dropped and still waiting.

    `problem` says in words what was wrong with the last try, "" where it went well.
    """

    endpoint: str
    spans_passed_on: int
    spans_dropped: int
    spans_waiting: int
    problem: str


class Passer:
    """Hold what is to be passed on, `most_bytes` of it at most, and post it in the order in which it came.

    A collector that can't be reached is tried again after a pause, with what has come since then waiting; the oldest
    are dropped, and counted, for want of room. What it refuses is dropped at once. `count(name, spans)` is told of what
    is offered and what is passed on, so that a console that is killed leaves a count.
    """

    def __init__(
        self,
        destination: Destination,
        most_bytes: int = MOST_BYTES,
        post: Callable[[Parcel, float], Answer] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        count: Callable[[str, int], None] = lambda name, spans: None,
    ) -> None:
        self._destination = destination
        self._most_bytes = most_bytes
        self._name = f"console-{uuid.uuid4().hex}"
        self._post = post or Poster(destination, {"via": f"1.1 {self._name}"})
        self._monotonic = monotonic
        self._count = count
        self._changed = threading.Condition()
        self._waiting: deque[Parcel] = deque()
        self._under_way: Parcel | None = None
        self._held_bytes = 0  # waiting and under way
        self._passed_on = self._dropped = 0
        self._problem = ""
        self._is_closed = False

    def offer(self, parcel: Parcel) -> None:
        """Take a parcel to be passed on, or drop and count it. Return at once."""
        if not parcel.spans:
            return
        with self._changed:
            self._count(SPANS_OFFERED, parcel.spans)
            if self._name in parcel.via:
                self._problem = _OWN
                self._dropped += parcel.spans
            elif self._is_closed:
                self._dropped += parcel.spans
            else:
                self._waiting.append(parcel)
                self._held_bytes += _bytes_of(parcel)
                self._make_room()
                self._changed.notify()

    def run(self, stop: threading.Event) -> None:
        """Pass on until `stop` is set, then what is left for two seconds more at the most; meant for its own thread.

        A try that is under way when `stop` is set is waited for.
        """
        while not stop.is_set():
            parcel = self._next()
            if parcel is not None:
                stop.wait(self._try(parcel, self._destination.timeout_seconds).pause_seconds)
        self._flush()

    def standing(self) -> Standing:
        """Say how it stands."""
        with self._changed:
            waiting = sum(parcel.spans for parcel in self._waiting)
            waiting += self._under_way.spans if self._under_way is not None else 0
            return Standing(self._destination.shown_endpoint, self._passed_on, self._dropped, waiting, self._problem)

    def _next(self, wait_seconds: float = _IDLE_SECONDS) -> Parcel | None:
        with self._changed:
            if not self._waiting:
                self._changed.wait(wait_seconds)
            if not self._waiting:
                return None
            self._under_way = self._waiting.popleft()
            return self._under_way

    def _try(self, parcel: Parcel, timeout_seconds: float) -> Answer:
        answer = self._post(parcel, timeout_seconds)
        with self._changed:
            self._under_way = None
            self._problem = answer.problem
            if answer.is_worth_retrying:
                self._waiting.appendleft(parcel)
                return answer
            self._held_bytes -= _bytes_of(parcel)
            lost = min(answer.spans_rejected, parcel.spans) if answer.is_taken else parcel.spans
            self._dropped += lost
            self._passed_on += parcel.spans - lost
            self._count(SPANS_PASSED_ON, parcel.spans - lost)
        return answer

    def _make_room(self) -> None:
        while self._waiting and self._held_bytes > self._most_bytes:
            self._drop(self._waiting.popleft())

    def _flush(self) -> None:
        """Pass on what is left, for a while, and drop the rest."""
        with self._changed:
            self._is_closed = True
        end = self._monotonic() + _FLUSH_SECONDS
        while (left := end - self._monotonic()) > 0 and (parcel := self._next(0)) is not None:
            if self._try(parcel, min(left, self._destination.timeout_seconds)).pause_seconds:
                break
        with self._changed:
            while self._waiting:
                self._drop(self._waiting.popleft())

    def _drop(self, parcel: Parcel) -> None:
        self._held_bytes -= _bytes_of(parcel)
        self._dropped += parcel.spans


def _bytes_of(parcel: Parcel) -> int:
    return len(parcel.body) + PARCEL_BYTES

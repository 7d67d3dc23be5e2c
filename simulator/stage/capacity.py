"""Workers and the room to wait for one: first come, first served."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from simulator.errors import Rejected, ShuttingDown


class Capacity:
    """`workers` messages at once, `queue` more waiting in line; whoever comes beyond that is rejected at once.

    A worker is held until the answer, as a thread of a synchronous service is, so that `workers` + `queue` bounds the
    messages inside a stage.
    """

    def __init__(self, workers: int, queue: int, monotonic: Callable[[], float]) -> None:
        self.workers = workers
        self.queue = queue
        self.busy = 0
        self._monotonic = monotonic
        self._waiting: deque[Place] = deque()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Give how many messages wait for a worker."""
        return len(self._waiting)

    @property
    def utilisation(self) -> float:
        """Give the share of workers that are busy, 0 to 1."""
        return min(1.0, self.busy / self.workers)

    @property
    def inside(self) -> int:
        """Give how many messages are inside, at work or waiting."""
        return self.busy + len(self._waiting)

    @contextmanager
    def worker(self) -> Iterator[float]:
        """Hold a worker in the body of the `with`; give the seconds that it took to get one.

        Raise Rejected where there is no room to wait, or the stage is shutting down.
        """
        with self.enter() as place:
            yield place.wait()

    def check_room(self) -> None:
        """Raise Rejected where nobody is let in now: whoever has something large to bring need not bring it."""
        if self._closed:
            raise ShuttingDown
        if self.busy >= self.workers and len(self._waiting) >= self.queue:
            raise Rejected(f"all {self.workers} workers are busy and {self.queue} messages wait already")

    @contextmanager
    def enter(self) -> Iterator[Place]:
        """Be inside, at work or in line, in the body of the `with`. Raise Rejected where there is no room."""
        with self._lock:
            self.check_room()
            place = Place(self._monotonic)
            if self.busy < self.workers:
                self.busy += 1
                place.call_up()
            else:
                self._waiting.append(place)
        try:
            yield place
        finally:
            self._leave(place)

    def close(self) -> None:
        """Reject every message from now on; those inside or waiting go on."""
        self._closed = True

    def resize(self, workers: int, queue: int) -> None:
        """Have other numbers from now on; whoever is at work or waits already is not sent away."""
        with self._lock:
            self.workers, self.queue = workers, queue
            while self._waiting and self.busy < self.workers:
                self.busy += 1
                self._waiting.popleft().call_up()

    def _leave(self, place: Place) -> None:
        with self._lock:
            if not place.called_up:
                self._waiting.remove(place)
            elif self._waiting and self.busy <= self.workers:
                # The worker goes straight to whoever has waited longest, so nobody can overtake.
                self._waiting.popleft().call_up()
            else:
                self.busy -= 1


class Place:
    """A message's place inside a stage: in line until a worker is free for it."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._turn: threading.Event | None = None
        self.called_up = False

    def wait(self) -> float:
        """Wait for the worker; give the seconds that it took."""
        if self.called_up:
            return 0.0
        begin = self._monotonic()
        self._turn = threading.Event()
        # Either this look sees that the place was called up, or whoever calls it up sees the event.
        if not self.called_up:
            self._turn.wait()
        return self._monotonic() - begin

    def call_up(self) -> None:
        """Give the place a worker."""
        self.called_up = True
        if self._turn is not None:
            self._turn.set()

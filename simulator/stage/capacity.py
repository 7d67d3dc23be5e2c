"""Workers and the room to wait for one: first come, first served."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from simulator.errors import Rejected


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
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Give how many messages wait for a worker."""
        return len(self._waiting)

    @property
    def inside(self) -> int:
        """Give how many messages are inside, at work or waiting."""
        return self.busy + len(self._waiting)

    @contextmanager
    def worker(self) -> Iterator[float]:
        """Hold a worker in the body of the `with`; give the seconds that it took to get one.

        Raise Rejected where there is no room to wait, or the stage is shutting down.
        """
        wait_seconds = self._acquire()
        try:
            yield wait_seconds
        finally:
            self._release()

    def close(self) -> None:
        """Reject every message from now on; those inside or waiting go on."""
        self._closed = True

    def _acquire(self) -> float:
        with self._lock:
            if self._closed:
                raise Rejected("the stage is shutting down")
            if self.busy < self.workers:
                self.busy += 1
                return 0.0
            if len(self._waiting) >= self.queue:
                raise Rejected(f"all {self.workers} workers are busy and {self.queue} messages wait already")
            turn = threading.Event()
            self._waiting.append(turn)
        begin = self._monotonic()
        turn.wait()
        return self._monotonic() - begin

    def _release(self) -> None:
        with self._lock:
            if self._waiting:
                # The worker goes straight to whoever has waited longest, so nobody can overtake.
                self._waiting.popleft().set()
            else:
                self.busy -= 1

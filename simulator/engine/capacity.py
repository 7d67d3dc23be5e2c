"""Workers and the queue for them: first come, first served."""

from __future__ import annotations

from collections import deque
from types import TracebackType

from simulator.engine.runtime import Event, Runtime
from simulator.errors import Rejected, ShuttingDown


class Capacity:
    """`workers` messages at a time, and `queue` more that wait for a worker; further messages are rejected.

    A worker is held until the answer has been sent, like a thread of a synchronous service, so that `workers` + `queue`
    bounds the messages inside a stage.
    """

    def __init__(self, workers: int, queue: int, runtime: Runtime) -> None:
        self.workers = workers
        self.queue = queue
        self.busy = 0
        self.now = runtime.now  # monotonic, in seconds
        self._runtime = runtime
        self._waiting: deque[Ticket] = deque()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Return how many messages wait for a worker."""
        return len(self._waiting)

    @property
    def utilisation(self) -> float:
        """Return the share of workers that are busy, 0 to 1."""
        return min(1.0, self.busy / self.workers)

    @property
    def inside(self) -> int:
        """Return how many messages are inside, with a worker or waiting for one."""
        return self.busy + len(self._waiting)

    def check_room(self) -> None:
        """Raise Rejected if no message is admitted now, so that a large body need not be read first."""
        if self._closed:
            raise ShuttingDown
        if self.busy >= self.workers and len(self._waiting) >= self.queue:
            raise Rejected(f"all {self.workers} workers are busy and {self.queue} messages wait already")

    def ticket(self) -> Ticket:
        """Return a ticket for one message: a context manager that releases the worker at its end."""
        return Ticket(self)

    def close(self) -> None:
        """Reject every message from now on. Messages already admitted are unaffected."""
        self._closed = True

    def resize(self, workers: int, queue: int) -> None:
        """Change the limits. Messages already admitted are unaffected."""
        self.workers, self.queue = workers, queue
        while self._waiting and self.busy < self.workers:
            self.busy += 1
            self._waiting.popleft().call()

    def enter(self, ticket: Ticket) -> Event | None:
        """Admit a ticket; return the event that it has to wait for, None if it has a worker. Raise Rejected if full."""
        self.check_room()
        if self.busy < self.workers:
            self.busy += 1
            ticket.called = True
            return None
        self._waiting.append(ticket)
        return self._runtime.event("a worker")

    def leave(self, ticket: Ticket) -> None:
        """Release a ticket that was admitted."""
        if not ticket.called:
            self._waiting.remove(ticket)
        elif self._waiting and self.busy <= self.workers:
            # The worker goes straight to the message that has waited longest, so that none can overtake it.
            self._waiting.popleft().call()
        else:
            self.busy -= 1


class Ticket:
    """A message's ticket: in the queue until it is called to a worker, which it holds until the end of the `with`."""

    __slots__ = ("_capacity", "_inside", "_turn", "called", "taken_at")

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._inside = False
        self._turn: Event | None = None
        self.called = False
        self.taken_at = 0.0

    def __enter__(self) -> Ticket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._inside:
            self._inside = False
            self._capacity.leave(self)

    def take(self) -> None:
        """Get a worker, or queue for one, at `taken_at`, monotonic. Raise Rejected if the queue is full."""
        self._turn = self._capacity.enter(self)
        self.taken_at = self._capacity.now()
        self._inside = True

    def wait(self, since: float | None = None) -> float:
        """Wait for a worker, and return the length of the wait in seconds.

        It begins at `since`, a time of the monotonic clock, such as that of an answer in between; None means when the
        place was taken, `taken_at`.
        """
        if self.called or self._turn is None:
            return 0.0
        self._turn.wait()
        return self._capacity.now() - (self.taken_at if since is None else since)

    def call(self) -> None:
        """Called when a worker is free for the ticket."""
        self.called = True
        if self._turn is not None:
            self._turn.set()

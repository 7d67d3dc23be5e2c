"""The injector's own messages, on an open schedule or a number at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Protocol

from simulator.behaviour.draws import FIRST_VISIT, message_id
from simulator.behaviour.payloads import CONTENT_TYPE, payload
from simulator.behaviour.schedules import RunningSchedule, Schedule, arrival_draw
from simulator.engine.drafts import Draft
from simulator.engine.identity import Identity
from simulator.engine.message import Due, Message, NoClient
from simulator.engine.runtime import Event, Runtime
from simulator.engine.tracing import Tracing
from simulator.telemetry.record import OUTSIDE, Outcome, StageRecord, Via

# Waited for piece by piece: at a tiny rate the next message is further off than any timer can count.
_MAX_WAIT_SECONDS = 3600.0


class ScheduleListener(Protocol):
    """What is told how the schedule is kept."""

    def due(self, lag_seconds: float) -> None:
        """Called when a message that was due is begun, with how late that is."""

    def missed(self) -> None:
        """Called when a due message found no room."""

    def finished(self) -> None:
        """Called when no further message will come, and all have been answered."""


class Injector:
    """Send drafts, paced or a number at a time; every one is handled as a message that came by POST is."""

    def __init__(
        self,
        identity: Identity,
        runtime: Runtime,
        listener: ScheduleListener,
        tracing: Tracing,
        handle: Callable[[Message], StageRecord],
        via: Via,
    ) -> None:
        self._identity = identity
        self._runtime = runtime
        self._listener = listener
        self._tracing = tracing
        self._handle = handle
        self._via = via
        self._stopped = False
        self._schedule: Schedule | None = None
        self._under_way = 0
        self._wake = self._turn = self._new_event()

    def stop(self) -> None:
        """Begin no further message."""
        self._stopped = True
        self._wake.set()
        self._turn.set()

    @property
    def is_paced(self) -> bool:
        """Return whether messages are sent at a rate."""
        return self._schedule is not None

    def repace(self, schedule: Schedule) -> None:
        """Send by another schedule, which begins now."""
        self._schedule = schedule
        self._wake.set()

    def run_paced(self, drafts: Iterator[Draft], schedule: Schedule) -> None:
        """Send each draft when it is due, whatever became of the ones before; return when all are answered.

        A schedule that has no further message ends the load, as the last draft does.
        """
        self._schedule = schedule
        running = RunningSchedule(schedule, self._runtime.now())
        for draft in drafts:
            turn = self._wait_for_turn(draft.number, running)
            if turn is None or self._stopped:
                break
            running = turn
            lag = self._runtime.now() - turn.due_at
            self._listener.due(lag)
            self._begin(draft, turn.due_at, self._runtime.unix_ns() - int(lag * 1e9), lag)
        self._finish()

    def run_closed(self, drafts: Iterator[Draft], concurrency: int) -> None:
        """Send `concurrency` drafts at a time, the next when one is answered; return when all are."""
        for draft in drafts:
            self._wait_while(lambda: self._under_way >= concurrency and not self._stopped)
            if self._stopped:
                break
            self._listener.due(0.0)
            self._begin(draft, self._runtime.now(), self._runtime.unix_ns(), 0.0)
        self._finish()

    def _begin(self, draft: Draft, due_at: float, due_ns: int, lag: float) -> None:
        self._under_way += 1
        self._runtime.spawn(lambda: self._send(draft, due_at, due_ns, lag))

    def _send(self, draft: Draft, due_at: float, due_ns: int, lag: float) -> None:
        try:
            with self._tracing.root(due_ns, lag):
                record = self._handle(self._message(draft, due_at, due_ns))
            if record.outcome is Outcome.REJECTED:
                self._listener.missed()
        finally:
            self._under_way -= 1
            self._turn.set()

    def _message(self, draft: Draft, due_at: float, due_ns: int) -> Message:
        ident = message_id(self._identity.seed, self._identity.stage, draft.number)
        body = draft.body or payload(draft.number, ident, _rfc3339(due_ns))
        return Message(
            message_id=ident,
            visit=FIRST_VISIT,
            caller=OUTSIDE,
            via=self._via,
            content_type=CONTENT_TYPE,
            body_bytes=len(body),
            due=Due(due_ns / 1e9, due_at),
            exchange=NoClient(body),
        )

    def _wait_for_turn(self, number: int, running: RunningSchedule) -> RunningSchedule | None:
        """Wait until message `number` is due, and return the schedule at it; None where it is not to be sent."""
        u = arrival_draw(self._identity.seed, self._identity.stage, number)
        start = running.due_at
        while not self._stopped and (schedule := self._schedule) is not None:
            if schedule is not running.schedule:
                running = RunningSchedule(schedule, start)
            turn = running.next(u)
            if turn is None:
                return None
            while not self._stopped and schedule is self._schedule:
                left = turn.due_at - self._runtime.now()
                # Also where there is nothing to wait for: an injector that is behind must let others run.
                if self._wake.wait(min(max(0.0, left), _MAX_WAIT_SECONDS)):
                    self._wake = self._new_event()
                elif left <= 0:
                    return turn
            # Another schedule: what is left of the old gap is forgotten.
            start = self._runtime.now()
        return None

    def _wait_while(self, is_so: Callable[[], bool]) -> None:
        """Wait for the ends of messages for as long as something is so."""
        while is_so():
            self._turn = self._new_event()
            self._turn.wait(None)

    def _finish(self) -> None:
        self._wait_while(lambda: self._under_way > 0)
        if not self._stopped:
            self._listener.finished()

    def _new_event(self) -> Event:
        return self._runtime.event("the injector's next message")


def _rfc3339(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

"""The messages that an injector creates: on an open schedule, a fixed number at a time, or as users do."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from typing import Protocol

from simulator.behaviour.arrivals import arrival_draw
from simulator.behaviour.draws import FIRST_VISIT, message_id
from simulator.behaviour.payloads import CONTENT_TYPE, payload
from simulator.behaviour.schedules import RunningSchedule, Schedule
from simulator.engine.drafts import Draft
from simulator.engine.identity import Identity
from simulator.engine.made_bodies import Bodies
from simulator.engine.message import Due, Message, NoClient
from simulator.engine.runtime import Event, Runtime
from simulator.engine.tracing import Tracing
from simulator.engine.users import Users
from simulator.telemetry.record import OUTSIDE, Outcome, StageRecord, Via
from simulator.telemetry.timestamps import Timestamps

# A message that was due so shortly before the stop is not late yet: it belongs to what comes after.
STOP_GRACE_SECONDS = 0.1
# Of more that were due than these the rest is counted by its expected number.
_MAX_COUNTED_ONE_BY_ONE = 50_000
# A longer wait is split: at a tiny rate the next message is further off than any timer can count.
_MAX_WAIT_SECONDS = 3600.0


class ScheduleListener(Protocol):
    """Listen to how a schedule is kept."""

    def due(self, lag_seconds: float) -> None:
        """Called when a message that is due starts, with how late it is."""

    def missed(self) -> None:
        """Called when a message was rejected by its own stage, which had no room for it."""

    def unstarted(self, count: int, oldest_lag_seconds: float) -> None:
        """Called when the load is stopped with messages that were due and not started; one has waited for longest."""

    def finished(self) -> None:
        """Called when the last message has been answered."""


class Injector:
    """Send drafts, on a schedule, a fixed number at a time, or as users do; each is handled like a posted message."""

    def __init__(
        self,
        identity: Identity,
        runtime: Runtime,
        listener: ScheduleListener,
        tracing: Tracing,
        handle: Callable[[Message], StageRecord],
        via: Via,
        bodies: Bodies = payload,
    ) -> None:
        self._identity = identity
        self._runtime = runtime
        self._listener = listener
        self._tracing = tracing
        self._handle = handle
        self._via = via
        self._bodies = bodies
        self._stopped = False
        self._schedule: Schedule | None = None
        # How far the schedule is, the number of the message that waits for its turn, and of the last that is to come.
        self._progress: RunningSchedule | None = None
        self._waiting_number = 0
        self._last_number = 0.0
        self._in_flight = 0
        self._timestamps = Timestamps()
        self._wake = self._turn = self._new_event()
        self._stopping = runtime.event("the end of a user's thinking")

    def stop(self) -> None:
        """Start no further message. Those that were due until now and have not started are counted as missed."""
        if not self._stopped and self._progress is not None:
            self._count_unstarted(self._progress, self._runtime.now() - STOP_GRACE_SECONDS)
        self._stopped = True
        self._stopping.set()
        self._wake.set()
        self._turn.set()

    @property
    def is_paced(self) -> bool:
        """Return whether messages are sent on a schedule."""
        return self._schedule is not None

    def repace(self, schedule: Schedule) -> None:
        """Switch to another schedule, which starts now. What was due on the old one is counted as in `stop`."""
        if self._progress is not None:
            self._count_unstarted(self._progress, self._runtime.now() - STOP_GRACE_SECONDS)
        self._schedule = schedule
        self._wake.set()

    def run_paced(self, drafts: Iterator[Draft], schedule: Schedule, messages: float = math.inf) -> None:
        """Send each draft when it is due, whether or not earlier ones are answered; return when all are answered.

        A schedule without a further message ends the load, as the last draft does. There are as many drafts as
        `messages`; with 0 nobody knows, and only a message that was read can be missed.
        """
        self._schedule = schedule
        self._progress = RunningSchedule.starting(schedule, self._runtime.now())
        for draft in drafts:
            self._waiting_number = draft.number
            self._last_number = messages or draft.number
            turn = self._wait_for_turn(draft.number, self._progress)
            if turn is None or self._stopped:
                break
            self._progress, self._waiting_number = turn, draft.number + 1
            lag = self._runtime.now() - turn.due_at
            self._listener.due(lag)
            self._start(draft, turn.due_at, self._runtime.unix_ns() - int(lag * 1e9), lag)
        self._progress = None
        self._finish()

    def run_closed(self, drafts: Iterator[Draft], concurrency: int) -> None:
        """Send `concurrency` drafts at a time, the next when one is answered; return when all are answered."""
        for draft in drafts:
            self._wait_while(lambda: self._in_flight >= concurrency and not self._stopped)
            if self._stopped:
                break
            self._listener.due(0.0)
            self._start(draft, self._runtime.now(), self._runtime.unix_ns(), 0.0)
        self._finish()

    def run_users(self, users: Users, count: int) -> None:
        """Run users who send messages; return when all of these are answered."""
        users.run(count, self._send_when_due)
        self._finish()

    def _send_when_due(self, draft: Draft, due_at: float) -> bool:
        """Send a message when it is due, wait for its answer, and return whether another may follow."""
        while not self._stopped and (left := due_at - self._runtime.now()) > 0:
            self._stopping.wait(min(left, _MAX_WAIT_SECONDS))
        if self._stopped:
            return False
        lag = self._runtime.now() - due_at
        self._listener.due(lag)
        self._in_flight += 1
        self._send(draft, due_at, self._runtime.unix_ns() - int(lag * 1e9), lag)
        return not self._stopped

    def _start(self, draft: Draft, due_at: float, due_ns: int, lag: float) -> None:
        self._in_flight += 1
        self._runtime.spawn(lambda: self._send(draft, due_at, due_ns, lag))

    def _send(self, draft: Draft, due_at: float, due_ns: int, lag: float) -> None:
        try:
            with self._tracing.root(due_ns, lag):
                record = self._handle(self._message(draft, due_at, due_ns))
            if record.outcome is Outcome.REJECTED:
                self._listener.missed()
        except Exception:  # raised by a sink; nothing waits for this task and could raise it again
            logging.getLogger(__name__).exception("message %d of the load could not be handled", draft.number)
        finally:
            self._in_flight -= 1
            self._turn.set()

    def _message(self, draft: Draft, due_at: float, due_ns: int) -> Message:
        stage = self._identity.stage
        origin = f"{stage}/user {draft.user}" if draft.user else stage
        ident = message_id(self._identity.seed, origin, draft.number)
        body = draft.body or self._bodies(draft.number, ident, self._timestamps(due_ns))
        received_at = self._runtime.now()
        return Message(
            message_id=ident,
            visit=FIRST_VISIT,
            caller=OUTSIDE,
            via=self._via,
            content_type=CONTENT_TYPE,
            body_bytes=len(body),
            due=Due(due_ns / 1e9, due_at),
            exchange=NoClient(body),
            received_at=received_at,
            # Not the time of day: the root span, which begins at the due time, lasts as long as the clock says.
            received_unix_ns=due_ns + round((received_at - due_at) * 1e9),
            begins_here=True,
            turn=draft.turn,
        )

    def _wait_for_turn(self, number: int, running: RunningSchedule) -> RunningSchedule | None:
        """Wait until message `number` is due, and return the schedule at it; None if it is not to be sent."""
        u = arrival_draw(self._identity.seed, self._identity.stage, number)
        start = running.due_at
        while not self._stopped and (schedule := self._schedule) is not None:
            if schedule is not running.schedule:
                self._progress = running = RunningSchedule.starting(schedule, start)
            turn = running.next(u)
            if turn is None:
                return None
            while not self._stopped and schedule is self._schedule:
                left = turn.due_at - self._runtime.now()
                # Even if there is nothing to wait for: an injector that is behind must let others run.
                if self._wake.wait(min(max(0.0, left), _MAX_WAIT_SECONDS)):
                    self._wake = self._new_event()
                elif left <= 0:
                    return turn
            # Another schedule: the rest of the old gap is dropped.
            start = self._runtime.now()
        return None

    def _count_unstarted(self, progress: RunningSchedule, until: float) -> None:
        """Report to the listener the messages that were due by then and have not started."""
        if progress.schedule is not self._schedule:
            return  # another has just taken its place
        begin, count, oldest_due_at = progress, 0, until
        number, last = self._waiting_number, self._last_number
        while number + count <= last and count < _MAX_COUNTED_ONE_BY_ONE:
            turn = progress.next(arrival_draw(self._identity.seed, self._identity.stage, number + count))
            if turn is None or turn.due_at > until:
                break
            progress, count = turn, count + 1
            oldest_due_at = min(oldest_due_at, turn.due_at)
        if count == _MAX_COUNTED_ONE_BY_ONE:
            expected = begin.schedule.profile.expected(until - begin.start_seconds) - progress.expected
            count += int(min(last - number - count + 1, max(0.0, expected)))
        if count:
            self._listener.unstarted(count, self._runtime.now() - oldest_due_at)

    def _wait_while(self, condition: Callable[[], bool]) -> None:
        """Wait for messages to end for as long as a condition holds."""
        while condition():
            self._turn = self._new_event()
            self._turn.wait(None)

    def _finish(self) -> None:
        self._wait_while(lambda: self._in_flight > 0)
        if not self._stopped:
            self._listener.finished()

    def _new_event(self) -> Event:
        return self._runtime.event("the injector's next message")

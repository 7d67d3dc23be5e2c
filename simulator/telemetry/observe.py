"""The outermost layer of handling a message: whatever happens inside, one record is made and every sink gets it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType

from simulator.errors import BrokenOff, InjectedFault, InvalidMessage, MessageError, Rejected
from simulator.telemetry.clock import Clock
from simulator.telemetry.record import (
    Arrival,
    Attempt,
    CallRecord,
    Choice,
    ChoiceKind,
    FaultTime,
    Outcome,
    StageRecord,
    StepDelay,
)


class Sink:
    """Listen to what happens, for logs, metrics, spans or a tally; a subclass overrides what it needs."""

    def received(self, arrival: Arrival) -> None:
        """Called when a message arrives."""

    def injected(self, arrival: Arrival, fault: str) -> None:
        """Called when a fault is injected into a message."""

    def logged(self, arrival: Arrival, level: str, text: str) -> None:
        """Called when the service itself logs a line about a message."""

    def sending(self, downstream: str, operation: str = "") -> None:
        """Called when an attempt at a call starts; `operation` is the called stage's, "" if it has only itself."""

    def attempted(
        self,
        arrival: Arrival,
        downstream: str,
        attempt: Attempt,
        retry_in_seconds: float | None,
        operation: str = "",
    ) -> None:
        """Called when an attempt has ended, with the pause before the next one; None if none follows."""

    def sent(self, arrival: Arrival, call: CallRecord) -> None:
        """Called when a call has ended."""

    def handled(self, record: StageRecord) -> None:
        """Called when the handling of a message has ended, in the context of its span."""


class Observer:
    """Observe the handling of messages and inform the sinks."""

    def __init__(self, sinks: Sequence[Sink], clock: Clock) -> None:
        self._sinks = tuple(sinks)
        self._clock = clock
        # Few of them listen to every message that arrives.
        self._receivers = tuple(sink.received for sink in sinks if type(sink).received is not Sink.received)

    def observing(self, arrival: Arrival) -> Observation:
        """Return a context manager that observes the handling of one message in its body."""
        return Observation(arrival, self._sinks, self._receivers, self._clock)


class Observation:
    """What is known of one message so far; it becomes its record when the answer has been sent.

    A context manager: an exception in its body is recorded and not caught. `receivers` are those of the sinks that want
    to know that the message has arrived. `has_waited` means that the delay was waited for, because it was not over
    already.
    """

    def __init__(
        self, arrival: Arrival, sinks: Sequence[Sink], receivers: Sequence[Callable[[Arrival], None]], clock: Clock
    ) -> None:
        self._arrival = arrival
        self._sinks = sinks
        self._receivers = receivers
        self._clock = clock
        self.outcome = Outcome.FAILED
        self._code: int | None = 500
        self._error = ""
        self._faults: list[str] = []
        self._fault_times: list[FaultTime] = []
        self._fault_seconds = 0.0
        self._accepted_seconds: float | None = None
        self._reading_seconds = 0.0
        self._queue_wait_seconds: float | None = None
        self._queued_seconds = 0.0
        self._delay_drawn_seconds: float | None = None
        self._delay_spec, self._utilisation, self._has_worked = "", 0.0, False
        self._processed_seconds = 0.0
        self._calls: list[CallRecord] = []
        self._unfinished_calls: list[CallRecord] = []
        self._choices: list[Choice] = []
        self._step_delays: list[StepDelay] = []
        self._away: Away | None = None
        self._record: StageRecord | None = None
        self.has_waited = False

    def __enter__(self) -> Observation:
        for received in self._receivers:
            received(self._arrival)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self.broke(error)
        elif error is not None:
            self.failed(BrokenOff())
        if self._record is None:
            self.left()
        for sink in self._sinks:
            sink.handled(self.record)

    @property
    def received_at(self) -> float:
        """Return when the message arrived, monotonic."""
        return self._arrival.received_at

    @property
    def record(self) -> StageRecord:
        """Return the record, which exists once the answer has been sent."""
        if self._record is None:
            raise LookupError("the message is still being handled")
        return self._record

    def duration_seconds(self, until: float | None = None) -> float:
        """Return how long the message has taken until some time, monotonic; None for now."""
        return (self._clock.now() if until is None else until) - self._arrival.received_at

    def own_time_over_at(self, seconds: float) -> float:
        """Return when the stage's own time reaches so many seconds, monotonic, if it does nothing else from now on.

        Its own time is all since the message arrived, except waiting for its bytes or a worker, and except faults.
        """
        others = self._reading_seconds + (self._queue_wait_seconds or 0.0) + self._fault_seconds
        return self._arrival.received_at + others + seconds

    def sized(self, body_bytes: int) -> None:
        """Record how many bytes of the body arrived, whatever number was announced, if any."""
        if body_bytes != self._arrival.body_bytes:
            self._arrival = replace(self._arrival, body_bytes=body_bytes)

    def read(self, waited_seconds: float) -> None:
        """Record how long the stage waited for the client's bytes."""
        self._reading_seconds = waited_seconds

    def waited(self, seconds: float, since: float | None = None) -> None:
        """Record how long the message waited for a worker, and since when it could have had one; None: its arrival."""
        self._queue_wait_seconds = seconds
        self._queued_seconds = 0.0 if since is None else since - self._arrival.received_at

    def accepted(self, left_at: float | None = None) -> None:
        """Record that the client has its answer before the message is processed, and when it left; None for now."""
        self._accepted_seconds = self.duration_seconds(left_at)

    def processed(self, drawn_seconds: float, spec: str, utilisation: float, has_worked: bool = False) -> None:
        """Record that the delay is over, what was drawn for it, the share of busy workers, and if `work` was done."""
        self._delay_drawn_seconds = drawn_seconds
        self._delay_spec, self._utilisation, self._has_worked = spec, utilisation, has_worked
        self._processed_seconds = self._clock.now() - self._arrival.received_at

    def injected(self, fault: str) -> None:
        """Record that a fault is injected."""
        self._faults.append(fault)
        for sink in self._sinks:
            sink.injected(self._arrival, fault)

    def logged(self, level: str, text: str) -> None:
        """Record that the service itself logs a line."""
        for sink in self._sinks:
            sink.logged(self._arrival, level, text)

    def fault_took(self, fault: str, begin: float, seconds: float) -> None:
        """Record how long a fault took; `begin` is monotonic."""
        self._fault_times.append(FaultTime(fault, begin - self._arrival.received_at, seconds))
        self._fault_seconds += seconds

    def sending(self, downstream: str, operation: str = "") -> None:
        """Record that an attempt at a call starts."""
        for sink in self._sinks:
            sink.sending(downstream, operation)

    def away(self) -> Away:
        """Return what counts the time in the body of a `with` as time downstream: in a call, or between attempts.

        Calls may be made in parallel; their time counts once.
        """
        if self._away is None:
            self._away = Away(self._clock)
        return self._away

    def paused(self, spec: str, position: str, drawn_seconds: float) -> Pausing:
        """Return what records the time in the body of a `with` as the delay of the step at `position`."""
        return Pausing(self.away(), lambda begin, seconds: self._paused(spec, position, drawn_seconds, begin, seconds))

    def _paused(self, spec: str, position: str, drawn_seconds: float, begin: float, seconds: float) -> None:
        after_seconds = begin - self._arrival.received_at
        self._step_delays.append(StepDelay(spec, position, drawn_seconds, after_seconds, seconds))

    def attempted(self, downstream: str, attempt: Attempt, retry_in_seconds: float | None, operation: str = "") -> None:
        """Record how an attempt ended, and the pause before the next one; None if none follows."""
        for sink in self._sinks:
            sink.attempted(self._arrival, downstream, attempt, retry_in_seconds, operation)

    def called(self, call: CallRecord) -> None:
        """Record how a call ended."""
        self._calls.append(call)
        for sink in self._sinks:
            sink.sent(self._arrival, call)

    def broke_off(self, call: CallRecord) -> None:
        """Record a call that ended with the stage, or with the rest of its group."""
        self._unfinished_calls.append(call)

    def chose(self, kind: ChoiceKind, position: str, chosen: int) -> None:
        """Record what a draw decided."""
        self._choices.append(Choice(kind, position, chosen))

    def truncated(self, fault: str) -> None:
        """Record that the handling succeeded, but that a fault cuts the answer off."""
        self.outcome, self._error = Outcome.FAULTED, f"the fault {fault} was injected here"

    def ended(self, outcome: Outcome, code: int = 200) -> None:
        """Record success."""
        self.outcome, self._code = outcome, code

    def failed(self, error: MessageError) -> None:
        """Record that the handling ended with a known error."""
        self.outcome, self._code, self._error = outcome_of(error), error.status, str(error)
        if error.body_bytes is not None:
            self.sized(error.body_bytes)
        if isinstance(error, InjectedFault) and error.no_answer:
            self._code = None

    def broke(self, error: BaseException) -> None:
        """Record that an unforeseen error ended the handling."""
        self.outcome, self._code, self._error = Outcome.FAILED, 500, f"{type(error).__name__}: {error}"

    def left(self, left_at: float | None = None) -> StageRecord:
        """Make and return the record: the answer left at some time, monotonic, or there is none; None for now."""
        away = self._away
        self._record = record = StageRecord(
            arrival=self._arrival,
            outcome=self.outcome,
            code=self._code if self._accepted_seconds is None else 202,
            faults=tuple(self._faults),
            error=self._error,
            reading_seconds=self._reading_seconds,
            queue_wait_seconds=self._queue_wait_seconds,
            queued_seconds=self._queued_seconds,
            delay_drawn_seconds=self._delay_drawn_seconds,
            delay_spec=self._delay_spec,
            utilisation=self._utilisation,
            processed_seconds=self._processed_seconds,
            fault_times=tuple(self._fault_times),
            downstream_seconds=0.0 if away is None else away.seconds,
            duration_seconds=self.duration_seconds(left_at),
            answer_seconds=self._accepted_seconds,
            calls=tuple(self._calls),
            step_delays=tuple(self._step_delays),
            step_delay_seconds=0.0 if away is None else away.pause_seconds,
            has_worked=self._has_worked,
            choices=tuple(self._choices),
            unfinished_calls=tuple(self._unfinished_calls),
        )
        return record


class Away:
    """The time that a message is downstream, however many calls are made for it in parallel: `seconds` in all.

    `pause_seconds` are those of delays between calls, without what was downstream at the same time.
    """

    __slots__ = ("_clock", "_depth", "_paused_since", "_pauses", "_since", "pause_seconds", "seconds")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._depth = self._pauses = 0
        self._since = self._paused_since = self.seconds = self.pause_seconds = 0.0

    def __enter__(self) -> None:
        if not self._depth:
            self._since = self._clock.now()
            if self._pauses:
                self.pause_seconds += self._since - self._paused_since
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth:
            now = self._clock.now()
            self.seconds += now - self._since
            if self._pauses:
                self._paused_since = now

    def pause(self) -> float:
        """Begin a delay between calls, and return the time."""
        now = self._clock.now()
        if not self._pauses and not self._depth:
            self._paused_since = now
        self._pauses += 1
        return now

    def resume(self) -> float:
        """End a delay between calls, and return the time."""
        now = self._clock.now()
        self._pauses -= 1
        if not self._pauses and not self._depth:
            self.pause_seconds += now - self._paused_since
        return now


class Pausing:
    """A delay between calls in the body of a `with`; `record(begin, seconds)` is called at its end."""

    __slots__ = ("_away", "_begin", "_record")

    def __init__(self, away: Away, record: Callable[[float, float], None]) -> None:
        self._away = away
        self._record = record
        self._begin = 0.0

    def __enter__(self) -> float:
        self._begin = self._away.pause()
        return self._begin

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._record(self._begin, self._away.resume() - self._begin)


def outcome_of(error: MessageError) -> Outcome:
    """Return the outcome of a handling that ended with `error`."""
    if error.injected:
        return Outcome.FAULTED
    if isinstance(error, InvalidMessage):
        return Outcome.INVALID
    if isinstance(error, BrokenOff):
        return Outcome.BROKEN_OFF
    return Outcome.REJECTED if isinstance(error, Rejected) else Outcome.FAILED

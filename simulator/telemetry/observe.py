"""The outermost layer of handling a message: whatever happens inside, one record is made and every sink is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Protocol

from simulator.errors import BrokenOff, InjectedFault, InvalidMessage, MessageError, Rejected
from simulator.telemetry.clock import Clock
from simulator.telemetry.record import Arrival, Attempt, CallRecord, FaultTime, Outcome, StageRecord


class Sink(Protocol):
    """Something that is told what happens: logs, metrics, spans, a tally."""

    def received(self, arrival: Arrival) -> None:
        """Called when a message arrives."""

    def injected(self, arrival: Arrival, fault: str) -> None:
        """Called when a fault is injected into a message."""

    def sending(self, downstream: str) -> None:
        """Called when an attempt at a call begins."""

    def attempted(self, arrival: Arrival, downstream: str, attempt: Attempt, retry_in_seconds: float | None) -> None:
        """Called when an attempt has ended, with the pause before the next one; None where none follows."""

    def sent(self, arrival: Arrival, call: CallRecord) -> None:
        """Called when a call has ended."""

    def handled(self, record: StageRecord) -> None:
        """Called when the handling of a message has ended, in the context of its span."""


class Observer:
    """Watch messages being handled and tell the sinks."""

    def __init__(self, sinks: Sequence[Sink], clock: Clock) -> None:
        self._sinks = tuple(sinks)
        self._clock = clock

    def observing(self, arrival: Arrival) -> Observation:
        """Return what watches the handling of one message in the body of a `with`."""
        return Observation(arrival, self._sinks, self._clock)


class Observation:
    """What is known so far of one message; it turns into its record when its answer has left.

    A context manager: what breaks the handling off in its body is recorded and flies on. `has_waited` says that the
    delay was waited for, and not over already.
    """

    def __init__(self, arrival: Arrival, sinks: Sequence[Sink], clock: Clock) -> None:
        self._arrival = arrival
        self._sinks = sinks
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
        self._delay_drawn_seconds: float | None = None
        self._delay_spec, self._utilisation = "", 0.0
        self._processed_seconds = 0.0
        self._pipeline_seconds: float | None = None
        self._calls: list[CallRecord] = []
        self._away_since, self._away = 0.0, 0
        self._downstream_seconds = 0.0
        self._record: StageRecord | None = None
        self.has_waited = False

    def __enter__(self) -> Observation:
        for sink in self._sinks:
            sink.received(self._arrival)
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
        """Return when the message came, monotonic."""
        return self._arrival.received_at

    @property
    def record(self) -> StageRecord:
        """Return the record, which is there from when the answer has left."""
        if self._record is None:
            raise LookupError("the message is still being handled")
        return self._record

    def duration_seconds(self) -> float:
        """Return how long the message has taken until now."""
        return self._clock.now() - self._arrival.received_at

    def own_time_over_at(self, seconds: float) -> float:
        """Return when the stage's own time comes to so many seconds, monotonic, if it does nothing else from now on.

        Its own is all the time since the message came but that of waiting for its bytes and for a worker, and that
        of faults.
        """
        others = self._reading_seconds + (self._queue_wait_seconds or 0.0) + self._fault_seconds
        return self._arrival.received_at + others + seconds

    def sized(self, body_bytes: int) -> None:
        """Note how many bytes of the body came, of which more or less may have been announced, or nothing."""
        if body_bytes != self._arrival.body_bytes:
            self._arrival = replace(self._arrival, body_bytes=body_bytes)

    def read(self, waited_seconds: float) -> None:
        """Note how long the client's bytes were waited for."""
        self._reading_seconds = waited_seconds

    def waited(self, seconds: float) -> None:
        """Note how long the message waited for a worker."""
        self._queue_wait_seconds = seconds

    def accepted(self) -> None:
        """Note that the client has its answer, before the work."""
        self._accepted_seconds = self.duration_seconds()

    def processed(self, drawn_seconds: float, spec: str, utilisation: float) -> None:
        """Note what the delay's distribution said, at which share of busy workers, and that it is over."""
        self._delay_drawn_seconds = drawn_seconds
        self._delay_spec, self._utilisation = spec, utilisation
        self._processed_seconds = self.duration_seconds()

    def injected(self, fault: str) -> None:
        """Note that a fault is injected."""
        self._faults.append(fault)
        for sink in self._sinks:
            sink.injected(self._arrival, fault)

    def fault_took(self, fault: str, begin: float, seconds: float) -> None:
        """Note how long a fault that takes time took; `begin` is monotonic."""
        self._fault_times.append(FaultTime(fault, begin - self._arrival.received_at, seconds))
        self._fault_seconds += seconds

    def sending(self, downstream: str) -> None:
        """Note that an attempt at a call begins."""
        for sink in self._sinks:
            sink.sending(downstream)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Note that the message is with another stage, or waits to be sent there once more, in the body of the `with`.

        Calls may be made at the same time.
        """
        if not self._away:
            self._away_since = self._clock.now()
        self._away += 1
        try:
            yield
        finally:
            self._away -= 1
            if not self._away:
                self._downstream_seconds += self._clock.now() - self._away_since

    def attempted(self, downstream: str, attempt: Attempt, retry_in_seconds: float | None) -> None:
        """Note how an attempt ended, and the pause before the next one; None where none follows."""
        for sink in self._sinks:
            sink.attempted(self._arrival, downstream, attempt, retry_in_seconds)

    def called(self, call: CallRecord) -> None:
        """Note how a call ended."""
        self._calls.append(call)
        for sink in self._sinks:
            sink.sent(self._arrival, call)

    def truncated(self, fault: str) -> None:
        """Note that all went well, but that the client will not see it: a fault cuts the answer."""
        self.outcome, self._error = Outcome.FAULTED, f"the fault {fault} was injected here"

    def ended(self, outcome: Outcome) -> None:
        """Note that all went well; a message that was delivered has come to the end of the pipeline."""
        self.outcome, self._code = outcome, 200
        if outcome is Outcome.DELIVERED and self._arrival.due_at is not None:
            self._pipeline_seconds = self._clock.now() - self._arrival.due_at

    def failed(self, error: MessageError) -> None:
        """Note that the handling ended with an error that has a name."""
        self.outcome, self._code, self._error = outcome_of(error), error.status, str(error)
        if error.body_bytes is not None:
            self.sized(error.body_bytes)
        if isinstance(error, InjectedFault) and error.no_answer:
            self._code = None

    def broke(self, error: BaseException) -> None:
        """Note that something unforeseen broke the handling off."""
        self.outcome, self._code, self._error = Outcome.FAILED, 500, f"{type(error).__name__}: {error}"

    def left(self) -> StageRecord:
        """Make and return the record: the answer has left, or can't leave any more."""
        self._record = record = StageRecord(
            arrival=self._arrival,
            outcome=self.outcome,
            code=self._code if self._accepted_seconds is None else 202,
            faults=tuple(self._faults),
            error=self._error,
            reading_seconds=self._reading_seconds,
            queue_wait_seconds=self._queue_wait_seconds,
            delay_drawn_seconds=self._delay_drawn_seconds,
            delay_spec=self._delay_spec,
            utilisation=self._utilisation,
            processed_seconds=self._processed_seconds,
            fault_times=tuple(self._fault_times),
            downstream_seconds=self._downstream_seconds,
            duration_seconds=self.duration_seconds(),
            answer_seconds=self._accepted_seconds,
            pipeline_seconds=self._pipeline_seconds,
            calls=tuple(self._calls),
        )
        return record


def outcome_of(error: MessageError) -> Outcome:
    """Return the outcome of a handling that ended with `error`."""
    if error.injected:
        return Outcome.FAULTED
    if isinstance(error, InvalidMessage):
        return Outcome.INVALID
    if isinstance(error, BrokenOff):
        return Outcome.BROKEN_OFF
    return Outcome.REJECTED if isinstance(error, Rejected) else Outcome.FAILED

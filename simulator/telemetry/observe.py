"""The outermost layer of handling a message: whatever happens inside, one record is made and every sink is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from simulator.errors import InjectedFault, InvalidMessage, MessageError, Rejected
from simulator.telemetry.record import Arrival, CallRecord, Clock, Outcome, StageRecord


class Sink(Protocol):
    """Something that is told what happens: logs, metrics, spans, a tally."""

    def received(self, arrival: Arrival) -> None:
        """Hear that a message has come."""

    def sending(self, downstream: str) -> None:
        """Hear that a try at sending a message on begins."""

    def sent(self, arrival: Arrival, call: CallRecord) -> None:
        """Hear how a call ended."""

    def handled(self, record: StageRecord) -> None:
        """Hear how the handling of a message ended, in the context of its span."""


class Observer:
    """Watch messages being handled and tell the sinks."""

    def __init__(self, sinks: Sequence[Sink], clock: Clock) -> None:
        self._sinks = tuple(sinks)
        self._clock = clock

    @contextmanager
    def observing(self, arrival: Arrival) -> Iterator[Observation]:
        """Watch the handling of one message in the body of the `with`; an exception is recorded and flies on."""
        seen = Observation(arrival, self._sinks, self._clock)
        for sink in self._sinks:
            sink.received(arrival)
        try:
            yield seen
        except MessageError as error:
            seen.failed(error)
            raise
        except BaseException as error:
            seen.broke(error)
            raise
        finally:
            seen.tell()


class Observation:
    """What is known so far of one message; it turns into its record when the handling ends."""

    def __init__(self, arrival: Arrival, sinks: Sequence[Sink], clock: Clock) -> None:
        self._arrival = arrival
        self._sinks = sinks
        self._clock = clock
        self._outcome, self._code = Outcome.FAILED, 500
        self._fault = self._error = ""
        self._admission_seconds = 0.0
        self._queue_wait_seconds: float | None = None
        self._delay_drawn_seconds: float | None = None
        self._processing_seconds = 0.0
        self._pipeline_seconds: float | None = None
        self._calls: list[CallRecord] = []
        self.record: StageRecord  # there from when the handling has ended

    def admitted(self) -> None:
        """Note that the message is whole and about to ask for a worker."""
        self._admission_seconds = self._clock.monotonic() - self._arrival.received_at

    def waited(self, seconds: float) -> None:
        """Note how long the message waited for a worker."""
        self._queue_wait_seconds = seconds

    def processed(self, drawn_seconds: float, took_seconds: float) -> None:
        """Note what the delay's distribution said and how long it took."""
        self._delay_drawn_seconds = drawn_seconds
        self._processing_seconds = took_seconds

    def sending(self, downstream: str) -> None:
        """Note that a try at a call begins."""
        for sink in self._sinks:
            sink.sending(downstream)

    def called(self, call: CallRecord) -> None:
        """Note how a call ended."""
        self._calls.append(call)
        for sink in self._sinks:
            sink.sent(self._arrival, call)

    def ended(self, outcome: Outcome) -> None:
        """Note that all went well; a message that was delivered has come to the end of the pipeline."""
        self._outcome, self._code = outcome, 200
        if outcome is Outcome.DELIVERED:
            self._pipeline_seconds = self._clock.unix_ns() / 1e9 - self._arrival.due_unix_seconds

    def failed(self, error: MessageError) -> None:
        """Note that the handling ended with an error that has a name."""
        self._outcome, self._code, self._error = outcome_of(error), error.status, str(error)
        if isinstance(error, InjectedFault):
            self._fault = error.fault

    def broke(self, error: BaseException) -> None:
        """Note that something unforeseen broke the handling off."""
        self._outcome, self._code, self._error = Outcome.FAILED, 500, f"{type(error).__name__}: {error}"

    def tell(self) -> None:
        """Make the record and tell every sink."""
        self.record = StageRecord(
            self._arrival,
            self._outcome,
            self._code,
            self._fault,
            self._error,
            self._admission_seconds,
            self._queue_wait_seconds,
            self._delay_drawn_seconds,
            self._processing_seconds,
            sum(call.duration_seconds for call in self._calls),
            self._clock.monotonic() - self._arrival.received_at,
            self._pipeline_seconds,
            tuple(self._calls),
        )
        for sink in self._sinks:
            sink.handled(self.record)


def outcome_of(error: MessageError) -> Outcome:
    """Give the outcome of a handling that ended with `error`."""
    if error.injected:
        return Outcome.FAULTED
    if isinstance(error, InvalidMessage):
        return Outcome.INVALID
    return Outcome.REJECTED if isinstance(error, Rejected) else Outcome.FAILED

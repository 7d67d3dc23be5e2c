"""The outermost layer of handling a message: whatever happens inside, one record is made and every sink is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from simulator.errors import BrokenOff, InjectedFault, InvalidMessage, MessageError, Rejected
from simulator.telemetry.record import Arrival, Attempt, CallRecord, Clock, FaultTime, Outcome, StageRecord


class Sink(Protocol):
    """Something that is told what happens: logs, metrics, spans, a tally."""

    def received(self, arrival: Arrival) -> None:
        """Hear that a message has come."""

    def injected(self, arrival: Arrival, fault: str) -> None:
        """Hear that a fault strikes a message."""

    def sending(self, downstream: str) -> None:
        """Hear that a try at sending a message on begins."""

    def attempted(self, arrival: Arrival, downstream: str, attempt: Attempt, retry_in_seconds: float | None) -> None:
        """Hear how a try ended, and after which pause the next one follows; None where none does."""

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
        self._outcome = Outcome.FAILED
        self._code: int | None = 500
        self._error = ""
        self._faults: list[str] = []
        self._fault_times: list[FaultTime] = []
        self._accepted_seconds: float | None = None
        self._downstream_seconds = 0.0
        self._admission_seconds = 0.0
        self._queue_wait_seconds: float | None = None
        self._delay_drawn_seconds: float | None = None
        self._delay_spec, self._utilisation = "", 0.0
        self._processing_seconds = 0.0
        self._pipeline_seconds: float | None = None
        self._calls: list[CallRecord] = []
        self.record: StageRecord  # there from when the handling has ended

    def sized(self, body_bytes: int) -> None:
        """Note how many bytes of the body came, of which more or less may have been announced, or nothing."""
        if body_bytes != self._arrival.body_bytes:
            self._arrival = replace(self._arrival, body_bytes=body_bytes)

    def admitted(self) -> None:
        """Note that the message is whole and about to ask for a worker."""
        self._admission_seconds = self._clock.monotonic() - self._arrival.received_at

    def waited(self, seconds: float) -> None:
        """Note how long the message waited for a worker."""
        self._queue_wait_seconds = seconds

    def accepted(self) -> None:
        """Note that the client gets its answer now, before the work."""
        self._accepted_seconds = self._clock.monotonic() - self._arrival.received_at

    def processed(self, drawn_seconds: float, took_seconds: float, spec: str, utilisation: float) -> None:
        """Note what the delay's distribution said, at which share of busy workers, and how long it took."""
        self._delay_drawn_seconds = drawn_seconds
        self._processing_seconds = took_seconds
        self._delay_spec, self._utilisation = spec, utilisation

    def struck(self, fault: str) -> None:
        """Note that a fault strikes."""
        self._faults.append(fault)
        for sink in self._sinks:
            sink.injected(self._arrival, fault)

    def suffered(self, fault: str, begin: float, took_seconds: float) -> None:
        """Note how long a fault that takes time took; `begin` is monotonic."""
        self._fault_times.append(FaultTime(fault, begin - self._arrival.received_at, took_seconds))

    def sending(self, downstream: str) -> None:
        """Note that a try at a call begins."""
        for sink in self._sinks:
            sink.sending(downstream)

    def attempted(self, downstream: str, attempt: Attempt, retry_in_seconds: float | None) -> None:
        """Note how a try ended, and after which pause the next one follows; None where none does."""
        for sink in self._sinks:
            sink.attempted(self._arrival, downstream, attempt, retry_in_seconds)

    def sent_on(self, took_seconds: float) -> None:
        """Note how long all calls took, those in parallel at once."""
        self._downstream_seconds = took_seconds

    def called(self, call: CallRecord) -> None:
        """Note how a call ended."""
        self._calls.append(call)
        for sink in self._sinks:
            sink.sent(self._arrival, call)

    def cut_short(self, fault: str) -> None:
        """Note that all went well, but that the client will not see it: a fault cuts the answer."""
        self._outcome, self._error = Outcome.FAULTED, f"the fault {fault} was injected here"

    def ended(self, outcome: Outcome) -> None:
        """Note that all went well; a message that was delivered has come to the end of the pipeline."""
        self._outcome, self._code = outcome, 200
        if outcome is Outcome.DELIVERED and self._arrival.due_at is not None:
            self._pipeline_seconds = self._clock.monotonic() - self._arrival.due_at

    def failed(self, error: MessageError) -> None:
        """Note that the handling ended with an error that has a name."""
        self._outcome, self._code, self._error = outcome_of(error), error.status, str(error)
        if error.body_bytes is not None:
            self.sized(error.body_bytes)
        if isinstance(error, InjectedFault) and error.no_answer:
            self._code = None

    def broke(self, error: BaseException) -> None:
        """Note that something unforeseen broke the handling off."""
        self._outcome, self._code, self._error = Outcome.FAILED, 500, f"{type(error).__name__}: {error}"

    def tell(self) -> None:
        """Make the record and tell every sink."""
        self.record = StageRecord(
            self._arrival,
            self._outcome,
            self._code if self._accepted_seconds is None else 202,
            tuple(self._faults),
            self._error,
            self._admission_seconds,
            self._queue_wait_seconds,
            self._delay_drawn_seconds,
            self._delay_spec,
            self._utilisation,
            self._processing_seconds,
            tuple(self._fault_times),
            self._downstream_seconds,
            self._clock.monotonic() - self._arrival.received_at,
            self._accepted_seconds,
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
    if isinstance(error, BrokenOff):
        return Outcome.BROKEN_OFF
    return Outcome.REJECTED if isinstance(error, Rejected) else Outcome.FAILED

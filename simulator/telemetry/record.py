"""What happened to one message in one stage, as frozen records.

They are built once, by `observe`, and handed to every sink, so that logs, metrics, spans and the run's ledger can't
disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from simulator.behaviour.values import Value
from simulator.records import record

OUTSIDE = "outside"  # the caller of a message that no stage of the topology sent
# A wait for a worker has a span from here on. Timers here are no finer, and in a trace of any length it would not show.
MIN_WAIT_SPAN_SECONDS = 0.001


class Outcome(StrEnum):
    """How a stage's handling of one message ended."""

    DELIVERED = "delivered"  # it reached its end here
    FORWARDED = "forwarded"  # every called stage accepted it
    REJECTED = "rejected"  # no room, or shutting down
    INVALID = "invalid"  # the client's mistake
    FAULTED = "faulted"  # an injected fault, here or further downstream
    FAILED = "failed"  # a genuine failure
    BROKEN_OFF = "broken_off"  # not done when the stage was stopped


SUCCESSES = (Outcome.DELIVERED, Outcome.FORWARDED)


class CallOutcome(StrEnum):
    """How one attempt at a call ended, or a whole call: like its last attempt, or without any."""

    OK = "ok"  # an answer with a status 2xx
    ERROR_STATUS = "error_status"  # an answer with another status
    UNREACHABLE = "unreachable"  # no connection: the message did not reach the other side
    TIMEOUT = "timeout"  # no answer in time: it may have reached it
    BROKEN = "broken"  # the connection broke, or the answer was not HTTP: it may have reached it
    ABANDONED = "abandoned"  # for the other of two hedged attempts, or the stage's end: it may have reached it
    BREAKER_OPEN = "breaker_open"  # a call without a (further) attempt: too many had failed before
    EXPIRED = "expired"  # a call without a (further) attempt: its deadline had passed


class Via(StrEnum):
    """How a message came to a stage."""

    HTTP = "http"
    SCHEDULE = "schedule"
    INPUT = "input"


@record()
class TraceIds:
    """The span in which a message is handled, as in W3C trace context: 32, 16 and 2 hexadecimal digits."""

    trace_id: str
    span_id: str
    trace_flags: str
    sampled: bool


NO_DECISIONS: Mapping[str, Value] = MappingProxyType({})
# The attributes of each operation of a database that a stage calls, by the called stage and its operation.
DatabaseAttributes = Mapping[tuple[str, str], Mapping[str, str]]
NO_DATABASES: DatabaseAttributes = MappingProxyType({})
NO_TRACE = TraceIds("", "", "", sampled=False)


@record(kw_only=True)
class Arrival:
    """A message has arrived; `received_at`, monotonic, and `received_unix_ns` are when its first byte arrived.

    `body_bytes` is what the client announced. It is None for a body in chunks until that has been read, if it ever is.

    `due_at` is when the message was due to start, monotonic too; None if the time that it was sent with can't be true.
    `request` is what a message asks for that begins here, as a call has it, `cart.read`: of an injector what it calls,
    else an operation of the stage. It is "" for a message that another stage has sent.
    `operation` is the stage's that handles it, "" if the stage has only itself, `route` its path as a template.
    `decisions` are those of the message, including what is drawn here, and `attributes` are the stage's own.
    """

    message_id: str
    visit: str
    caller: str
    via: Via
    content_type: str
    body_bytes: int | None
    due_unix_seconds: float
    due_at: float | None
    received_unix_ns: int
    received_at: float
    trace: TraceIds
    deadline_seconds: float | None = None
    request: str = ""
    operation: str = ""
    method: str = "POST"
    route: str = ""
    decisions: Mapping[str, Value] = field(default_factory=lambda: NO_DECISIONS)
    attributes: Mapping[str, Value] = field(default_factory=lambda: NO_DECISIONS)


@record(kw_only=True)
class Attempt:
    """One attempt at a call, counted from 1; `code` of None means that there was no answer.

    `ending` means that the called stage is shutting down and did not accept the message, which may be sent elsewhere.
    `retryable` means that another attempt may succeed. `retry_in_seconds` is the pause before it; None if none follows.
    """

    outcome: CallOutcome
    code: int | None
    duration_seconds: float
    injected: bool = False
    error: str = ""
    number: int = 1
    ending: bool = False
    retryable: bool = True
    retry_in_seconds: float | None = None


@record(kw_only=True)
class CallRecord:
    """One call with all its attempts.

    `injected` means that injected faults are the cause of its failure, `forgiven` that the message goes on although it
    failed. `operation` is the called stage's, "" if it has only itself, and `position` the step among those of the
    calling operation: "1.parallel.2".
    """

    downstream: str
    attempts: tuple[Attempt, ...]
    duration_seconds: float
    outcome: CallOutcome
    code: int | None
    injected: bool = False
    error: str = ""
    forgiven: bool = False
    operation: str = ""
    position: str = ""


class ChoiceKind(StrEnum):
    """What a draw decided."""

    PROBABILITY = "probability"  # whether a step is taken
    CHOOSE = "choose"  # which alternative is taken
    TIMES = "times"  # how often a step is taken
    PICK = "pick"  # whether a step of a group is among those that are taken
    FAULT = "fault"  # whether a fault hits


@dataclass(frozen=True, slots=True)
class Choice:
    """A draw that decided something of a step at a `position`, or of a fault, by its number and name: "fault 0 error".

    `chosen` is 0 or 1, the number of the alternative from 0, or how often a step is taken.
    """

    kind: ChoiceKind
    position: str
    chosen: int


@dataclass(frozen=True, slots=True)
class FaultTime:
    """The time that a fault took of a message: from `after_seconds` after its arrival, for `duration_seconds`."""

    fault: str
    after_seconds: float
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class StepDelay:
    """A delay between calls: what was drawn, and what it took, from `after_seconds` after the message's arrival."""

    spec: str
    position: str
    drawn_seconds: float
    after_seconds: float
    duration_seconds: float


@record(kw_only=True)
class StageRecord:
    """All that is known of one message when its answer has been sent, or can't be any more.

    `duration_seconds` = waiting for the client's bytes (`reading_seconds`) + `queue_wait_seconds` + `fault_seconds` +
    `downstream_seconds`, during which at least one call was in flight or waited for its next attempt, + the delays
    between calls (`step_delay_seconds`, without those during a call) + the stage's own time, `own_seconds`. Of that,
    `delay_drawn_seconds` is what was drawn from the delay's distribution, None if the processing was not reached, and
    the rest is the stage's `overhead_seconds`. `processed_seconds` is when the delay was over, counted from the
    arrival.

    `code` of None means that no answer was sent; `answer_seconds` is when one was sent before the processing, else
    None. `queued_seconds` is when it asked for a worker, counted from the arrival. `utilisation` is the share of
    workers that were busy when the processing started, and `has_worked` whether it used the processor or memory
    (`work`). `unfinished_calls` are those that ended with the stage, or with the rest of
    their group, so that no other signal has them as calls.
    """

    arrival: Arrival
    outcome: Outcome
    code: int | None
    faults: tuple[str, ...]
    error: str
    reading_seconds: float
    queue_wait_seconds: float | None
    delay_drawn_seconds: float | None
    delay_spec: str
    utilisation: float
    processed_seconds: float
    fault_times: tuple[FaultTime, ...]
    downstream_seconds: float
    duration_seconds: float
    answer_seconds: float | None
    calls: tuple[CallRecord, ...]
    step_delays: tuple[StepDelay, ...] = ()
    step_delay_seconds: float = 0.0
    has_worked: bool = False
    queued_seconds: float = 0.0
    choices: tuple[Choice, ...] = ()
    unfinished_calls: tuple[CallRecord, ...] = ()

    fault_seconds: float = field(init=False)
    own_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        """Add up what every sink needs."""
        faults = sum([time.duration_seconds for time in self.fault_times])
        others = self.reading_seconds + (self.queue_wait_seconds or 0.0) + faults + self.downstream_seconds
        others += self.step_delay_seconds
        object.__setattr__(self, "fault_seconds", faults)
        object.__setattr__(self, "own_seconds", self.duration_seconds - others)

    @property
    def pipeline_seconds(self) -> float | None:
        """Return what a request that began here took from end to end: from when it was due until it was answered.

        None means that it did not begin here, or that its due time is not credible.
        """
        due_at = self.arrival.due_at
        if not self.arrival.request or due_at is None:
            return None
        taken = self.duration_seconds if self.answer_seconds is None else self.answer_seconds
        return self.arrival.received_at - due_at + taken

    @property
    def accepted_work_seconds(self) -> float | None:
        """Return the time from when a message was due until the work was done for which it had been accepted here.

        None means that it was answered when all was done, or that its due time is not credible.
        """
        due_at = self.arrival.due_at
        if self.answer_seconds is None or due_at is None:
            return None
        return self.arrival.received_at - due_at + self.duration_seconds

    @property
    def overhead_seconds(self) -> float:
        """Return the part of the stage's own time that did not fit into the drawn delay.

        It is some microseconds below 0 if the stage took less time to answer than for earlier messages.
        """
        return self.own_seconds - (self.delay_drawn_seconds or 0.0)

    @property
    def processing_seconds(self) -> float:
        """Return how long the processing took, including the overhead; 0 if it was not reached."""
        return 0.0 if self.delay_drawn_seconds is None else self.own_seconds

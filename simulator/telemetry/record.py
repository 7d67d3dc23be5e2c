"""What happened to one message in one stage, as frozen records.

They are built once, by `observe`, and handed to every sink, so that logs, metrics, spans and the run's ledger can't
disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

OUTSIDE = "outside"  # the caller of a message that no stage of the topology sent


class Outcome(StrEnum):
    """How a stage's handling of one message ended."""

    DELIVERED = "delivered"  # it ended its way here, and well
    FORWARDED = "forwarded"  # every stage it was sent on to took it
    REJECTED = "rejected"  # no room, or shutting down
    INVALID = "invalid"  # the client's mistake
    FAULTED = "faulted"  # a configured fault, here or further down
    FAILED = "failed"  # a genuine failure
    BROKEN_OFF = "broken_off"  # not done when the stage had to end


class CallOutcome(StrEnum):
    """How one try at sending a message on ended, or a whole call: as its last try did, or without one."""

    OK = "ok"  # an answer with a status 2xx
    ERROR_STATUS = "error_status"  # an answer with another status
    UNREACHABLE = "unreachable"  # no connection: the other side has not seen the message
    TIMEOUT = "timeout"  # no answer in time: it may have
    BROKEN = "broken"  # the connection broke, or the answer was not HTTP: it may have
    ABANDONED = "abandoned"  # given up, for the other of two hedged tries or the end of the stage: it may have
    BREAKER_OPEN = "breaker_open"  # a call without a (further) try: too many had failed before
    EXPIRED = "expired"  # a call without a (further) try: its deadline had passed


class Via(StrEnum):
    """How a message came to a stage."""

    HTTP = "http"
    SCHEDULE = "schedule"
    INPUT = "input"


@dataclass(frozen=True, slots=True)
class TraceIds:
    """The span that a message is handled in, as in W3C trace context: 32, 16 and 2 hexadecimal digits."""

    trace_id: str
    span_id: str
    trace_flags: str
    sampled: bool


NO_TRACE = TraceIds("", "", "", sampled=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message has arrived; `received_at`, monotonic, and `received_unix_ns` are when its first byte came.

    `body_bytes` is what the client announced. It is None for a body in chunks until that was read; where it never was,
    it stays None.

    `due_at` is when its way was to begin, monotonic too; None where what was said of that can't be true.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a call, counted from 1; `code` of None means that no answer came.

    `ending` says that the called stage shuts down and has not taken the message: it may be sent to another one.
    `retryable` says that another attempt may end better.
    """

    outcome: CallOutcome
    code: int | None
    duration_seconds: float
    injected: bool = False
    error: str = ""
    number: int = 1
    ending: bool = False
    retryable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call with all its attempts.

    `injected` says that injected faults are the cause of its failure, `forgiven` that the message goes on although it
    failed.
    """

    downstream: str
    attempts: tuple[Attempt, ...]
    duration_seconds: float
    outcome: CallOutcome
    code: int | None
    injected: bool = False
    error: str = ""
    forgiven: bool = False


@dataclass(frozen=True, slots=True)
class FaultTime:
    """The time that a fault took of a message: from `after_seconds` after its arrival, for `duration_seconds`."""

    fault: str
    after_seconds: float
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """All that is known of one message when its answer has left, or could not leave any more.

    `duration_seconds` = waiting for the client's bytes (`reading_seconds`) + `queue_wait_seconds` + `fault_seconds` +
    `downstream_seconds`, during which at least one call was under way or waited for its next attempt, + the stage's own
    time, `own_seconds`. Of that, `delay_drawn_seconds` is what the delay's distribution said, None where the processing
    was not reached, and the rest the stage's `overhead_seconds`. `processed_seconds` is when the delay was over,
    counted from the arrival.

    `pipeline_seconds` of None means that the message did not end its way here, or that nothing credible is known of
    when it began. `code` of None means that no answer was given; where one was given before the work, `answer_seconds`
    says after how long.
    `utilisation` is the share of workers that were busy when the processing began.
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
    pipeline_seconds: float | None
    calls: tuple[CallRecord, ...]

    fault_seconds: float = field(init=False)
    own_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        """Add up what every sink asks for."""
        faults = sum([time.duration_seconds for time in self.fault_times])
        others = self.reading_seconds + (self.queue_wait_seconds or 0.0) + faults + self.downstream_seconds
        object.__setattr__(self, "fault_seconds", faults)
        object.__setattr__(self, "own_seconds", self.duration_seconds - others)

    @property
    def overhead_seconds(self) -> float:
        """Return the part of the stage's own time that did not fit into the drawn delay.

        It is below 0 by some microseconds where the stage took less time to answer than it did for the messages before.
        """
        return self.own_seconds - (self.delay_drawn_seconds or 0.0)

    @property
    def processing_seconds(self) -> float:
        """Return what the processing took, the overhead included; 0 where it was not reached."""
        return 0.0 if self.delay_drawn_seconds is None else self.own_seconds

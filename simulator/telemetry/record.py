"""What happened to one message in one stage, as frozen records.

They are built once, by `observe`, and handed to every sink, so that logs, metrics, spans and the run's ledger can't
disagree.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
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
class Clock:
    """The two clocks: one for durations, which never jumps, and one for the time of day."""

    monotonic: Callable[[], float] = time.monotonic
    unix_ns: Callable[[], int] = time.time_ns


@dataclass(frozen=True, slots=True)
class TraceIds:
    """The span that a message is handled in, as in W3C trace context: 32, 16 and 2 hexadecimal digits."""

    trace_id: str
    span_id: str
    trace_flags: str
    sampled: bool


NO_TRACE = TraceIds("", "", "", sampled=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message has come. `received_at` is monotonic.

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


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call, counted from 1; `code` of None means that no answer came.

    `ending` says that the called stage shuts down and has not taken the message: it may be sent to another one.
    """

    outcome: CallOutcome
    code: int | None
    duration_seconds: float
    injected: bool = False
    error: str = ""
    number: int = 1
    ending: bool = False


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call with all its tries.

    `injected` says that it failed on purpose, `forgiven` that the message goes on although it failed.
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


@dataclass(frozen=True, slots=True)
class StageRecord:
    """All that is known of one message when its handling has ended.

    `duration_seconds` = reading the body (`admission_seconds`) + `queue_wait_seconds` + `processing_seconds` +
    `fault_seconds` + `downstream_seconds` + the stage's own overhead. `delay_drawn_seconds` of None means that
    processing was not reached, `pipeline_seconds` of None that the message did not end its way here, or that nothing
    credible is known of when it began. `code` of None means that no answer was given; where one was given before the
    work, `answer_seconds` says after how long.
    `utilisation` is the share of workers that were busy when the processing began.
    """

    arrival: Arrival
    outcome: Outcome
    code: int | None
    faults: tuple[str, ...]
    error: str
    admission_seconds: float
    queue_wait_seconds: float | None
    delay_drawn_seconds: float | None
    delay_spec: str
    utilisation: float
    processing_seconds: float
    fault_times: tuple[FaultTime, ...]
    downstream_seconds: float
    duration_seconds: float
    answer_seconds: float | None
    pipeline_seconds: float | None
    calls: tuple[CallRecord, ...]

    @property
    def fault_seconds(self) -> float:
        """Give the time that faults took."""
        return sum(time.duration_seconds for time in self.fault_times)

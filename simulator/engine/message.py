"""A message before it is handled, and the exchange with its sender."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol

from simulator.behaviour.values import Value
from simulator.engine.relay import RelayedAnswer, RelayedRequest
from simulator.errors import MessageError
from simulator.records import record
from simulator.telemetry.record import NO_DECISIONS, Outcome, Via

_SLOW_STEPS_PER_SECOND = 10.0


@record()
class Due:
    """When a message was due to start: in Unix time, and on this process's monotonic clock (None if unknown)."""

    unix_seconds: float
    at: float | None


@record(kw_only=True)
class Answer:
    """What a stage answers to a message: a receipt or, with an `error`, why there is none.

    `accepted` means that the message is yet to be processed. `duration_seconds` is what it took so far, `size_bytes`
    the size that the receipt is filled up to (None: it is not). Injected faults may let it end in the middle
    (`truncated`), or limit it to `bytes_per_second`. `relayed` is the answer in place of the stage's own.
    """

    outcome: Outcome | None = None
    error: MessageError | None = None
    accepted: bool = False
    duration_seconds: float = 0.0
    size_bytes: int | None = None
    truncated: bool = False
    bytes_per_second: float | None = None
    relayed: RelayedAnswer | None = None

    @property
    def is_spoiled(self) -> bool:
        """Return whether a fault may keep a client from getting the whole answer."""
        return self.truncated or self.bytes_per_second is not None


def slow_step_bytes(bytes_per_second: float) -> int:
    """Return how much of an answer is sent at a time if it is limited to `bytes_per_second`."""
    return max(1, int(bytes_per_second / _SLOW_STEPS_PER_SECOND))


class Exchange(Protocol):
    """One exchange with a client: the rest of its request, and the answer."""

    @property
    def waited_seconds(self) -> float:
        """Return how long the stage has waited for the client to send its request, since its first byte."""

    def read(self) -> bytes:
        """Return the body. Raise InvalidMessage or Rejected if it is refused, or does not arrive."""

    def withhold(self) -> None:
        """Tell a calling stage, before it can give up, that an injected fault may withhold its answer."""

    def answer(self, answer: Answer) -> float | None:
        """Send the answer, or as much as can be sent; return when the last of it left, monotonic, None for now."""

    def release(self) -> None:
        """Called when the body is not needed any more."""


class NoClient:
    """The exchange of a message that the stage itself creates: there is no client to answer."""

    waited_seconds = 0.0

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self) -> bytes:
        """Return the body."""
        return self._body

    def withhold(self) -> None:
        """Do nothing: no client waits."""

    def answer(self, answer: Answer) -> None:
        """Do nothing: no client waits."""

    def release(self) -> None:
        """Do nothing: no resource is held."""


@record(kw_only=True)
class Message:
    """A message before it is handled, by one of the stage's operations ("" for a stage that has only itself).

    `body_bytes` is None if the size is unknown before the body is read.
    `caller` is a stage of the topology or `outside`; `due` is when the message was due to start, `deadline_seconds` how
    long the caller still waits for the answer (None: as long as it takes). `received_at`, monotonic, is when its first
    byte arrived; None means now. `begins_here` means that no stage has sent it: a client has, or it is an injector's.
    `turn` is the step of a user's session, from 0, that a message is; None if it is none.
    `request` is the request as it came, for a stage that relays it. `decisions` are those drawn for it on its way here.
    """

    message_id: str
    visit: str
    caller: str
    via: Via
    content_type: str
    body_bytes: int | None
    due: Due
    exchange: Exchange
    deadline_seconds: float | None = None
    content_encoding: str = ""
    received_at: float | None = None
    received_unix_ns: int | None = None
    operation: str = ""
    begins_here: bool = False
    request: RelayedRequest | None = None
    turn: int | None = None
    decisions: Mapping[str, Value] = field(default_factory=lambda: NO_DECISIONS)

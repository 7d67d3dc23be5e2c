"""A message before its handling, and the way back to whoever sent it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from simulator.errors import MessageError
from simulator.telemetry.record import Outcome, Via


@dataclass(frozen=True, slots=True)
class Due:
    """When a message's way was to begin: for people, and on this process's monotonic clock, None where unknown."""

    unix_seconds: float
    at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a stage answers to a message: a receipt or, with an `error`, why there is none.

    `accepted` says that the work is still to come. `duration_seconds` is what the message took until here,
    `size_bytes` how large the receipt is to be, None for as large as it is. Injected faults may let it end in the
    middle (`truncated`), or leave at only so many `bytes_per_second`.
    """

    outcome: Outcome | None = None
    error: MessageError | None = None
    accepted: bool = False
    duration_seconds: float = 0.0
    size_bytes: int | None = None
    truncated: bool = False
    bytes_per_second: float | None = None

    @property
    def is_spoiled(self) -> bool:
        """Return whether a fault may keep a client from getting the whole answer."""
        return self.truncated or self.bytes_per_second is not None


class Exchange(Protocol):
    """One exchange with a client: the rest of its request, and the answer."""

    @property
    def waited_seconds(self) -> float:
        """Return how long the stage has waited for the client to send its request, since the first byte of it."""

    def read(self) -> bytes:
        """Return the body. Raise InvalidMessage or Rejected where it is not taken, or does not come."""

    def withhold(self) -> None:
        """Tell a caller that is a stage, before it can give up, that an injected fault may keep its answer back."""

    def answer(self, answer: Answer) -> None:
        """Send the answer, and return when it has left or can't leave any more."""

    def release(self) -> None:
        """Called when the body is not needed any longer."""


class NoClient:
    """The exchange of a message that the stage itself creates: there is nobody to answer."""

    waited_seconds = 0.0

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self) -> bytes:
        """Return the body."""
        return self._body

    def withhold(self) -> None:
        """Nobody waits."""

    def answer(self, answer: Answer) -> None:
        """Nobody waits."""

    def release(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message before its handling.

    `body_bytes` of None means that its size is not known before it is read.
    `caller` is a stage of the topology or `outside`; `due` is when its way was to begin, `deadline_seconds` how long
    the caller still waits for the answer (None: as long as it takes). `received_at`, monotonic, is when its first byte
    came, None for now.
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

"""The way to another stage: one request out, one reply back, in words that no protocol has a share in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simulator.engine.message import Due
from simulator.telemetry.record import CallOutcome
from simulator.topology.headers import Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One request to the instance of `downstream` at `address`.

    `visit` is the one that it causes there. `deadline_seconds` is how long the reply is waited for in all, None for
    ever; `attempt` counts from 1. `headers` are those that the call is configured with. `on_withheld()` is called where
    the called stage says that an injected fault may keep its answer back.
    """

    downstream: str
    address: str
    body: bytes
    content_type: str
    content_encoding: str
    message_id: str
    visit: str
    due: Due
    deadline_seconds: float | None
    attempt: int
    headers: Headers | None
    on_withheld: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request ended. `code` is the protocol's own status, None where no answer came.

    `injected` says that an injected fault is the cause, `retryable` that another attempt may end better, `ending` that
    the instance shuts down and has not taken the message.
    """

    outcome: CallOutcome
    code: int | None = None
    injected: bool = False
    error: str = ""
    retryable: bool = True
    ending: bool = False


class Wire(Protocol):
    """A protocol's client."""

    def send(self, outgoing: Outgoing, timeout_seconds: float, connect_seconds: float) -> Reply:
        """Send a request and wait for the reply; nothing is raised but what breaks the attempt off.

        Where StageStopped does, its `injected` says whether the called stage's answer was being withheld.
        """

    def close(self) -> None:
        """Close what is open."""

"""The way to another stage, independent of any protocol: one request out, one reply back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from simulator.behaviour.values import Value
from simulator.engine.message import Due
from simulator.engine.relay import Relay
from simulator.records import record
from simulator.telemetry.record import CallOutcome
from simulator.topology.headers import Headers


@record(kw_only=True)
class WireRequest:
    """One request to the instance of `downstream` at `address`, for its `operation` ("" if it has only itself).

    `visit` is the visit that it causes there. `deadline_seconds` is how long the caller waits for the reply in all,
    None meaning for ever; `attempt` counts from 1. `headers` are those configured for the call, `decisions` travel with
    it. `on_withheld()` is called if the called stage announces that an injected fault may withhold its answer.
    """

    downstream: str
    operation: str
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
    decisions: Mapping[str, Value]
    on_withheld: Callable[[], None]
    relay: Relay | None = None


@record()
class Reply:
    """How a request ended. `code` is the protocol's own status, None without an answer.

    `injected` means that an injected fault is the cause, `retryable` that another attempt may succeed, `ending` that
    the instance is shutting down and did not accept the message.
    """

    outcome: CallOutcome
    code: int | None = None
    injected: bool = False
    error: str = ""
    retryable: bool = True
    ending: bool = False


class Wire(Protocol):
    """A protocol's client."""

    def send(self, outgoing: WireRequest, timeout_seconds: float, connect_seconds: float) -> Reply:
        """Send a request and wait for the reply; nothing is raised except what abandons the attempt.

        If that is StageStopped, its `injected` says whether the called stage was withholding its answer.
        """

    def close(self) -> None:
        """Close what is open."""

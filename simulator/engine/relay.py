"""What a stage that answers as its downstream does relays: a client's request, and the answer to it, unchanged."""

from __future__ import annotations

from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayedRequest:
    """A request as it came: `target` is its path, below that of the stage, and its query."""

    method: str
    target: str
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayedAnswer:
    """An answer as it came; in virtual time only its status is known."""

    status: int
    reason: str = ""
    headers: Headers = ()
    body: bytes = b""


@dataclass(slots=True)
class Relay:
    """The exchange of one message: `request` of None means that only the answer is relayed.

    `answer` is that of the last attempt, None if there is none.
    """

    request: RelayedRequest | None
    answer: RelayedAnswer | None = None

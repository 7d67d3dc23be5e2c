"""Where a terminator writes the messages that are delivered to it."""

from __future__ import annotations

from typing import Protocol


class Output(Protocol):
    """A destination of messages."""

    def write(self, body: bytes, content_type: str) -> None:
        """Write a message. Raise OutputFailed if it can't be written."""

    def close(self) -> None:
        """Close what is open."""


class Discarding:
    """An output that discards every message."""

    def write(self, body: bytes, content_type: str) -> None:
        """Discard the message."""

    def close(self) -> None:
        """Do nothing: nothing is open."""

"""What a terminator does with the messages that end their way with it."""

from __future__ import annotations

from typing import Protocol


class Output(Protocol):
    """Somewhere for messages to end."""

    def write(self, body: bytes, content_type: str) -> None:
        """Take a message for good. Raise OutputFailed where that can't be done."""

    def close(self) -> None:
        """Close what is open."""


class Discarding:
    """An output that keeps nothing."""

    def write(self, body: bytes, content_type: str) -> None:
        """Drop the message."""

    def close(self) -> None:
        """Nothing is open."""

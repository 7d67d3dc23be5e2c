"""The errors of a malformed request of OTLP."""

from __future__ import annotations


class Malformed(ValueError):
    """Raised when a body is not a request of its signal, with the reason."""


class TooManyParts(Malformed):
    """Raised when a request has too many parts, whatever its size in bytes."""

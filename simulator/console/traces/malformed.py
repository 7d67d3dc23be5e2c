"""What is wrong with a request to export traces."""

from __future__ import annotations


class Malformed(ValueError):
    """Say why something is no request to export traces."""


class TooManyParts(Malformed):
    """Say that a request has more parts than may be in one, whatever its bytes."""

"""What an HTTP status means for a call."""

from __future__ import annotations

_SERVER_ERRORS = range(500, 600)
_TOO_MANY_REQUESTS = 429


def is_success(status: int) -> bool:
    """Return whether a status means success."""
    return 200 <= status < 300


def is_retryable(status: int) -> bool:
    """Return whether another attempt may succeed: after a server error, or at a rate limit."""
    return status in _SERVER_ERRORS or status == _TOO_MANY_REQUESTS

"""The sessions of browsers that may change something, because they have shown the run's token once.

Cookies ignore ports: a browser sends them to every service of this machine. What such a service sees must be worthless
beyond this console, so the cookie is not the token but the id of a session that ends with this process.
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from collections.abc import Callable

_ID_BYTES = 32
MAX_SESSIONS = 100


class Sessions:
    """The open sessions, at most MAX_SESSIONS; the oldest is closed to make room. An empty `token` opens none."""

    def __init__(self, token: str, new_id: Callable[[], str] = lambda: secrets.token_urlsafe(_ID_BYTES)) -> None:
        self._token = token.encode()
        self._new_id = new_id
        self._open: deque[bytes] = deque(maxlen=MAX_SESSIONS)

    def open(self, token: str) -> str | None:
        """Return the id of a new session if the token is right, else None."""
        if not self._token or not hmac.compare_digest(_bytes_of(token), self._token):
            return None
        session = self._new_id()
        self._open.append(session.encode())
        return session

    def has(self, session: str) -> bool:
        """Return whether a session is open."""
        given = _bytes_of(session)
        # All are compared, so that the time reveals nothing.
        return sum(hmac.compare_digest(given, known) for known in self._open) > 0


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "replace")

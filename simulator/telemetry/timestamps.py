"""Times of day as RFC 3339 has them, in UTC and to the microsecond: 2026-11-29T12:00:00.000001Z."""

from __future__ import annotations

import time


class Timestamps:
    """Write times of day; what those of a second have in common is kept for the next one."""

    __slots__ = ("_second", "_shown_second")

    def __init__(self) -> None:
        self._second, self._shown_second = -1, ""

    def __call__(self, unix_ns: int) -> str:
        """Return a time in nanoseconds since 1970, of which whole microseconds are shown."""
        second, nanoseconds = divmod(unix_ns, 10**9)
        if second != self._second:
            shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second, self._shown_second = second, shown
        return f"{self._shown_second}.{nanoseconds // 1000:06d}Z"

"""One log line, wherever it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ShownLine:
    """One line: its writer (a service, or NAME.N of a stage with several instances), its time, and its other fields.

    `timestamp` is in RFC 3339, `level` is debug, info, warning, error or another word, and `event` is what happened, in
    a word or a sentence. The fields have the ids of trace and span, if there are any.
    """

    timestamp: str
    unix_seconds: float
    level: str
    event: str
    label: str
    fields: Mapping[str, object]

    @property
    def span_id(self) -> str:
        """Return the id of the span in which the line was written, "" if it has none."""
        span_id = self.fields.get("span_id")
        return span_id if isinstance(span_id, str) else ""

"""The rows of the truth that a measured stage writes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.2
_STALL_SECONDS = 5.0


def wait_for_visits(path: Path, count: int) -> None:
    """Return once `count` visits have been written, or none was for five seconds."""
    visits, changed_at = -1, time.monotonic()
    while visits < count and time.monotonic() - changed_at < _STALL_SECONDS:
        time.sleep(_POLL_SECONDS)
        now = path.read_bytes().count(b'"kind":"visit"') if path.exists() else 0
        if now != visits:
            visits, changed_at = now, time.monotonic()


def visits_in(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the visits in a file of rows."""
    for line in path.read_text().splitlines():
        row = json.loads(line)
        if row["kind"] == "visit":
            yield row

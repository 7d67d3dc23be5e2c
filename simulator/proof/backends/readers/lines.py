"""Files of JSON Lines: one object per line, however large the file is and however it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from simulator.proof.backends.held import BackendError

# One request of a collector's file exporter is a line, and may be large.
MAX_LINE_BYTES = 64 * 2**20


def json_lines(path: Path, unreadable: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file; a line that is not an object, is cut off or is too long is counted.

    Raise BackendError if the file can't be read.
    """
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                if len(line) > MAX_LINE_BYTES:
                    unreadable["lines"] += 1
                    _skip_rest(file.readline, line)
                elif line.strip():
                    found = _object(line)
                    if found is None:
                        unreadable["lines"] += 1
                    else:
                        yield found
    except OSError as error:
        raise BackendError(f"{path} can't be read: {error.strerror}") from None


def files_at(path: Path, pattern: str) -> list[Path]:
    """Return the file, or those in a folder that fit a pattern, the oldest first. Raise BackendError for none."""
    if not path.exists():
        raise BackendError(f"{path} does not exist")
    if not path.is_dir():
        return [path]
    # A rotated file, NAME.jsonl.1, is older than NAME.jsonl.
    found = sorted(path.glob(pattern), key=lambda file: (file.stat().st_mtime_ns, file.name))
    if not found:
        raise BackendError(f"{path} has no file {pattern}")
    return found


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _skip_rest(readline: Any, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = readline(MAX_LINE_BYTES)

"""The receipt that a client gets for its message."""

from __future__ import annotations

from typing import Any

import orjson

_FILLING = b',"filling":"%b"}\n'


def receipt(
    stage: str,
    message_id: str,
    outcome: str,
    trace_id: str,
    *,
    duration_seconds: float | None = None,
    size_bytes: int | None = None,
) -> bytes:
    """Return the receipt, filled up to `size_bytes` if that is more; a message yet to be handled has no duration."""
    content: dict[str, Any] = {"message_id": message_id, "stage": stage, "outcome": outcome}
    if trace_id:
        content["trace_id"] = trace_id
    if duration_seconds is not None:
        content["duration_seconds"] = round(duration_seconds, 6)
    text = orjson.dumps(content) + b"\n"
    missing = 0 if size_bytes is None else size_bytes - len(text)
    if missing <= 0:
        return text
    frame = len(_FILLING % b"") - len(b"}\n")
    filling = _FILLING % (b"x" * (missing - frame)) if missing >= frame else b" " * missing + b"}\n"
    return text[:-2] + filling


def trace_key(trace_id: str) -> dict[str, str]:
    """Return the key that names the trace in an answer; none if there is no trace."""
    return {"trace_id": trace_id} if trace_id else {}

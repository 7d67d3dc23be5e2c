"""How spans are batched before they are sent, by OpenTelemetry's variables for its batch span processor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

QUEUE_VARIABLE = "OTEL_BSP_MAX_QUEUE_SIZE"
BATCH_VARIABLE = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
DELAY_VARIABLE = "OTEL_BSP_SCHEDULE_DELAY"
MAX_SPANS = 1_000_000
MAX_DELAY_MILLIS = 1_000_000
_DIGITS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How spans are batched: how many may wait, the size of a batch, and after how long an incomplete one is sent.

    A batch holds up everything else in the process while it is encoded, some 10 microseconds per span, and each costs a
    call of a millisecond, however small: 128 spans are worth one call.
    """

    queue_spans: int = 8192
    batch_spans: int = 128
    every_millis: int = 500


def read_batching(environment: Mapping[str, str]) -> Batching:
    """Return what OTEL_BSP_* say. Raise ValueError that names the variable if a value is invalid."""
    usual = Batching()
    queue = _number(environment, QUEUE_VARIABLE, MAX_SPANS)
    batch = _number(environment, BATCH_VARIABLE, MAX_SPANS)
    queue_spans = queue or max(usual.queue_spans, batch or 0)
    batch_spans = batch or min(usual.batch_spans, queue_spans)
    if batch_spans > queue_spans:
        raise ValueError(f"{BATCH_VARIABLE}={batch_spans} must not exceed {QUEUE_VARIABLE}={queue_spans}")
    delay = _number(environment, DELAY_VARIABLE, MAX_DELAY_MILLIS)
    return Batching(queue_spans=queue_spans, batch_spans=batch_spans, every_millis=delay or usual.every_millis)


def _number(environment: Mapping[str, str], variable: str, maximum: int) -> int | None:
    text = environment.get(variable, "").strip()
    if not text:
        return None
    if not _DIGITS.fullmatch(text) or not 1 <= int(text) <= maximum:
        raise ValueError(f"{variable}={text[:40]!r} must be a whole number from 1 to {maximum}")
    return int(text)

"""How spans and log records are batched before they are sent, by OpenTelemetry's variables for its batch processors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# The prefixes of the variables of the batch processor for spans, and of that for log records.
SPANS_PREFIX, LOGS_PREFIX = "OTEL_BSP_", "OTEL_BLRP_"
MAX_ITEMS = 1_000_000
MAX_DELAY_MILLIS = 1_000_000
_DIGITS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How items are batched: how many may wait, the size of a batch, and after how long an incomplete one is sent.

    A batch holds up everything else in the process while it is encoded, some 10 microseconds per item, and each costs a
    call of a millisecond, however small: 128 items are worth one call.
    """

    queue_items: int = 8192
    batch_items: int = 128
    every_millis: int = 500


def read_batching(environment: Mapping[str, str], prefix: str = SPANS_PREFIX) -> Batching:
    """Return what OTEL_BSP_* say, or the variables with another prefix.

    Raise ValueError that names the variable if a value is invalid.
    """
    usual = Batching()
    queue_variable, batch_variable = f"{prefix}MAX_QUEUE_SIZE", f"{prefix}MAX_EXPORT_BATCH_SIZE"
    queue = _number(environment, queue_variable, MAX_ITEMS)
    batch = _number(environment, batch_variable, MAX_ITEMS)
    queue_items = queue or max(usual.queue_items, batch or 0)
    batch_items = batch or min(usual.batch_items, queue_items)
    if batch_items > queue_items:
        raise ValueError(f"{batch_variable}={batch_items} must not exceed {queue_variable}={queue_items}")
    delay = _number(environment, f"{prefix}SCHEDULE_DELAY", MAX_DELAY_MILLIS)
    return Batching(queue_items=queue_items, batch_items=batch_items, every_millis=delay or usual.every_millis)


def _number(environment: Mapping[str, str], variable: str, maximum: int) -> int | None:
    text = environment.get(variable, "").strip()
    if not text:
        return None
    if not _DIGITS.fullmatch(text) or not 1 <= int(text) <= maximum:
        raise ValueError(f"{variable}={text[:40]!r} must be a whole number from 1 to {maximum}")
    return int(text)

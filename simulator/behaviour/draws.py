"""Random draws without a shared random source: every draw is a hash of its purpose.

The same seed and the same messages give the same delays and faults, whatever the timing, the order or the number of
processes. A `visit` distinguishes one arrival of a message at a stage from another (a retry, a second caller), so that
each has its own, reproducible draws.
"""

from __future__ import annotations

import hashlib
import uuid

FIRST_VISIT = "0"
_BITS = 52  # one fewer than a float's mantissa, so that the half step below keeps u strictly within (0, 1)


def draw(seed: int, stage: str, message_id: str, visit: str, purpose: str) -> float:
    """Return u, uniform in (0, 1) without either end, for one purpose of one visit of a message to a stage."""
    # As `_hash` does, which takes twice as long: nothing is called as often.
    text = f"{seed}:{len(stage)}:{stage}{len(message_id)}:{message_id}{len(visit)}:{visit}{len(purpose)}:{purpose}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> (64 - _BITS)) + 0.5) * 2.0**-_BITS


def next_visit(visit: str, call: str, attempt: int) -> str:
    """Return the visit that a caller, itself on `visit`, causes by attempt `attempt` (from 1) of the call `call`."""
    return _hash(8, 0, visit, call, str(attempt)).hex()


def message_id(seed: int, stage: str, number: int) -> str:
    """Return the id of the `number`th message that a stage creates, as a UUID."""
    return str(uuid.UUID(bytes=_hash(16, seed, stage, str(number), "message id"), version=5))


def _hash(size: int, seed: int, *parts: str) -> bytes:
    # The length before each part keeps ("ab", "c") and ("a", "bc") apart.
    text = "".join([f"{len(part)}:{part}" for part in parts])
    return hashlib.blake2b(f"{seed}:{text}".encode(), digest_size=size).digest()

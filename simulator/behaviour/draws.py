"""Chance without a shared random source: every draw is a hash of what it is for.

The same seed and the same messages give the same delays and faults, whatever the timing, the order or the number of
processes. A `visit` tells one coming of a message to a stage from another (a retry, a second caller), so that each
draws anew, and reproducibly.
"""

from __future__ import annotations

import hashlib
import uuid

FIRST_VISIT = "0"
_BITS = 52  # one fewer than a float's mantissa, so that the half step below keeps u strictly inside (0, 1)


def draw(seed: int, stage: str, message_id: str, visit: str, purpose: str) -> float:
    """Draw u, uniform in (0, 1) with both ends left out, for one purpose of one visit of a message to a stage."""
    digest = _hash(8, seed, stage, message_id, visit, purpose)
    return ((int.from_bytes(digest, "big") >> (64 - _BITS)) + 0.5) * 2.0**-_BITS


def next_visit(visit: str, call: str, attempt: int) -> str:
    """Name the visit that a caller, itself on `visit`, causes by try number `attempt` (from 1) of the call `call`."""
    return _hash(8, 0, visit, call, str(attempt)).hex()


def message_id(seed: int, stage: str, number: int) -> str:
    """Give the id of the `number`th message that a stage creates, in the form of a UUID."""
    return str(uuid.UUID(bytes=_hash(16, seed, stage, str(number), "message id"), version=5))


def _hash(size: int, seed: int, *parts: str) -> bytes:
    # The length before each part keeps ("ab", "c") and ("a", "bc") apart.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(f"{seed}:{text}".encode(), digest_size=size).digest()

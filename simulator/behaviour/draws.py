"""Random draws without a shared random source: every draw is a hash of its purpose.

The same seed and the same messages give the same delays and faults, whatever the timing, the order or the number of
processes. A `visit` distinguishes one arrival of a message at a stage from another (a retry, a second caller), so that
each has its own, reproducible draws.
"""

from __future__ import annotations

import hashlib

FIRST_VISIT = "0"
_BITS = 52  # one fewer than a float's mantissa, so that the half step below keeps u strictly within (0, 1)
_UUID_FIXED = 5 << 76 | 0b10 << 62
_UUID_RANDOM = ~(0xF << 76 | 0b11 << 62)


def draw(seed: int, stage: str, message_id: str, visit: str, purpose: str) -> float:
    """Return u, uniform in (0, 1) without either end, for one purpose of one visit of a message to a stage."""
    # The length before each part keeps ("ab", "c") and ("a", "bc") apart, here and below. Written out, because nothing
    # is called as often, and a loop over the parts takes twice as long.
    text = f"{seed}:{len(stage)}:{stage}{len(message_id)}:{message_id}{len(visit)}:{visit}{len(purpose)}:{purpose}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> (64 - _BITS)) + 0.5) * 2.0**-_BITS


def next_visit(visit: str, call: str, attempt: int) -> str:
    """Return the visit that a caller, itself on `visit`, causes by attempt `attempt` (from 1) of the call `call`."""
    number = str(attempt)
    text = f"0:{len(visit)}:{visit}{len(call)}:{call}{len(number)}:{number}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def message_id(seed: int, stage: str, number: int) -> str:
    """Return the id of the `number`th message that a stage creates, as a UUID."""
    shown = str(number)
    text = f"{seed}:{len(stage)}:{stage}{len(shown)}:{shown}10:message id"
    hashed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")
    # With the version and the variant of RFC 9562, 4, as `uuid.UUID` sets them, which takes half as long again.
    digits = f"{hashed & _UUID_RANDOM | _UUID_FIXED:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

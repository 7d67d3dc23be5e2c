"""What a seed draws for a message, worked out from the product's promise and not from a run."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.behaviour.draws import FIRST_VISIT, draw, next_visit


def is_struck(seed: int, way: Sequence[str], message_id: str, fault: str, ratio: float) -> bool:
    """Return whether the first fault of the last stage of a way strikes a message on its first attempts.

    Every stage on the way calls the next one first.
    """
    *callers, stage = way
    visit = FIRST_VISIT
    for caller in callers:
        visit = next_visit(visit, f"{caller}/0", 1)
    return draw(seed, stage, message_id, visit, f"fault 0 {fault}") < ratio


def pause_seconds(backoff_seconds: float, max_seconds: float, failed: int, u: float) -> float:
    """Return the pause after the `failed`th attempt: full jitter under a bound that doubles each time."""
    return u * min(max_seconds, backoff_seconds * 2 ** (failed - 1))

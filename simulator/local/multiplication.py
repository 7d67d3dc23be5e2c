"""What one message multiplies to, in words, for `check`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simulator.topology.graph import label
from simulator.topology.outlook import Multiplied
from simulator.topology.worst_case import MAX_COUNT

_MAX_SHOWN = 10
_EXACT = 10**9
_INDENT = "    "


def multiplication(multiplied: Sequence[Multiplied]) -> Iterator[str]:
    """Yield a heading, and a line for each of the operations that one message can lead to the most calls of."""
    several = [one for one in multiplied if (one.max_calls or one.mean_calls or 0) > 1]
    if not several:
        return
    worst = sorted(several, key=lambda one: (-(one.max_calls or 0), -(one.mean_calls or 0)))
    entries = {one.entry for one in multiplied}
    yield "one message leads to, with every retry, hedge and fallback (on average, if nothing fails):"
    for one in worst[:_MAX_SHOWN]:
        source = f", for one at {label(one.entry)}" if len(entries) > 1 else ""
        yield f"{_INDENT}{_max(one)} of {label(one.called)}{_mean(one)}{source}"
    if len(worst) > _MAX_SHOWN:
        yield f"{_INDENT}and {len(worst) - _MAX_SHOWN} more that are called several times"


def _max(one: Multiplied) -> str:
    if one.max_calls is None:
        return "calls"
    if one.max_calls >= MAX_COUNT:
        return f"more than {MAX_COUNT:.0e} calls"
    number = f"{one.max_calls}" if one.max_calls < _EXACT else f"{one.max_calls:.1e}"
    return f"up to {number} call{'' if one.max_calls == 1 else 's'}"


def _mean(one: Multiplied) -> str:
    return "" if one.mean_calls is None else f" ({one.mean_calls:.4g})"

"""How stages that share processes or containers are spread over them."""

from __future__ import annotations

from collections.abc import Sequence


def spread(names: Sequence[str], shares: int) -> list[list[str]]:
    """Return the names in this many shares, or in fewer if there are fewer names.

    Neighbours are in different shares: they call each other, and are busy at the same time.
    """
    return [list(names[number::shares]) for number in range(min(shares, len(names)))]

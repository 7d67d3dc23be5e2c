"""Many tests at once: which of them are rejected, so that hardly any run fails by chance, however many it has."""

from __future__ import annotations

from collections.abc import Sequence


def rejected(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Return for each test whether it is rejected, by Holm's step-down procedure (1979).

    If every hypothesis is true, the probability that any is rejected is `alpha` at most, whatever the dependence
    between the tests.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    results = [False] * len(p_values)
    for rank, index in enumerate(order):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        results[index] = True
    return results

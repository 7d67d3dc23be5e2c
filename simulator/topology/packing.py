"""How stages that share processes or containers are spread over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from simulator.topology.model import Processes
from simulator.topology.settings import StageSettings

_One = TypeVar("_One")


def spread(ones: Sequence[_One], shares: int) -> list[list[_One]]:
    """Return the ones in this many shares, or in fewer if there are fewer of them.

    Neighbours are in different shares: they call each other, and are busy at the same time.
    """
    return [list(ones[number::shares]) for number in range(min(shares, len(ones)))]


def shares_of(stages: Sequence[StageSettings], processes: int) -> list[list[StageSettings]]:
    """Return the stages in each process, those with `processes: apart` in one of their own, beyond this many."""
    apart = [[one] for one in stages if one.stage.processes is Processes.APART]
    return [*spread([one for one in stages if one.stage.processes is not Processes.APART], processes), *apart]

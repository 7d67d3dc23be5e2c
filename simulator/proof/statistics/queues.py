"""Queues: what each message must wait in a queue that serves first come, first served, and the means of theory."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.proof.statistics.goodness import Floats


@dataclass(frozen=True, kw_only=True)
class ServedFifo:
    """What a queue's own history says: for each message in the order of its arrival, when it could have begun.

    `late_seconds` is how much later it began; a negative one was served before its turn.
    """

    due_seconds: Floats
    late_seconds: Floats


def served_fifo(arrived: Sequence[float], began: Sequence[float], ended: Sequence[float], workers: int) -> ServedFifo:
    """Return when each message could have begun in a queue with `workers`, given when earlier ones really ended.

    All are times in seconds, in the order of arrival. It is the recursion of Kiefer and Wolfowitz ("On the theory of
    queues with many servers", 1955): a message begins when it has come and the first of the workers is free, where
    each has been held from the real beginning to the real end of an earlier one.
    """
    free = [-math.inf] * workers
    due = np.empty(len(arrived))
    for index, (came, start, end) in enumerate(zip(arrived, began, ended, strict=True)):
        due[index] = max(came, heapq.heappop(free))
        heapq.heappush(free, max(end, start))
    return ServedFifo(due_seconds=due, late_seconds=np.asarray(began, dtype=np.float64) - due)


def overtakings(arrived: Floats, began: Floats, tolerance_seconds: float) -> int:
    """Return how many messages began before one that had come earlier, by more than a tolerance on either side."""
    order = np.argsort(arrived, kind="stable")
    came, started = arrived[order], began[order]
    latest = -math.inf
    count = reached = 0
    for index in range(len(came)):
        while came[reached] < came[index] - tolerance_seconds:
            latest = max(latest, started[reached])
            reached += 1
        count += started[index] < latest - tolerance_seconds
    return count


def mean_wait_mmc(arrivals_per_second: float, mean_service_seconds: float, workers: int) -> float:
    """Return the mean wait of M/M/c by Erlang's C formula (1917); infinite if the load is too high."""
    offered = arrivals_per_second * mean_service_seconds
    if offered >= workers:
        return math.inf
    blocked = 1.0  # Erlang's B by its recursion, from which C follows
    for number in range(1, workers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    waits = workers * blocked / (workers - offered * (1 - blocked))
    return waits * mean_service_seconds / (workers - offered)


def mean_wait_mg1(arrivals_per_second: float, mean_service_seconds: float, second_moment: float) -> float:
    """Return the mean wait of M/G/1 by Pollaczek and Khinchine: lambda E[S^2] / (2 (1 - rho)); infinite at rho >= 1.

    With a constant service it is that of M/D/1.
    """
    load = arrivals_per_second * mean_service_seconds
    return arrivals_per_second * second_moment / (2 * (1 - load)) if load < 1 else math.inf

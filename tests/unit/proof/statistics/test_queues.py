"""What a queue's history says, and what theory does."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest

from simulator.proof.statistics.queues import mean_wait_mg1, mean_wait_mmc, overtakings, served_fifo


def history(count: int, workers: int, seed: int, is_fifo: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return when messages came, began and ended at a queue that serves the first, or the last, come first."""
    rng = np.random.default_rng(seed)
    came, service = np.cumsum(rng.exponential(1.0, count)), rng.exponential(0.8 * workers, count)
    began = np.zeros(count)
    free = [0.0] * workers
    waiting: list[int] = []
    following = 0
    while following < count or waiting:
        now = heapq.heappop(free)
        if not waiting:
            now = max(now, came[following])
        while following < count and came[following] <= now:
            waiting.append(following)
            following += 1
        index = waiting.pop(0 if is_fifo else -1)
        began[index] = now
        heapq.heappush(free, now + service[index])
    return came, began, began + service


@pytest.mark.parametrize("workers", [1, 3])
def test_a_queue_that_serves_first_come_first_begins_each_message_when_it_is_due(workers: int) -> None:
    """By the recursion every message begins at the very time, and none overtakes another."""
    came, began, ended = history(2000, workers, 1)
    assert np.abs(served_fifo(came.tolist(), began.tolist(), ended.tolist(), workers).late_seconds).max() < 1e-9
    assert overtakings(came, began, 0.0) == 0


@pytest.mark.parametrize("workers", [1, 3])
def test_a_queue_that_serves_last_come_first_begins_messages_before_their_turn(workers: int) -> None:
    """The last come first began seconds before it was due, and overtook those that waited."""
    came, began, ended = history(2000, workers, 1, is_fifo=False)
    assert served_fifo(came.tolist(), began.tolist(), ended.tolist(), workers).late_seconds.min() < -1.0
    assert overtakings(came, began, 0.01) > 100


def test_a_worker_more_than_configured_shows() -> None:
    """With three workers where two are configured, messages begin before a worker is free."""
    came, began, ended = history(2000, 3, 2)
    assert served_fifo(came.tolist(), began.tolist(), ended.tolist(), 2).late_seconds.min() < -0.1


def test_erlangs_formula_with_one_worker_is_that_of_mm1() -> None:
    """The wait of M/M/1 is rho / (mu - lambda)."""
    assert mean_wait_mmc(8.0, 0.1, 1) == pytest.approx(0.8 / (10 - 8))


def test_erlangs_formula_has_the_value_of_its_tables() -> None:
    """With 2 erlangs on 3 workers, C = 4/9: the wait is 4/9 of the mean service time."""
    assert mean_wait_mmc(2.0, 1.0, 3) == pytest.approx(4 / 9)


def test_a_constant_service_waits_half_as_long_as_an_exponential_one() -> None:
    """By Pollaczek and Khinchine, E[S^2] is s^2 for a constant and 2 s^2 for an exponential service."""
    assert mean_wait_mg1(8.0, 0.1, 0.01) == pytest.approx(mean_wait_mmc(8.0, 0.1, 1) / 2)
    assert mean_wait_mg1(8.0, 0.1, 0.02) == pytest.approx(mean_wait_mmc(8.0, 0.1, 1))


def test_an_overloaded_queue_waits_without_end() -> None:
    """At a load of 1 or more there is no mean."""
    assert math.isinf(mean_wait_mmc(10.0, 0.1, 1))
    assert math.isinf(mean_wait_mg1(10.0, 0.1, 0.01))

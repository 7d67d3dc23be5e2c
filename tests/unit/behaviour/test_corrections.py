"""The correction: learned slowly enough that one message says little, and rather late than early."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.corrections import Correction

MAX_SECONDS = 0.002


def follow(costs):
    """Let each of some things begin earlier by the correction; return it and how late each of them ended."""
    correction, lates = Correction(MAX_SECONDS), []
    for cost in costs:
        lates.append(cost - correction.seconds)
        correction.learn(lates[-1])
    return correction, lates


def test_it_begins_with_nothing():
    """Before anything is known nothing is corrected."""
    assert Correction().seconds == 0.0


@pytest.mark.parametrize("cost", [0.0001, 0.0005, 0.0019])
def test_a_steady_cost_is_learned(cost):
    """Where each time the same comes after, it is corrected within a hundred messages, and never by too much."""
    correction, lates = follow([cost] * 400)
    assert correction.seconds == pytest.approx(cost, abs=1e-6)
    assert abs(lates[100]) < 0.01 * cost + 1e-5
    assert (max(lates), min(lates) > -1e-9) == (cost, True)


def test_a_changing_cost_ends_rather_late_than_early():
    """Where what comes after differs evenly, about a third end early: where lateness is five times the earliness."""
    dice = random.Random(7)
    _, lates = follow([dice.uniform(0.0, 0.001) for _ in range(20_000)])
    settled = lates[1000:]
    early = [-late for late in settled if late < 0]
    late = [late for late in settled if late > 0]
    assert sum(late) / sum(early) == pytest.approx(5.0, rel=0.05)
    # Of a cost that is even from 0 to c the correction is at c / (1 + sqrt(5)).
    assert len(early) / len(settled) == pytest.approx(1 / (1 + 5**0.5), abs=0.03)


def test_a_busy_machine_makes_few_end_early():
    """Where half of all are held up by 50 ms, the others end early by no more than the most that is corrected."""
    dice = random.Random(7)
    correction, lates = follow([0.0003 + 0.05 * (dice.random() < 0.5) for _ in range(5000)])
    assert min(lates) >= 0.0003 - MAX_SECONDS
    assert correction.seconds <= 0.0006


@given(st.lists(st.floats(-1e6, 1e6), max_size=200))
def test_it_stays_in_its_range_and_no_single_error_makes_it_much_larger(lates):
    """Whatever is learned, nothing is ever made later, nor earlier than by the most."""
    correction = Correction(MAX_SECONDS)
    for late in lates:
        before = correction.seconds
        correction.learn(late)
        assert 0.0 <= correction.seconds <= MAX_SECONDS
        assert correction.seconds - before <= 0.00005 + 1e-12


@given(st.floats(0.0, MAX_SECONDS), st.floats(-0.0009, 0.0009))
def test_a_small_error_moves_it_by_a_share(start, late):
    """Too late: by a twentieth; too early: by a quarter."""
    correction = Correction(MAX_SECONDS)
    correction.seconds = start
    correction.learn(late)
    moved = start + (late / 20 if late > 0 else late / 4)
    assert correction.seconds == pytest.approx(min(MAX_SECONDS, max(0.0, moved)))

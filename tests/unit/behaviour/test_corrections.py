"""The correction: learned slowly enough that one message says little, and right on average."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.corrections import Correction


def follow(costs):
    """Let each of some things begin earlier by the correction; give how late each of them ended."""
    correction, lates = Correction(), []
    for cost in costs:
        lates.append(cost - correction.seconds)
        correction.learn(lates[-1])
    return correction, lates


def test_it_begins_with_nothing():
    """Before anything is known nothing is corrected."""
    assert Correction().seconds == 0.0


@pytest.mark.parametrize("cost", [0.0001, 0.0005, 0.002, 0.01])
def test_a_steady_cost_is_learned(cost):
    """Where each time the same comes after, it is corrected within some tens of messages."""
    correction, lates = follow([cost] * 200)
    assert correction.seconds == pytest.approx(cost, abs=1e-6)
    assert abs(lates[-1]) < 1e-6
    assert max(lates) == lates[0] == cost


def test_a_changing_cost_is_right_on_average():
    """Where what comes after differs from message to message, as many end early as late."""
    dice = random.Random(7)
    _, lates = follow([dice.uniform(0.0002, 0.0012) for _ in range(3000)])
    assert sum(lates[100:]) / len(lates[100:]) == pytest.approx(0.0, abs=0.00001)


@given(st.lists(st.floats(-1e6, 1e6), max_size=200))
def test_it_is_never_negative_and_no_single_error_moves_it_far(lates):
    """Whatever is learned, nothing is ever made later, and one message moves it by a tenth of a millisecond at most."""
    correction = Correction()
    for late in lates:
        before = correction.seconds
        correction.learn(late)
        assert correction.seconds >= 0.0
        assert abs(correction.seconds - before) <= 0.0001 + 1e-12


@given(st.floats(0.0, 0.1), st.floats(-0.0009, 0.0009))
def test_a_small_error_moves_it_by_a_tenth(start, late):
    """An error within a millisecond is corrected by a tenth of it."""
    correction = Correction()
    correction.seconds = start
    correction.learn(late)
    assert correction.seconds == pytest.approx(max(0.0, start + late / 10))

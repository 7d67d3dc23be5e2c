"""Many tests at once."""

from __future__ import annotations

import numpy as np

from simulator.proof.statistics.many_tests import rejected


def test_holms_procedure_rejects_step_by_step() -> None:
    """At 5 %, 0.01 is below 0.05 / 4 and 0.015 below 0.05 / 3, but 0.03 is not below 0.05 / 2, so nor is 0.04."""
    assert rejected([0.04, 0.01, 0.03, 0.015], 0.05) == [False, True, False, True]


def test_a_p_value_below_the_level_that_is_not_below_its_share_is_kept() -> None:
    """One of fifty tests may well be below 5 %."""
    assert not any(rejected([0.03, *[0.5] * 49], 0.05))


def test_hardly_any_family_of_true_hypotheses_has_a_rejection() -> None:
    """Of 2,000 families of 50 tests at the level of 1 %, at most 40 reject one: 20 expected, and 4.5 deviations."""
    families = np.random.default_rng(8).random((2000, 50))
    assert sum(any(rejected(family.tolist(), 0.01)) for family in families) <= 40


def test_no_tests_reject_nothing() -> None:
    """An empty family has an empty result."""
    assert rejected([], 0.05) == []

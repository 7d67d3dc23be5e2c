"""Whether shares and choices are as configured."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.proof.statistics.shares import choices_p_value, share_interval, share_p_value


def test_the_binomial_test_is_exact() -> None:
    """Of ten fair coins, none or all show heads with a probability of 2 / 1024."""
    assert share_p_value(0, 10, 0.5) == pytest.approx(2 / 1024)


@pytest.mark.parametrize("ratio", [0.0, 0.05, 0.3, 0.6, 1.0])
def test_a_share_as_configured_is_hardly_ever_rejected(ratio: float) -> None:
    """Of 1,000 experiments at the level of 1 %, at most 25 are rejected: 10 expected, and 4.7 deviations."""
    counts = np.random.default_rng(1).binomial(500, ratio, 1000)
    assert sum(share_p_value(int(count), 500, ratio) < 0.01 for count in counts) <= 25


def test_one_exception_disproves_a_share_of_none_and_of_all() -> None:
    """A fault with a rate of 0 never hits, one with 1 always does."""
    assert share_p_value(1, 1000, 0.0) == 0.0
    assert share_p_value(999, 1000, 1.0) == 0.0
    assert share_p_value(0, 1000, 0.0) == share_p_value(1000, 1000, 1.0) == 1.0


def test_six_percent_are_not_five() -> None:
    """In 20,000 draws the difference has a p-value below one in ten million."""
    assert share_p_value(1200, 20_000, 0.05) < 1e-7


def test_a_choice_among_several_is_judged_by_its_least_likely_option() -> None:
    """Options of 1, 10 and 10 are kept as they are, and rejected if two are exchanged."""
    ratios = (1 / 21, 10 / 21, 10 / 21)
    counts = np.random.default_rng(2).multinomial(2100, ratios)
    assert choices_p_value(counts.tolist(), ratios) > 0.01
    assert choices_p_value([1000, 100, 1000], ratios) < 1e-12


def test_choices_are_hardly_ever_rejected_even_of_a_few_draws() -> None:
    """Of 1,000 experiments with five draws at the level of 1 %, at most 25 are rejected."""
    counts = np.random.default_rng(3).multinomial(5, (0.1, 0.2, 0.7), 1000)
    assert sum(choices_p_value(row.tolist(), (0.1, 0.2, 0.7)) < 0.01 for row in counts) <= 25


def test_the_interval_of_no_success_is_the_rule_of_three() -> None:
    """With no success in n, 1 - 0.025^(1/n) is the upper end."""
    low, high = share_interval(0, 100)
    assert (low, high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 100)))

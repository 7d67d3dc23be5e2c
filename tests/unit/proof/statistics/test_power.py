"""How many draws a verdict needs."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.behaviour.delays import parse_delay
from simulator.proof.statistics.goodness import fit_p_value
from simulator.proof.statistics.power import (
    draws_for_delay,
    draws_for_share,
    largest_distance,
    share_shown,
    smallest_stretch_shown,
)
from simulator.proof.statistics.shares import share_p_value


def test_a_share_that_is_wrong_is_found_with_the_power_that_was_asked_for() -> None:
    """With so many draws, 5 % that are 6 % are rejected in 90 % of experiments, within sampling error."""
    draws = draws_for_share(0.05, 0.06, alpha=1e-4)
    counts = np.random.default_rng(9).binomial(draws, 0.06, 1000)
    found = sum(share_p_value(int(count), draws, 0.05) < 1e-4 for count in counts)
    assert 850 <= found <= 950


@pytest.mark.parametrize("text", ["uniform(5ms, 50ms)", "exponential(20ms)", "lognormal(p50=12ms, p99=80ms)"])
def test_a_delay_that_is_wrong_is_found_with_the_power_that_was_asked_for(text: str) -> None:
    """With so many draws, a delay that is 10 % too long is rejected in 90 % of experiments or more."""
    delay = parse_delay(text)
    draws = draws_for_delay(delay, 1.1, alpha=1e-4)
    rng = np.random.default_rng(10)
    found = 0
    for _ in range(20):
        found += fit_p_value(delay, [1.1 * delay.quantile(u) for u in rng.uniform(1e-9, 1 - 1e-9, draws)]) < 1e-4
    assert found >= 14  # of 20 at 90 %, less than 14 has a probability of 0.2 %


def test_a_constant_delay_needs_few_draws_and_a_wide_one_many() -> None:
    """No constant is 10 % off; a distribution over three decades hardly differs from one that is 10 % longer."""
    assert largest_distance(parse_delay("10ms"), 1.1) == 1.0
    assert draws_for_delay(parse_delay("10ms"), 1.1, 1e-5) < 20
    assert draws_for_delay(parse_delay("lognormal(p50=10ms, p99=1s)"), 1.1, 1e-5) > 2000
    assert draws_for_delay(parse_delay("0s"), 1.1, 1e-5) == 1


def test_a_share_of_none_needs_as_many_draws_as_show_one_exception() -> None:
    """A fault that must never hit, and hits 1 %, is found in 230 draws with 90 %: 0.99^230 = 0.099."""
    assert draws_for_share(0.0, 0.01, 1e-5) == 230


def test_what_a_run_can_show_is_the_inverse_of_what_it_needs() -> None:
    """With the draws for 6 % in place of 5 %, 6 % is what is shown; with none, nothing is."""
    assert share_shown(0.05, draws_for_share(0.05, 0.06, 1e-5), 1e-5) == pytest.approx(0.06, abs=1e-4)
    assert share_shown(0.05, 1, 1e-5) == pytest.approx(1.0)


@pytest.mark.parametrize(("stretch", "below"), [(1.01, 1.02), (1.1, 1.15), (10.0, None)])
def test_the_smallest_stretch_is_the_one_that_so_many_draws_find(stretch, below) -> None:
    """With the draws that a stretch needs it is found, and with one less only the next one is."""
    delay = parse_delay("exponential(20ms)")
    draws = draws_for_delay(delay, stretch, 1e-5)
    assert smallest_stretch_shown(delay, draws, 1e-5) == stretch
    assert smallest_stretch_shown(delay, draws - 1, 1e-5) == below

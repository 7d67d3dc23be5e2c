"""Whether drawn delays come from their distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simulator.behaviour.delays import parse_delay
from simulator.proof.statistics.goodness import fit_p_value, idle_seconds

DELAYS = (
    "constant(10ms)",
    "uniform(5ms, 50ms)",
    "exponential(20ms)",
    "normal(3ms, 5ms)",
    "lognormal(p50=12ms, p99=80ms, max=60ms)",
    "pareto(min=5ms, shape=1.5, max=50ms)",
    "percentiles(p50=10ms, p90=40ms, p99=200ms, max=2s)",
    "mixture(70%: uniform(5ms, 20ms), 30%: constant(1s))",
)


def drawn(text: str, seed: int, count: int = 100) -> list[float]:
    delay = parse_delay(text)
    return [delay.quantile(u) for u in np.random.default_rng(seed).uniform(1e-12, 1 - 1e-12, count)]


@pytest.mark.parametrize("text", DELAYS)
def test_a_delay_that_is_drawn_as_configured_is_rejected_as_often_as_the_level_says(text: str) -> None:
    """Of 150 samples of each distribution, atoms or not, a share of 5 % have a p-value below 5 %."""
    delay = parse_delay(text)
    p_values = [fit_p_value(delay, drawn(text, seed), seed + 1000) for seed in range(150)]
    rejected = sum(p_value < 0.05 for p_value in p_values)
    assert stats.binomtest(rejected, 150, 0.05).pvalue > 1e-4
    assert stats.kstest(p_values, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("text", DELAYS)
def test_a_delay_that_is_ten_percent_too_short_is_found(text: str) -> None:
    """With 6,000 draws a cheat of ten percent has a p-value below one in a million."""
    cheated = [0.9 * seconds for seconds in drawn(text, 7, 6000)]
    assert fit_p_value(parse_delay(text), cheated) < 1e-6


def test_an_atom_with_the_wrong_share_is_found() -> None:
    """A mixture whose constant part has 40 % in place of 30 % does not fit, though every value is one of its own."""
    wrong = drawn("mixture(60%: uniform(5ms, 20ms), 40%: constant(1s))", 3, 2000)
    assert fit_p_value(parse_delay("mixture(70%: uniform(5ms, 20ms), 30%: constant(1s))"), wrong) < 1e-9


def test_a_growing_delay_is_judged_by_what_an_idle_stage_would_have_drawn() -> None:
    """Twice as long at half the load of a delay that triples, it is the idle delay again."""
    delay = parse_delay("growing(exponential(20ms), full=3)")
    found = idle_seconds(delay, np.array([0.02, 0.06]), np.array([0.5, 1.0]))
    assert found == pytest.approx([0.01, 0.02])


def test_no_values_prove_nothing() -> None:
    """Without a draw the p-value is 1."""
    assert fit_p_value(parse_delay("10ms"), []) == 1.0

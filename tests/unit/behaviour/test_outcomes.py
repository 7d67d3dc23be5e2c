"""What a rule can draw, and how often."""

from __future__ import annotations

import pytest

from simulator.behaviour.outcomes import max_times, mean_times, outcomes
from simulator.behaviour.times import parse_times
from simulator.behaviour.values import parse_rule

RULES = ["90%", "0%", "100%", {"gold": "5%", "silver": "95%"}, "uniform(1, 8)", "poisson(3)", "pick(50)", "always"]


@pytest.mark.parametrize("text", RULES, ids=map(str, RULES))
def test_the_probabilities_are_the_shares_of_the_draws(text):
    """Each value has the share of equally spaced draws that draw it, and together they are all."""
    rule, draws = parse_rule(text), 20_000
    drawn = [rule.value((number + 0.5) / draws) for number in range(draws)]
    found = outcomes(rule)
    assert sum(ratio for _, ratio in found) == pytest.approx(1)
    assert {value for value, _ in found} >= set(drawn)
    for value, ratio in found:
        assert drawn.count(value) / draws == pytest.approx(ratio, abs=2 / draws)


@pytest.mark.parametrize(("text", "mean"), [(3, 3), ("uniform(1, 8)", 4.5), ("poisson(3)", 3), ("pick(9)", 5)])
def test_the_mean_number_of_times(text, mean):
    """It is the rule's own mean."""
    assert mean_times(parse_times(text)) == pytest.approx(mean)


@pytest.mark.parametrize(
    ("text", "most"),
    [("uniform(1, 8)", 8), ("poisson(3, max=7)", 7), ("pick(12)", 12), ({"1": 9, "20": 1, "50": 0}, 20), (4, 4)],
    ids=str,
)
def test_the_highest_number_of_times(text, most):
    """It is the highest that is ever drawn."""
    assert max_times(parse_rule(text)) == most

"""The distributions given by a formula: their quantiles and shares, and the parameters they refuse."""

import math

import pytest

from simulator.behaviour.distributions import Constant, Exponential, Lognormal, Normal, Pareto, Uniform

# z with Phi(z) = u, from tables of the normal distribution.
Z = {0.01: -2.3263478740408408, 0.1: -1.2815515655446004, 0.5: 0.0, 0.9: 1.2815515655446004, 0.99: 2.3263478740408408}
SIGMA = math.log(80 / 12) / Z[0.99]

QUANTILES = [
    (Constant(0.01), 0.001, 0.01),
    (Constant(0.01), 0.999, 0.01),
    (Constant(0.0), 0.5, 0.0),
    (Uniform(0.005, 0.05), 0.5, 0.0275),
    (Uniform(0.005, 0.05), 0.9, 0.0455),
    (Uniform(0.0, 1.0), 0.25, 0.25),
    (Exponential(0.02), 0.5, 0.02 * math.log(2)),
    (Exponential(0.02), 0.99, 0.02 * math.log(100)),
    (Exponential(0.02), 1e-12, 2e-14),
    (Normal(0.02, 0.005), 0.5, 0.02),
    (Normal(0.02, 0.005), 0.9, 0.02 + 0.005 * Z[0.9]),
    (Normal(0.02, 0.005), 0.1, 0.02 + 0.005 * Z[0.1]),
    (Normal(0.005, 0.005), 0.1, 0.0),
    (Lognormal(0.012, 0.08), 0.5, 0.012),
    (Lognormal(0.012, 0.08), 0.99, 0.08),
    (Lognormal(0.012, 0.08), 0.9, 0.012 * math.exp(SIGMA * Z[0.9])),
    (Lognormal(0.012, 0.08), 0.01, 0.012 * 12 / 80),
    (Lognormal(0.012, 0.08, 0.05), 0.5, 0.012),
    (Lognormal(0.012, 0.08, 0.05), 0.99, 0.05),
    (Lognormal(0.012, 0.08, 1.0), 0.99, 0.08),
    (Pareto(0.005, 2.0), 0.75, 0.01),
    (Pareto(0.005, 2.0), 0.99, 0.05),
    (Pareto(0.005, 1.5), 0.5, 0.005 * 2 ** (2 / 3)),
    (Pareto(0.005, 0.5), 0.9, 0.5),
    (Pareto(0.005, 2.0, 0.02), 0.75, 0.01),
    (Pareto(0.005, 2.0, 0.02), 0.99, 0.02),
]


@pytest.mark.parametrize(("delay", "u", "seconds"), QUANTILES, ids=str)
def test_a_quantile_is_what_the_formula_says(delay, u, seconds):
    """The delay that a share u does not exceed is the textbook's."""
    assert delay.quantile(u) == pytest.approx(seconds, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("delay", dict.fromkeys(delay for delay, *_ in QUANTILES), ids=str)
def test_a_delay_of_one_value_says_so(delay):
    """Only of such a delay no draw is made."""
    assert delay.is_constant == (delay.quantile(0.001) == delay.quantile(0.999))


@pytest.mark.parametrize("max_seconds", [None, 1.0])
def test_a_lognormal_hits_the_percentiles_that_it_is_given_by(max_seconds):
    """The median and p99 that were written down are the median and p99."""
    delay = Lognormal(0.012, 0.08, max_seconds)
    assert delay.quantile(0.5) == 0.012
    assert delay.quantile(0.99) == pytest.approx(0.08, rel=1e-14)


@pytest.mark.parametrize(
    ("delay", "seconds", "share"),
    [
        (Constant(0.01), math.nextafter(0.01, 0), 0.0),
        (Constant(0.01), 0.01, 1.0),
        (Uniform(0.005, 0.05), 0.001, 0.0),
        (Uniform(0.005, 0.05), 0.005, 0.0),
        (Uniform(0.005, 0.05), 0.0275, 0.5),
        (Uniform(0.005, 0.05), 0.05, 1.0),
        (Uniform(0.005, 0.05), 9.0, 1.0),
        (Exponential(0.02), -1.0, 0.0),
        (Exponential(0.02), 0.02, 1 - 1 / math.e),
        (Exponential(0.02), 2e-14, 1e-12),
        (Normal(0.02, 0.005), 0.02, 0.5),
        (Normal(0.02, 0.005), 0.025, 0.8413447460685429),
        (Normal(0.02, 0.005), -0.001, 0.0),
        (Normal(0.005, 0.005), 0.0, 0.15865525393145707),
        (Lognormal(0.012, 0.08), -1.0, 0.0),
        (Lognormal(0.012, 0.08), 0.0, 0.0),
        (Lognormal(0.012, 0.08), 0.012, 0.5),
        (Lognormal(0.012, 0.08), 0.08, 0.99),
        (Lognormal(0.012, 0.08, 0.05), 0.0499, 0.5 + math.erf(math.log(49.9 / 12) / SIGMA / math.sqrt(2)) / 2),
        (Lognormal(0.012, 0.08, 0.05), 0.05, 1.0),
        (Pareto(0.005, 2.0), 0.004, 0.0),
        (Pareto(0.005, 2.0), 0.005, 0.0),
        (Pareto(0.005, 2.0), 0.01, 0.75),
        (Pareto(0.005, 2.0, 0.02), 0.0199, 1 - (5 / 19.9) ** 2),
        (Pareto(0.005, 2.0, 0.02), 0.02, 1.0),
    ],
    ids=str,
)
def test_a_share_is_what_the_formula_says(delay, seconds, share):
    """The share of delays up to a duration is the textbook's, with a step where many have the same one."""
    assert delay.cdf(seconds) == pytest.approx(share, rel=1e-12)


def test_no_delay_is_too_short_to_have_a_share():
    """The smallest of all positive numbers of seconds has a share, as 0 has."""
    assert Lognormal(2.0, 4.0).cdf(5e-324) == 0.0


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Uniform(0.05, 0.005), "high must be more than low: 5ms is not more than 50ms"),
        (lambda: Uniform(0.05, 0.05), "high must be more than low: 50ms is not more than 50ms"),
        (lambda: Exponential(0.0), "mean must be more than 0"),
        (lambda: Normal(0.02, 0.0), "deviation must be more than 0"),
        (lambda: Lognormal(0.0, 0.08), "p50 must be more than 0"),
        (lambda: Lognormal(0.08, 0.012), "p99 must be more than p50: 12ms is not more than 80ms"),
        (lambda: Lognormal(0.012, 0.08, 0.012), "max must be more than p50: 12ms is not more than 12ms"),
        (lambda: Pareto(0.0, 1.5), "min must be more than 0"),
        (lambda: Pareto(0.005, 0.0), "shape 0 is out of range: must be between 0.1 and 100"),
        (lambda: Pareto(0.005, 101.0), "shape 101 is out of range: must be between 0.1 and 100"),
        (lambda: Pareto(0.005, 1.5, 0.005), "max must be more than min: 5ms is not more than 5ms"),
    ],
)
def test_parameters_that_make_no_distribution_are_refused(make, reason):
    """The refusal names the parameter and the values."""
    with pytest.raises(ValueError) as refusal:
        make()
    assert str(refusal.value) == reason

"""What holds for every delay, and the mixture of several."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.delays import DELAYS, Growing, Mixture, parse_delay
from simulator.behaviour.distributions import Constant, Delay, Exponential, Lognormal, Normal, Pareto, Uniform
from simulator.behaviour.draws import FIRST_VISIT, draw
from simulator.behaviour.empirical import Percentiles, Samples
from simulator.behaviour.notation import NotationError

DRAWS = 20_000
NANOSECOND = 1e-9
Z = {0.1: -1.2815515655446004, 0.5: 0.0, 0.9: 1.2815515655446004, 0.99: 2.3263478740408408}
MEASURED = [0.01] * 5 + [0.02] * 4 + [0.5]


def read_samples(path):
    return path, MEASURED


# What `draws.draw` can give, both of its ends and all between.
US = st.integers(0, 2**52 - 1).map(lambda step: (step + 0.5) * 2.0**-52)
SECONDS = st.floats(1e-6, 60.0)
RATIOS = st.floats(1.01, 10.0)
BOUNDS = st.floats(-1, 1000, allow_subnormal=False)
CONTINUOUS = (
    st.builds(lambda low, ratio: Uniform(low, low * ratio), SECONDS, RATIOS)
    | st.builds(Exponential, SECONDS)
    | st.builds(lambda p50, ratio: Lognormal(p50, p50 * ratio), SECONDS, RATIOS)
    | st.builds(Pareto, SECONDS, st.floats(4, 100))
)


@st.composite
def percentiles(draw_from):
    """Return rising points, some of them level."""
    tenths = sorted(draw_from(st.sets(st.integers(1, 999), min_size=1, max_size=5)))
    rises = st.just(0.0) | st.floats(1e-3, 10)
    seconds = list(itertools.accumulate(draw_from(rises) for _ in range(len(tenths) + 1)))
    points = [(float(f"{tenth / 10:g}") / 100, value) for tenth, value in zip(tenths, seconds, strict=False)]
    return Percentiles(((0.0, 0.0), *points, (1.0, seconds[-1])))


SIMPLE = (
    CONTINUOUS
    | st.builds(Constant, SECONDS | st.just(0.0))
    | st.builds(lambda mean, ratio: Normal(mean, mean * ratio), SECONDS, st.floats(0.01, 10))
    | st.builds(lambda p50, p99, top: Lognormal(p50, p50 * p99, p50 * top), SECONDS, RATIOS, RATIOS)
    | st.builds(lambda low, shape, top: Pareto(low, shape, low * top), SECONDS, st.floats(0.1, 100), RATIOS)
    | percentiles()
    | st.builds(lambda values: Samples("file.txt", tuple(sorted(values))), st.lists(SECONDS, min_size=1, max_size=20))
)


def mixtures(parts):
    """Return mixtures of such parts, with shares in whole per cents."""

    def mix(cuts, delays):
        bounds = [0, *sorted(cuts), 100]
        shares = [(high - low) / 100 for low, high in itertools.pairwise(bounds)]
        return Mixture(tuple(zip(shares, delays, strict=False)))

    return st.integers(1, 4).flatmap(
        lambda count: st.builds(
            mix,
            st.sets(st.integers(1, 99), min_size=count - 1, max_size=count - 1),
            st.lists(parts, min_size=count, max_size=count),
        )
    )


ANY = SIMPLE | mixtures(SIMPLE) | mixtures(mixtures(SIMPLE) | SIMPLE)


@settings(deadline=None)
@given(ANY, US, US)
def test_a_quantile_is_never_negative_and_never_falls(delay, first, second):
    """A larger share takes no less time; a mixture's quantile is found to a nanosecond, so it may fall by that much."""
    low, high = delay.quantile(min(first, second)), delay.quantile(max(first, second))
    assert 0 <= low < math.inf
    assert low <= high * (1 + 1e-12) + NANOSECOND


@settings(deadline=None)
@given(ANY, US)
def test_a_quantile_is_the_least_delay_that_the_share_does_not_exceed(delay, u):
    """The share up to the quantile is at least u, and the share up to anything less is at most u."""
    seconds = delay.quantile(u)
    below = seconds * (1 - 1e-12) - 2 * NANOSECOND
    assert delay.cdf(seconds) >= u - 1e-9
    assert delay.cdf(below) <= u + 1e-9


@settings(deadline=None)
@given(CONTINUOUS, US)
def test_where_there_are_no_steps_share_and_quantile_undo_each_other(delay, u):
    """The share up to the quantile at u is u."""
    assert delay.cdf(delay.quantile(u)) == pytest.approx(u, abs=1e-9)


@settings(deadline=None)
@given(ANY, BOUNDS, BOUNDS)
def test_a_share_is_a_share(delay, first, second):
    """The share of delays lies between 0 and 1, is 0 below 0 seconds and never falls."""
    low, high = delay.cdf(min(first, second)), delay.cdf(max(first, second))
    assert 0 <= low <= high + 1e-12 <= 1 + 2e-12
    assert delay.cdf(-NANOSECOND) == 0


@settings(deadline=None)
@given(ANY)
def test_a_delay_reads_back_from_its_text(delay):
    """Writing a delay and reading it gives an equal one, to the last bit of every parameter."""

    def read(path):
        return path, next(part.sorted_seconds for part in leaves(delay) if isinstance(part, Samples))

    same_file = {part.sorted_seconds for part in leaves(delay) if isinstance(part, Samples)}
    if len(same_file) <= 1 and len(str(delay)) <= 1000:
        assert parse_delay(str(delay), read) == delay


def leaves(delay):
    """Return the delays other than mixtures."""
    if isinstance(delay, Mixture):
        return [leaf for _, part in delay.parts for leaf in leaves(part)]
    return [delay]


def by_formula(quantile):
    """Pair each share with the delay that it does not exceed, where no delay comes up twice."""
    return [(p, quantile(p)) for p in (0.1, 0.5, 0.9, 0.99)]


# The share of delays up to a duration, worked out from each distribution's textbook formula.
SHARES = {
    "constant(10ms)": [(0.0, 0.00999), (1.0, 0.01)],
    "uniform(5ms, 50ms)": by_formula(lambda p: 0.005 + 0.045 * p),
    "exponential(20ms)": by_formula(lambda p: -0.02 * math.log(1 - p)),
    "normal(20ms, 5ms)": by_formula(lambda p: 0.02 + 0.005 * Z[p]),
    "normal(5ms, 5ms)": [(0.15865525393145707, 0.0), *by_formula(lambda p: 0.005 + 0.005 * Z[p])[1:]],
    "lognormal(p50=12ms, p99=80ms)": by_formula(lambda p: 0.012 * (80 / 12) ** (Z[p] / Z[0.99])),
    "lognormal(p50=12ms, p99=80ms, max=60ms)": [
        *by_formula(lambda p: 0.012 * (80 / 12) ** (Z[p] / Z[0.99]))[:3],
        (1.0, 0.06),
    ],
    "percentiles(p10=1ms, p50=10ms, p90=40ms, p99=200ms, max=2s)": [
        (0.1, 0.001),
        (0.5, 0.01),
        (0.9, 0.04),
        (0.99, 0.2),
        (1.0, 2.0),
    ],
    "pareto(min=5ms, shape=1.5)": by_formula(lambda p: 0.005 * (1 - p) ** (-1 / 1.5)),
    "pareto(min=5ms, shape=1.5, max=50ms)": [
        *by_formula(lambda p: 0.005 * (1 - p) ** (-1 / 1.5))[:3],
        (1 - 0.1**1.5, 0.0499999),
        (1.0, 0.05),
    ],
    "mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))": [
        (0.1, 0.005 + 0.015 * 0.1 / 0.95),
        (0.5, 0.005 + 0.015 * 0.5 / 0.95),
        (0.9, 0.005 + 0.015 * 0.9 / 0.95),
        (0.95, 0.999),
        (1.0, 1.0),
    ],
    "samples(measured.txt)": [(0.0, 0.0099), (0.5, 0.01), (0.9, 0.02), (0.9, 0.499), (1.0, 0.5)],
}


@pytest.mark.parametrize(("text", "shares"), SHARES.items(), ids=SHARES)
def test_the_observed_percentiles_are_the_configured_ones(text, shares):
    """Of 20,000 messages, as many stay within each duration as the formula says, to 4.9 standard errors."""
    delay = parse_delay(text, read_samples)
    seconds = [delay.quantile(draw(7, text, f"m-{number}", FIRST_VISIT, "delay")) for number in range(DRAWS)]
    for share, bound in shares:
        within = sum(value <= bound + NANOSECOND for value in seconds)
        assert abs(within - DRAWS * share) <= 4.9 * math.sqrt(DRAWS * share * (1 - share))


def test_every_kind_of_delay_is_observed():
    """The table above leaves out no delay that a configuration can name."""
    assert {text.partition("(")[0] for text in SHARES} == set(DELAYS)


@pytest.mark.parametrize(
    ("text", "u", "seconds"),
    [
        ("mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))", 0.475, 0.0125),
        ("mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))", 0.94, 0.005 + 0.015 * 0.94 / 0.95),
        ("mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))", 0.96, 1.0),
        ("mixture(50%: exponential(10ms), 50%: exponential(10ms))", 0.5, 0.01 * math.log(2)),
        ("mixture(50%: uniform(0s, 1s), 50%: uniform(1s, 3s))", 0.75, 2.0),
        ("mixture(50%: uniform(0s, 1s), 50%: uniform(0s, 3s))", 0.5, 0.75),
        ("mixture(50%: uniform(0s, 2s), 50%: constant(1s))", 0.2, 0.8),
        ("mixture(50%: uniform(0s, 2s), 50%: constant(1s))", 0.3, 1.0),
        ("mixture(50%: uniform(0s, 2s), 50%: constant(1s))", 0.7, 1.0),
        ("mixture(50%: uniform(0s, 2s), 50%: constant(1s))", 0.8, 1.2),
        ("mixture(100%: constant(1s))", 0.5, 1.0),
        ("mixture(50%: mixture(50%: constant(1s), 50%: constant(2s)), 50%: constant(3s))", 0.3, 2.0),
    ],
)
def test_a_mixtures_quantile_is_the_true_one(text, u, seconds):
    """Not the mean of the parts' quantiles: the delay that a share u of all messages together does not exceed."""
    assert parse_delay(text).quantile(u) == pytest.approx(seconds, rel=0, abs=NANOSECOND)


class Patient(Delay):
    """A heavy tail that fails if its quantile is computed too often."""

    def __init__(self) -> None:
        object.__setattr__(self, "tail", Pareto(1.0, 0.5))
        object.__setattr__(self, "asked", [])

    def quantile(self, u):
        return self.tail.quantile(u)

    def cdf(self, seconds):
        self.asked.append(seconds)
        assert len(self.asked) < 2000, "asked without end"
        return self.tail.cdf(seconds)

    def __str__(self):
        return str(self.tail)


def test_a_mixtures_quantile_is_found_however_far_out_it_lies():
    """Half of pareto(min=1s, shape=0.5) and half of a second: a share 1 - 1e-6 stays within 0.25e12 seconds."""
    delay = Mixture(((0.5, Patient()), (0.5, Constant(1.0))))
    assert delay.quantile(1 - 1e-6) == pytest.approx(0.25e12, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("constant(value=10ms)", Constant(0.01)),
        ("uniform(high=50ms, low=5ms)", Uniform(0.005, 0.05)),
        ("exponential(20ms)", Exponential(0.02)),
        ("normal(20ms, deviation=5ms)", Normal(0.02, 0.005)),
        ("lognormal(12ms, 80ms)", Lognormal(0.012, 0.08)),
        ("lognormal(max=1s, p99=80ms, p50=12ms)", Lognormal(0.012, 0.08, 1.0)),
        ("pareto(min=5ms, shape=1.5)", Pareto(0.005, 1.5)),
        ("pareto(5ms, 1.5, max=5s)", Pareto(0.005, 1.5, 5.0)),
        ("percentiles(p50=10ms)", Percentiles(((0.0, 0.0), (0.5, 0.01), (1.0, 0.01)))),
        ("percentiles(p0=5ms, p50=10ms, max=1s)", Percentiles(((0.0, 0.005), (0.5, 0.01), (1.0, 1.0)))),
        ("mixture(100%: constant(0))", Mixture(((1.0, Constant(0.0)),))),
        ("growing(exponential(20ms), full=3)", Growing(Exponential(0.02), 3.0)),
        ("growing(full=3, delay=exponential(20ms))", Growing(Exponential(0.02), 3.0)),
        ("growing(exponential(20ms), 1.5)", Growing(Exponential(0.02), 1.5)),
    ],
)
def test_a_delay_is_read_from_its_text(text, delay):
    """The parameters may go by position or by name."""
    assert parse_delay(text) == delay


@pytest.mark.parametrize(
    ("text", "carets", "reason"),
    [
        (
            "gaussian(20ms)",
            "^" * 14,
            "there is no delay 'gaussian' here; did you mean `normal`?",
        ),
        ("growing()", "^" * 9, "growing lacks its delay, as in constant(10ms)"),
        ("growing(full=3)", "^" * 15, "growing lacks its delay, as in constant(10ms)"),
        ("growing(x, full=3)", " " * 8 + "^", "'x' is not a duration: write 250ms, 1.5s or 1m30s"),
        ("growing(constant(5ms))", "^" * 22, "growing lacks its full"),
        ("growing(constant(5ms), 0.9)", "^" * 27, "full must be between 1 and 1000, not 0.9"),
        ("growing(constant(5ms), 1001)", "^" * 28, "full must be between 1 and 1000, not 1001"),
        ("growing(constant(5ms), full=x)", " " * 28 + "^", "'x' is not a number"),
        ("growing(constant(5), full=3)", " " * 17 + "^", "'5' has no unit: write 5ms or 5s"),
        ("growing(constant(5ms), 3, 4)", " " * 26 + "^", "growing does not take this; it takes delay, full"),
        (
            "growing(growing(constant(5ms), 3), 3)",
            " " * 8 + "^" * 25,
            "there is no delay 'growing' here; there are constant, uniform, exponential, normal, lognormal, "
            "percentiles, pareto, mixture, samples",
        ),
        (
            "mixture(100%: growing(constant(5ms), 3))",
            " " * 14 + "^" * 25,
            "there is no delay 'growing' here; there are constant, ",
        ),
        ("uniform(5ms)", "^" * 12, "uniform lacks its high"),
        ("uniform(50ms, 5ms)", "^" * 18, "high must be more than low: 5ms is not more than 50ms"),
        ("constant(5)", "         ^", "'5' has no unit: write 5ms or 5s"),
        ("constant(5ms, 6ms)", "              ^^^", "constant does not take this; it takes value"),
        ("exponential(20ms, max=1s)", "                  ^^^^^^", "exponential does not take `max`; it takes mean"),
        ("lognormal(p50=12ms, p99=80ms, 1s)", " " * 30 + "^^", "lognormal does not take this; it takes p50, p99, max="),
        ("mixture()", "^" * 9, "mixture lacks its parts, as in 95%: constant(10ms), 5%: constant(1s)"),
        ("mixture(constant(1s))", "^" * 21, "mixture lacks its parts"),
        ("mixture(90%: constant(1s))", "^" * 26, "the shares of a mixture must add up to 100%, not 90%"),
        ("mixture(60%: constant(1s), 60%: constant(2s))", "^" * 45, "the shares of a mixture must add up to 100%, not"),
        ("mixture(100%: 5)", "              ^", "'5' has no unit: write 5ms or 5s"),
        ("mixture(50%: constant(1s), 50%: uniform(5ms))", " " * 32 + "^" * 12, "uniform lacks its high"),
        ("mixture(50%: constant(1s), 50%: oops(5ms))", " " * 32 + "^" * 9, "there is no delay 'oops'"),
    ],
)
def test_a_wrong_delay_is_refused_at_its_place(text, carets, reason):
    """The error says what is wrong, shows the text and points at the wrong part."""
    with pytest.raises(ValueError) as refusal:
        parse_delay(text)
    shown = str(refusal.value).split("\n")
    assert shown[0].startswith(reason)
    assert shown[1:] == ["    " + text, "    " + carets]


@settings(deadline=None)
@given(ANY, US, st.floats(0, 1))
def test_most_delays_know_nothing_of_the_load(delay, u, utilisation):
    """However busy the workers are, a delay is its quantile, unless it is one that grows."""
    assert delay.under_load(u, utilisation) == delay.quantile(u)


# What stretches has a few digits, as a person writes them.
FULLS = st.integers(10, 10_000).map(lambda tenths: tenths / 10)


@settings(deadline=None)
@given(ANY, FULLS, US)
def test_a_growing_delay_is_stretched_by_the_utilisation(idle, full, u):
    """It is the idle stage's with no worker busy, `full` times that with all busy, and halfway with half of them."""
    growing, seconds = Growing(idle, full), idle.quantile(u)
    assert growing.under_load(u, 0.0) == growing.quantile(u) == seconds
    assert growing.under_load(u, 1.0) == pytest.approx(full * seconds, rel=1e-12)
    assert growing.under_load(u, 0.5) == pytest.approx((1 + full) / 2 * seconds, rel=1e-12)


@settings(deadline=None)
@given(ANY, FULLS, US, st.floats(0, 1), st.floats(0, 1))
def test_a_growing_delay_never_falls_as_the_load_rises(idle, full, u, first, second):
    """A busier stage is no faster for the same message."""
    growing, (low, high) = Growing(idle, full), sorted((first, second))
    assert growing.under_load(u, low) <= growing.under_load(u, high)


@settings(deadline=None)
@given(ANY, FULLS, BOUNDS)
def test_the_share_of_a_growing_delay_is_that_of_the_idle_stage(idle, full, seconds):
    """A prediction that does not know the load is one for an idle stage."""
    assert Growing(idle, full).cdf(seconds) == idle.cdf(seconds)


@settings(deadline=None)
@given(CONTINUOUS | mixtures(CONTINUOUS), FULLS)
def test_a_growing_delay_reads_back_from_its_text(idle, full):
    """Writing it and reading it gives an equal one."""
    growing = Growing(idle, full)
    if len(str(growing)) <= 1000:
        assert parse_delay(str(growing)) == growing


def test_a_growing_delay_may_be_of_samples():
    """A file of samples is read inside as it is outside."""
    assert parse_delay("growing(samples(x), full=2)", read_samples).under_load(0.95, 1.0) == 1.0


@pytest.mark.parametrize("full", [1.2345678, 999.9999])
def test_a_growing_delay_reads_back_to_the_last_bit(full):
    """What a stage reads from the file that is handed to it is what the user wrote, however many digits it has."""
    growing = Growing(Constant(1.0), full)
    assert parse_delay(str(growing)) == growing


@pytest.mark.parametrize("text", ["growing(oops=constant(1s), full=3)", "growing(full=constant(1s), 3)"])
def test_a_growing_delay_takes_no_delay_by_another_name(text):
    """A misspelt key is refused, not ignored."""
    with pytest.raises(ValueError):
        parse_delay(text)


def test_every_quantile_is_finite():
    """The heaviest tail that can be configured gives a delay for every draw."""
    assert parse_delay("lognormal(p50=1ns, p99=1s)").quantile(1 - 2.0**-53) > 1


@given(st.text() | st.lists(st.sampled_from([*DELAYS, *"(),=:%. 059", "p50", "ms", "max", "50%"])).map("".join))
def test_no_text_raises_anything_but_a_value_error(text):
    """Whatever is written, reading it as a delay ends in a delay or a ValueError."""
    try:
        assert parse_delay(text).quantile(0.5) >= 0
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("15ms", "constant(15ms)"),
        (" 1m30s ", "constant(90s)"),
        ("0", "constant(0s)"),
        (0, "constant(0s)"),
        ("50\u03bcs", "constant(50us)"),
        ("50\u00b5s", "constant(50us)"),
        ("mixture(90%: 5ms, 10%: 1s)", "mixture(90%: constant(5ms), 10%: constant(1s))"),
        ("growing(20ms, full=3)", "growing(constant(20ms), full=3)"),
        ("growing(delay=20ms, full=3)", "growing(constant(20ms), full=3)"),
    ],
)
def test_a_duration_is_a_constant_delay(text, written):
    """A plain duration needs no name, and what is written of it reads back as the same delay."""
    delay = parse_delay(text)
    assert str(delay) == written
    assert parse_delay(str(delay)) == delay


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (15, "15 has no unit: write 15ms or 15s"),
        ("15", "'15' has no unit: write 15ms or 15s"),
        ("15msec", "'15msec' has the unknown unit 'msec': did you mean ms?"),
        ("5ms-10ms", "'5ms-10ms' is not a delay: write uniform(5ms, 10ms)"),
        ("5ms..10ms", "'5ms..10ms' is not a delay: write uniform(5ms, 10ms)"),
        ("exponential", "'exponential' has no values: write exponential(20ms)"),
        ("gaussian", "'gaussian' has no values: write normal(20ms, 5ms)"),
        ("fast", "'fast' is neither a duration, as in 15ms, nor a delay, as in uniform(5ms, 50ms)"),
        ("", "'' is neither a duration, as in 15ms, nor a delay, as in uniform(5ms, 50ms)"),
        (None, "None is neither a duration, as in 15ms, nor a delay, as in uniform(5ms, 50ms)"),
        (["15ms"], "['15ms'] is neither a duration, as in 15ms, nor a delay"),
        (True, "True is neither a duration, as in 15ms, nor a delay"),
        (
            {"p50": "12ms", "p99": "80ms"},
            "{'p50': '12ms', 'p99': '80ms'} is not a delay: write lognormal(p50=12ms, p99=80ms)",
        ),
        ({"max": "9ms", "min": "5ms"}, "{'max': '9ms', 'min': '5ms'} is not a delay: write uniform(5ms, 9ms)"),
        (
            {"p50": "1ms", "p95": "2ms"},
            "{'p50': '1ms', 'p95': '2ms'} is not a delay: write percentiles(p50=1ms, p95=2ms)",
        ),
        ({"mean": "5ms"}, "{'mean': '5ms'} is not a delay: write exponential(5ms)"),
        ({"mean": ["5ms"]}, "{'mean': ['5ms']} is neither a duration, as in 15ms, nor a delay"),
        ("-15ms", "'-15ms' is neither a duration, as in 15ms, nor a delay"),
        ("expontential(20ms)", "there is no delay 'expontential' here; did you mean `exponential`?"),
        ("log_normal(p50=1ms, p99=2ms)", "there is no delay 'log_normal' here; did you mean `lognormal`?"),
    ],
)
def test_what_is_no_delay_is_told_what_to_write(text, reason):
    """The error has the unit, the name or the values that are missing."""
    with pytest.raises(ValueError) as refusal:
        parse_delay(text)
    assert str(refusal.value).split("\n")[0].startswith(reason)


@pytest.mark.parametrize(
    ("text", "carets", "reason"),
    [
        (
            "normal(mean=15ms, stddev=3ms)",
            " " * 18 + "^" * 10,
            "normal does not take `stddev`; it takes mean, deviation; did you mean `deviation`?",
        ),
        (
            "normal(15ms, std=3ms)",
            " " * 13 + "^" * 7,
            "normal does not take `std`; it takes mean, deviation; did you mean `deviation`?",
        ),
        (
            "lognormal(mean=5ms, sigma=1.5)",
            " " * 10 + "^" * 8,
            "lognormal does not take `mean`, `sigma`; it takes p50, p99, max=",
        ),
        (
            "lognormal(median=5ms, p95=8ms)",
            " " * 10 + "^" * 10,
            "lognormal does not take `median`, `p95`; it takes p50, p99, max=; did you mean `p50`?",
        ),
        (
            "uniform(min=5ms, max=8ms)",
            " " * 8 + "^" * 7,
            "uniform does not take `min`, `max`; it takes low, high; did you mean `low`, `high`?",
        ),
        (
            "pareto(min=5ms, alpha=2)",
            " " * 16 + "^" * 7,
            "pareto does not take `alpha`; it takes min, shape, max=; did",
        ),
        ("constant(mean=5ms)", " " * 9 + "^" * 8, "constant does not take `mean`; it takes value"),
        ("growing(20ms, factor=3)", " " * 14 + "^" * 8, "growing does not take `factor`; it takes delay, full"),
        ("mixture(fast=1ms)", " " * 8 + "^" * 8, "mixture does not take `fast`; it takes a share: a delay"),
        ("percentiles(median=1ms)", " " * 12 + "^" * 10, "percentiles does not take `median`; it takes p50=duration"),
        ("samples(path=x)", " " * 8 + "^" * 6, "samples does not take `path`; it takes FILE"),
        ("uniform(high=8ms)", "^" * 17, "uniform lacks its low"),
        ("mixture(50%: normal(1ms, sd=1ms), 50%: 1s)", " " * 25 + "^" * 6, "normal does not take `sd`; it takes mean"),
    ],
)
def test_an_unknown_key_comes_before_a_missing_value(text, carets, reason):
    """Whoever writes a value under another name is told that name, not that a value is missing."""
    with pytest.raises(NotationError) as refusal:
        parse_delay(text)
    shown = str(refusal.value).split("\n")
    assert shown[0].startswith(reason)
    assert shown[1:] == ["    " + text, "    " + carets]

"""Open schedules: constant and Poisson, by their gaps and by their counts, and their notation."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.draws import draw
from simulator.behaviour.schedules import (
    SCHEDULES,
    ConstantArrivals,
    PoissonArrivals,
    RunningSchedule,
    arrival_draw,
    parse_schedule,
)

COUNT = 20_000
RATE = 20.0
KNOWN_DUES = [0.045818267183619775, 0.10055128231001281, 0.16581299341128264, 0.17161073354409445]


def dues(schedule, count=COUNT, seed=7, stage="injector"):
    running, found = RunningSchedule(schedule, 0.0), []
    for number in range(1, count + 1):
        running = running.next(arrival_draw(seed, stage, number))
        found.append(running.due_at)
    return found


def gaps(schedule, *arguments):
    return [later - earlier for earlier, later in itertools.pairwise([0.0, *dues(schedule, *arguments)])]


@pytest.mark.parametrize("rate", [0.01, 1 / 3, 1.0, 20.0, 1e6])
@pytest.mark.parametrize("number", [1, 2, 3, 1000, 10**7, 10**12])
def test_a_constant_schedule_does_not_drift(rate, number):
    """Message n is due after n / rate, to the last bit: rounding does not add up, however many there were."""
    exact = Fraction(number) / Fraction(rate)
    due = ConstantArrivals(rate).next_due(-1.0, number, 0.5)
    assert abs(Fraction(due) - exact) <= Fraction(math.ulp(due)) / 2


@pytest.mark.parametrize("seed", [0, 7, 8])
def test_poisson_gaps_have_the_mean_and_variance_of_the_exponential_distribution(seed):
    """The mean is 1 / rate and the variance 1 / rate^2, each to 4.9 standard errors (that of s^2 is sqrt(8 / n))."""
    found = gaps(PoissonArrivals(RATE), COUNT, seed)
    mean = sum(found) / COUNT
    variance = sum((gap - mean) ** 2 for gap in found) / (COUNT - 1)
    assert abs(mean * RATE - 1) < 4.9 / math.sqrt(COUNT)
    assert abs(variance * RATE**2 - 1) < 4.9 * math.sqrt(8 / COUNT)


def test_poisson_gaps_are_exponential():
    """The gaps' distance from the exponential distribution is within Kolmogorov's bound for one in a million."""
    ordered = sorted(gaps(PoissonArrivals(RATE)))
    shares = [1 - math.exp(-RATE * gap) for gap in ordered]
    distance = max(max((i + 1) / COUNT - share, share - i / COUNT) for i, share in enumerate(shares))
    assert distance < math.sqrt(math.log(2 / 1e-6) / 2 / COUNT)


def test_poisson_gaps_do_not_remember():
    """A gap tells nothing about the next one: their correlation is within 4.9 standard errors of none."""
    found = gaps(PoissonArrivals(RATE))
    mean = sum(found) / COUNT
    shared = sum((a - mean) * (b - mean) for a, b in itertools.pairwise(found))
    assert abs(shared / sum((gap - mean) ** 2 for gap in found)) < 4.9 / math.sqrt(COUNT)


@pytest.mark.parametrize("seed", [0, 7, 8])
def test_the_counts_of_poisson_arrivals_vary_as_much_as_their_mean(seed):
    """The index of dispersion of the counts per second is that of a Poisson process (chi-squared, 4.9 sigma)."""
    found = dues(PoissonArrivals(RATE), COUNT, seed)
    windows = int(found[-1])
    counts = [0] * (windows + 1)
    for due in found:
        counts[int(due)] += 1
    whole = counts[:windows]
    mean = sum(whole) / windows
    dispersion = sum((count - mean) ** 2 for count in whole) / mean
    assert abs(dispersion - (windows - 1)) < 4.9 * math.sqrt(2 * (windows - 1))


def test_the_counts_of_constant_arrivals_do_not_vary():
    """At a constant 49/s, whose gap no float holds exactly, each of 2,000 seconds has its 49 messages."""
    counts = [0] * 2_001
    for due in dues(ConstantArrivals(49.0), 98_000):
        counts[math.ceil(due)] += 1
    assert counts[1:] == [49] * 2_000


def test_a_poisson_schedule_is_that_of_its_draws():
    """Message n is due -ln(1 - u) / rate after the one before, u being the draw of its number for its arrival."""
    us = [draw(7, "injector", str(number), "0", "arrival") for number in range(1, 1001)]
    expected = itertools.accumulate(-math.log1p(-u) / RATE for u in us)
    assert dues(PoissonArrivals(RATE), 1000) == pytest.approx(list(expected), rel=1e-14)


def test_seeded_schedules_stay_the_same():
    """The due times of a seed are those that it had in the first version of the simulator."""
    assert dues(PoissonArrivals(RATE), 4) == pytest.approx(KNOWN_DUES, rel=1e-12)


@pytest.mark.parametrize("other", [(8, "injector"), (7, "other")])
def test_another_seed_or_stage_gives_another_schedule(other):
    """Two injectors do not send in step."""
    mine = set(dues(PoissonArrivals(RATE), 1000))
    assert not mine & set(dues(PoissonArrivals(RATE), 1000, *other))


def test_a_schedule_at_twice_the_rate_is_twice_as_dense():
    """The rate scales the due times and changes nothing else about them."""
    slow, fast = (PoissonArrivals().at_rate(rate) for rate in (10.0, 20.0))
    assert dues(fast, 1000) == pytest.approx([due / 2 for due in dues(slow, 1000)], rel=1e-12)


@given(
    st.sampled_from([ConstantArrivals(), PoissonArrivals()]),
    st.floats(1e-6, 1e6),
    st.integers(1, 2**40),
    st.floats(2**-53, 1 - 2**-53),
)
def test_a_message_is_never_due_before_the_last_one(arrivals, rate, number, u):
    """Every message is due some day, and not before the last one."""
    last = (number - 1) / rate
    assert last <= arrivals.at_rate(rate).next_due(last, number, u) < math.inf


def test_a_running_schedule_counts_from_its_own_start():
    """One that began at 100 on a clock has its first message one gap later, and numbers of its own."""
    first = RunningSchedule(ConstantArrivals(4.0), 100.0).next(0.5)
    second = first.next(0.5)
    assert (first.number, first.due_at, second.number, second.due_at) == (1, 100.25, 2, 100.5)


@pytest.mark.parametrize(
    ("text", "schedule", "written"),
    [
        ("constant", ConstantArrivals(), "constant"),
        ("poisson", PoissonArrivals(), "poisson"),
        ("poisson()", PoissonArrivals(), "poisson"),
    ],
)
def test_the_notation_of_a_schedule(text, schedule, written):
    """A schedule is read by its name, in parentheses or without, and written so that it is read as the same."""
    assert parse_schedule(text) == schedule
    assert str(schedule.at_rate(20.0)) == written
    assert parse_schedule(written) == schedule
    assert set(SCHEDULES) == {"constant", "poisson"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bursty", "'bursty' is not one of constant, poisson"),
        ("", "'' is not one of constant, poisson"),
        (5, "5 is not one of constant, poisson"),
        (None, "None is not one of constant, poisson"),
        (["poisson"], "is not one of constant, poisson"),
        ("bursty(5s)", "there are no arrivals 'bursty'; there are constant, poisson"),
        ("poisson(20/s)", "poisson does not take this; it takes nothing\n    poisson(20/s)\n            ^^^^"),
        ("poisson(", "a value is missing"),
    ],
)
def test_what_is_no_schedule(text, reason):
    """What can't be read is refused with what is allowed, and the place where there is one."""
    with pytest.raises(ValueError) as raised:
        parse_schedule(text)
    assert reason in str(raised.value)

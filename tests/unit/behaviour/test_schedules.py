"""Open schedules: constant, Poisson and bursty, by their gaps and by their counts, at one rate and at any profile."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.arrivals import (
    ARRIVALS,
    BurstyArrivals,
    ConstantArrivals,
    PoissonArrivals,
    arrival_draw,
    parse_arrivals,
)
from simulator.behaviour.draws import draw
from simulator.behaviour.profiles.registry import parse_profile
from simulator.behaviour.schedules import RunningSchedule, Schedule, at_rate

COUNT = 20_000
RATE = 20.0
KNOWN_DUES = [0.045818267183619775, 0.10055128231001281, 0.16581299341128264, 0.17161073354409445]


def dues(schedule, count=COUNT, seed=7, stage="injector"):
    running, found = RunningSchedule.starting(schedule, 0.0), []
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
    due = at_rate(rate, ConstantArrivals()).due_seconds(ConstantArrivals().next_expected(-1.0, number, 0.5))
    assert abs(Fraction(due) - exact) <= Fraction(math.ulp(due)) / 2


@pytest.mark.parametrize("seed", [0, 7, 8])
def test_poisson_gaps_have_the_mean_and_variance_of_the_exponential_distribution(seed):
    """The mean is 1 / rate and the variance 1 / rate^2, each to 4.9 standard errors (that of s^2 is sqrt(8 / n))."""
    found = gaps(at_rate(RATE, PoissonArrivals()), COUNT, seed)
    mean = sum(found) / COUNT
    variance = sum((gap - mean) ** 2 for gap in found) / (COUNT - 1)
    assert abs(mean * RATE - 1) < 4.9 / math.sqrt(COUNT)
    assert abs(variance * RATE**2 - 1) < 4.9 * math.sqrt(8 / COUNT)


def test_poisson_gaps_are_exponential():
    """The gaps' distance from the exponential distribution is within Kolmogorov's bound for one in a million."""
    ordered = sorted(gaps(at_rate(RATE, PoissonArrivals())))
    shares = [1 - math.exp(-RATE * gap) for gap in ordered]
    distance = max(max((i + 1) / COUNT - share, share - i / COUNT) for i, share in enumerate(shares))
    assert distance < math.sqrt(math.log(2 / 1e-6) / 2 / COUNT)


def test_poisson_gaps_do_not_remember():
    """A gap tells nothing about the next one: their correlation is within 4.9 standard errors of none."""
    found = gaps(at_rate(RATE, PoissonArrivals()))
    mean = sum(found) / COUNT
    shared = sum((a - mean) * (b - mean) for a, b in itertools.pairwise(found))
    assert abs(shared / sum((gap - mean) ** 2 for gap in found)) < 4.9 / math.sqrt(COUNT)


@pytest.mark.parametrize("seed", [0, 7, 8])
def test_the_counts_of_poisson_arrivals_vary_as_much_as_their_mean(seed):
    """The index of dispersion of the counts per second is that of a Poisson process (chi-squared, 4.9 sigma)."""
    found = dues(at_rate(RATE, PoissonArrivals()), COUNT, seed)
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
    for due in dues(at_rate(49.0, ConstantArrivals()), 98_000):
        counts[math.ceil(due)] += 1
    assert counts[1:] == [49] * 2_000


def test_a_poisson_schedule_is_that_of_its_draws():
    """Message n is due -ln(1 - u) / rate after the one before, u being the draw of its number for its arrival."""
    us = [draw(7, "injector", str(number), "0", "arrival") for number in range(1, 1001)]
    expected = itertools.accumulate(-math.log1p(-u) / RATE for u in us)
    assert dues(at_rate(RATE, PoissonArrivals()), 1000) == pytest.approx(list(expected), rel=1e-14)


def test_seeded_schedules_stay_the_same():
    """The due times of a seed are those that it had in the first version of the simulator."""
    assert dues(at_rate(RATE, PoissonArrivals()), 4) == pytest.approx(KNOWN_DUES, rel=1e-12)


@pytest.mark.parametrize("other", [(8, "injector"), (7, "other")])
def test_another_seed_or_stage_gives_another_schedule(other):
    """Two injectors do not send in step."""
    mine = set(dues(at_rate(RATE, PoissonArrivals()), 1000))
    assert not mine & set(dues(at_rate(RATE, PoissonArrivals()), 1000, *other))


def test_a_schedule_at_twice_the_rate_is_twice_as_dense():
    """The rate scales the due times and changes nothing else about them."""
    slow, fast = (at_rate(rate, PoissonArrivals()) for rate in (10.0, 20.0))
    assert dues(fast, 1000) == pytest.approx([due / 2 for due in dues(slow, 1000)], rel=1e-12)


@given(
    st.sampled_from([ConstantArrivals(), PoissonArrivals(), BurstyArrivals(10.0)]),
    st.floats(1e-6, 1e6),
    st.integers(1, 2**40),
    st.floats(2**-53, 1 - 2**-53),
)
def test_a_message_is_never_due_before_the_last_one(arrivals, rate, number, u):
    """Every message is due some day, and not before the last one."""
    schedule = at_rate(rate, arrivals)
    expected = arrivals.next_expected(number - 1, number, u)
    assert (number - 1) / rate <= schedule.due_seconds(expected) < math.inf


def test_a_running_schedule_counts_from_its_own_start():
    """One that began at 100 on a clock has its first message one gap later, and numbers of its own."""
    first = RunningSchedule.starting(at_rate(4.0, ConstantArrivals()), 100.0).next(0.5)
    second = first.next(0.5)
    assert (first.number, first.due_at, second.number, second.due_at) == (1, 100.25, 2, 100.5)


def all_dues(schedule, seed=7):
    running, found = RunningSchedule.starting(schedule, 0.0), []
    while (running := running.next(arrival_draw(seed, "injector", len(found) + 1))) is not None:
        found.append(running.due_at)
    return found


@pytest.mark.parametrize(
    ("text", "messages", "last"),
    [
        ("constant(200/s, 1m)", 12_000, 60.0),
        ("constant(0.1/s, 1m)", 6, 60.0),
        ("ramp(10/s, 200/s, 5m)", 31_500, 300.0),
        ("steps(10/s, 50/s, 100/s, each=30s)", 4_800, 90.0),
        ("spike(20/s, 200/s, 1m, 10s, 1m)", 4_400, 130.0),
        ("sine(10/s, 190/s, 1m, for=2m)", 12_000, 120.0),
        ("ramp(1/s, 0.1/s, 7s); constant(3/s, 1.1s)", 7, 7 + 3.15 / 3),
    ],
)
def test_constant_arrivals_of_a_profile(text, messages, last):
    """There are exactly as many as are expected, the last of them as the profile ends: no rounding takes it away.

    The last case expects 3.85 of its ramp and 3.3 more, so the seventh is due 3.15 / 3 seconds after the ramp.
    """
    found = all_dues(Schedule(arrivals=ConstantArrivals(), profile=parse_profile(text)))
    assert (len(found), found[-1]) == (messages, pytest.approx(last, rel=1e-9))


def counts_by_second(found, seconds):
    counts = [0] * seconds
    for due in found:
        counts[min(seconds - 1, int(due))] += 1
    return counts


@pytest.mark.parametrize(
    "text", ["ramp(10/s, 100/s, 60s)", "sine(20/s, 80/s, 20s, for=60s)", "steps(10/s, 90/s, each=30s)"]
)
@pytest.mark.parametrize("seed", [0, 7, 8])
def test_poisson_arrivals_of_a_profile(text, seed):
    """The counts of each second are Poisson's, with the integral of the rate as their mean (chi-squared, 4.9 sigma)."""
    profile = parse_profile(text)
    found = all_dues(Schedule(arrivals=PoissonArrivals(), profile=profile), seed)
    means = [profile.expected(second + 1) - profile.expected(second) for second in range(60)]
    pairs = list(zip(counts_by_second(found, 60), means, strict=True))
    # A count's square around its mean, over the mean, has mean 1 and variance 2 + 1 / mean.
    distance = sum((count - mean) ** 2 / mean for count, mean in pairs) - len(pairs)
    assert abs(distance) < 4.9 * math.sqrt(sum(2 + 1 / mean for mean in means))


def geometric_moment(order, mean):
    """Return E[B^order] of a geometric distribution from 1, by its factorial moments and Stirling's numbers."""
    p = 1 / mean
    stirling = {1: [1], 2: [1, 1], 3: [1, 3, 1], 4: [1, 7, 6, 1]}[order]
    return sum(s * math.factorial(k) * (1 - p) ** (k - 1) / p**k for k, s in enumerate(stirling, 1))


@pytest.mark.parametrize("index", [1.0, 2.0, 10.0, 50.0])
@pytest.mark.parametrize("window", [0.2, 5.0])
def test_bursts_have_the_dispersion_that_is_configured(index, window):
    """In windows of any length the variance of the counts over their mean is the index, to 4.9 standard errors.

    The counts of n windows are independent, so s^2 has the variance k4 / n + 2 k2^2 / (n - 1), k being the cumulants of
    a compound Poisson distribution: as many bursts as are expected, times the moments of a burst.
    """
    windows, rate, mean = 1_000, 20.0, (index + 1) / 2
    schedule = at_rate(rate, BurstyArrivals(index))
    counts = [0] * windows
    running = RunningSchedule.starting(schedule, 0.0)
    while (running := running.next(arrival_draw(7, "injector", running.number + 1))).due_at < windows * window:
        counts[int(running.due_at / window)] += 1
    bursts = rate * window / mean
    cumulant = {order: bursts * geometric_moment(order, mean) for order in (1, 2, 4)}
    assert cumulant[2] / cumulant[1] == pytest.approx(index)
    average = sum(counts) / windows
    assert abs(average - cumulant[1]) < 4.9 * math.sqrt(cumulant[2] / windows)
    variance = sum((count - average) ** 2 for count in counts) / (windows - 1)
    error = math.sqrt(cumulant[4] / windows + 2 * cumulant[2] ** 2 / (windows - 1))
    assert abs(variance - cumulant[2]) < 4.9 * error


def test_bursts_of_a_profile_follow_its_rate():
    """A ramp in bursts of 10 expects as many in its first half as the ramp, to 4.9 standard deviations."""
    profile = parse_profile("ramp(0/s, 400/s, 100s)")
    found = all_dues(Schedule(arrivals=BurstyArrivals(10.0), profile=profile))
    first = sum(due <= 50 for due in found)
    assert abs(first - 5_000) < 4.9 * math.sqrt(10 * 5_000)
    assert abs(len(found) - 20_000) < 4.9 * math.sqrt(10 * 20_000)


@pytest.mark.parametrize(
    ("text", "arrivals", "dispersion"),
    [
        ("constant", ConstantArrivals(), 0),
        ("poisson", PoissonArrivals(), 1),
        ("poisson()", PoissonArrivals(), 1),
        ("bursts(10)", BurstyArrivals(10.0), 10),
        ("bursts(dispersion=2.5)", BurstyArrivals(2.5), 2.5),
    ],
)
def test_the_notation_of_arrivals(text, arrivals, dispersion):
    """They are read by their name, in parentheses or without, and written so that they are read as the same."""
    assert parse_arrivals(text) == arrivals
    assert parse_arrivals(str(arrivals)) == arrivals
    assert arrivals.dispersion == dispersion
    assert set(ARRIVALS) == {"constant", "poisson", "bursts"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fast", "'fast' is not one of poisson, constant, bursts"),
        ("", "'' is not one of poisson, constant, bursts"),
        (5, "5 is not one of poisson, constant, bursts"),
        (None, "None is not one of poisson, constant, bursts"),
        (["poisson"], "is not one of poisson, constant, bursts"),
        ("fast(5s)", "there are no arrivals 'fast'; there are poisson, constant, bursts"),
        ("poisson(20/s)", "poisson does not take this; it takes nothing\n    poisson(20/s)\n            ^^^^"),
        ("poisson(", "a value is missing"),
        ("bursts(0.5)", "dispersion must be between 1 and 10000, not 0.5"),
        ("bursts()", "bursts lacks its dispersion"),
    ],
)
def test_what_are_no_arrivals(text, reason):
    """What can't be read is refused with what is allowed, and the place where there is one."""
    with pytest.raises(ValueError) as raised:
        parse_arrivals(text)
    assert reason in str(raised.value)

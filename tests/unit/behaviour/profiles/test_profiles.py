"""The load profiles: how many messages they expect by when, exactly, and when so many are expected."""

import math
from decimal import Decimal, getcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.profiles.constant import ConstantProfile
from simulator.behaviour.profiles.ramp import Ramp
from simulator.behaviour.profiles.registry import PROFILES, parse_profile
from simulator.behaviour.profiles.sequence import ProfileSequence
from simulator.behaviour.profiles.sine import Sine
from simulator.behaviour.profiles.steps import Spike, Steps

RATES = st.floats(0.01, 10_000.0)
SECONDS = st.floats(0.01, 86_400.0)
CONSTANTS = st.builds(ConstantProfile, RATES, SECONDS)
RAMPS = st.builds(Ramp, RATES | st.just(0.0), RATES, SECONDS) | st.builds(Ramp, RATES, st.just(0.0), SECONDS)
STEPS = st.builds(Steps, st.lists(RATES | st.just(0.0), min_size=1, max_size=6).filter(any).map(tuple), SECONDS)
SPIKES = st.builds(
    lambda low, more, *times: Spike(low, low + more, *times), RATES | st.just(0.0), RATES, SECONDS, SECONDS, SECONDS
)
SINES = st.builds(
    lambda low, more, period, lasting: Sine(low, low + more, period, lasting), *[RATES] * 2, *[SECONDS] * 2
)
SINGLE = st.one_of(CONSTANTS, RAMPS, STEPS, SPIKES, SINES)
PROFILE = SINGLE | st.builds(lambda parts: ProfileSequence(tuple(parts)), st.lists(SINGLE, min_size=2, max_size=4))
# So small that the product with the messages of any profile is still more than 0, as `time_of` asks for.
SHARE = st.floats(1e-300, 1.0)


def rate_at(profile, seconds, step):
    return (profile.expected(seconds + step) - profile.expected(seconds)) / step


@given(PROFILE, SHARE)
def test_the_time_of_a_number_is_when_so_many_are_expected(profile, share):
    """`time_of` is the inverse of `expected`, within the profile's own time, to twelve digits of all its messages."""
    number = share * profile.messages
    at = profile.time_of(number)
    assert 0 <= at <= profile.duration_seconds * (1 + 1e-12)
    assert profile.expected(at) == pytest.approx(number, rel=1e-9, abs=1e-12 * profile.messages)


@given(PROFILE, SHARE, SHARE)
def test_the_expected_number_begins_at_0_and_never_falls(profile, one, other):
    """Nothing is expected at the start, all at the end, and never fewer than before."""
    earlier, later = sorted((one * profile.duration_seconds, other * profile.duration_seconds))
    slack = 1e-12 * profile.messages
    assert profile.expected(0.0) == 0
    assert profile.expected(earlier) <= profile.expected(later) + slack
    assert profile.expected(profile.duration_seconds) == pytest.approx(profile.messages, rel=1e-12)


@given(PROFILE, SHARE)
def test_no_rate_exceeds_the_highest(profile, share):
    """The highest rate is an upper bound of the derivative of the expected number."""
    step = profile.duration_seconds * 1e-3
    rate = rate_at(profile, share * (profile.duration_seconds - step), step)
    assert rate <= profile.highest_rate_per_second * (1 + 1e-6)


@given(PROFILE)
def test_a_profile_is_read_as_it_is_written(profile):
    """The text of a profile, and the list of a sequence, are read as the same profile."""
    assert parse_profile(profile.plain()) == profile
    assert parse_profile(str(profile)) == profile


@pytest.mark.parametrize(
    ("text", "messages", "seconds", "highest"),
    [
        ("constant(200/s, 1m)", 12_000, 60, 200),
        ("constant(200/s, for=1m)", 12_000, 60, 200),
        ("constant(200/s)", math.inf, math.inf, 200),
        ("ramp(10/s, 200/s, 5m)", 31_500, 300, 200),
        ("ramp(200/s, 0/s, over=10s)", 1_000, 10, 200),
        ("steps(10/s, 50/s, 100/s, each=30s)", 4_800, 90, 100),
        ("spike(20/s, 200/s, 1m, 10s, 1m)", 4_400, 130, 200),
        ("spike(20/s, 200/s, before=1m, for=10s)", math.inf, math.inf, 200),
        # Over whole periods the mean is halfway between the lowest and the highest rate.
        ("sine(10/s, 190/s, 1d)", math.inf, math.inf, 190),
        ("sine(10/s, 190/s, 10m, for=20m)", 120_000, 1_200, 190),
        # From midnight to noon it is so as well, by symmetry.
        ("sine(10/s, 190/s, 10m, for=5m)", 30_000, 300, 190),
        ("ramp(0/s, 100/s, 1m); constant(0/s, 1m); constant(100/s, 1m)", 9_000, 180, 100),
    ],
)
def test_what_a_profile_comes_to(text, messages, seconds, highest):
    """The messages are the area below the rate."""
    profile = parse_profile(text)
    assert profile.messages == pytest.approx(messages, rel=1e-12)
    assert (profile.duration_seconds, profile.highest_rate_per_second) == (seconds, pytest.approx(highest))


@pytest.mark.parametrize("low", [0.0, 1000.0])
def test_the_ten_millionth_message_of_a_ramp_is_as_exact_as_the_first(low):
    """It is due at the root of the quadratic equation, computed with 50 digits, to the last bits of a float."""
    getcontext().prec = 50
    ramp = Ramp(low, 3000.0, 86_400.0)
    slope = (Decimal(3000) - Decimal(low)) / Decimal(86_400)
    for number in (1, 2, 1000, 10_000_000, 10_000_001):
        root = (-Decimal(low) + (Decimal(low) ** 2 + 2 * slope * number).sqrt()) / slope
        assert ramp.time_of(number) == pytest.approx(float(root), rel=1e-14)


def test_the_ten_millionth_message_of_a_sine_is_as_exact_as_the_first():
    """With 1,000 messages in each second of a period, message 10,000,000 ends the ten-thousandth period."""
    sine = Sine(500.0, 1500.0, 1.0)
    assert sine.time_of(10_000_000) == 10_000.0
    first = [sine.time_of(number) for number in range(1, 1001)]
    later = [sine.time_of(9_999_000 + number) - 9_999 for number in range(1, 1001)]
    assert later == pytest.approx(first, abs=2e-12)


def test_a_sine_begins_at_its_lowest_rate_and_is_highest_after_half_a_period():
    """Midnight, and noon."""
    sine = Sine(10.0, 190.0, 86_400.0)
    for hour, rate in ((0, 10), (6, 100), (12, 190), (18, 100), (24, 10)):
        assert rate_at(sine, hour * 3600.0, 0.1) == pytest.approx(rate, abs=0.01)


def test_a_pause_in_a_sequence_has_no_messages():
    """The last message before a pause is not kept until its end, and the next one comes after it."""
    profile = parse_profile(["constant(10/s, 1s)", "constant(0/s, 1m)", "constant(10/s, 1s)"])
    assert [profile.time_of(number) for number in (9, 10, 11)] == pytest.approx([0.9, 1.0, 61.1])


def test_a_profile_without_an_end_that_pauses_for_ever():
    """Once its last rate is 0, no further message is due, and the load goes on until another takes its place."""
    profile = parse_profile("constant(10/s, 1s); constant(0/s)")
    assert (profile.time_of(10), profile.time_of(11)) == (1.0, math.inf)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("20/s", "'20/s' is not a profile like ramp(10/s, 200/s, 5m)"),
        ("", "'' is not a profile like ramp(10/s, 200/s, 5m), or a list of such"),
        (5, "5 is not a profile like ramp(10/s, 200/s, 5m), or a list of such"),
        ([], "[] is not a profile"),
        ([5], "5 is not a profile like ramp(10/s, 200/s, 5m)"),
        ("rampe(1/s, 2/s, 1m)", "there is no profile 'rampe'; did you mean `ramp`?"),
        ("ramp(1/s, 2/s)", "ramp lacks its over"),
        ("ramp(0/s, 0/s, 1m)", "one of its rates must be more than 0"),
        ("ramp(1/s, 2/s, 0s)", "it must last longer than 0s"),
        ("ramp(1, 2/s, 1m)", "'1' has no unit: write 1/s"),
        ("constant(0/s)", "constant(0/s) has no messages: one of its rates must be more than 0"),
        ("constant(5/s, 0s)", "it must last longer than 0s"),
        ("steps(each=30s)", "steps lacks its rate"),
        ("steps(1/s, 2/s)", "steps lacks its each, as in each=30s"),
        ("spike(200/s, 20/s, 1m, 10s)", "its peak must be above its base"),
        ("sine(20/s, 20/s, 1d)", "its highest rate must be above its lowest"),
        ("constant(5/s); ramp(1/s, 2/s, 1m)", "constant(5/s) has no end, so nothing can follow it"),
        ("replay(arrivals.csv)", "replay(arrivals.csv) can't be used: a file can't be read here"),
    ],
)
def test_what_is_no_profile(value, reason):
    """What can't be read is refused with what is allowed, and the place where there is one."""
    with pytest.raises(ValueError) as raised:
        parse_profile(value)
    assert reason in str(raised.value)


def test_the_names_of_all_profiles():
    """They are those of the documentation."""
    assert list(PROFILES) == ["constant", "ramp", "steps", "spike", "sine", "replay"]

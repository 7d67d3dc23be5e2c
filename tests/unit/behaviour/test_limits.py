"""The rate limit: never more messages than it says, and when there is room again."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.limits import Bucket, RateLimit, parse_limit, retry_after_seconds

LIMITS = st.builds(RateLimit, st.floats(0.1, 1000), st.none() | st.integers(1, 50))
GAPS = st.lists(st.integers(0, 3000).map(lambda milliseconds: milliseconds / 1000), min_size=1, max_size=60)
START = 100.0


@given(LIMITS, GAPS)
def test_no_more_are_admitted_than_burst_and_rate_allow(limit, gaps):
    """In any stretch of t seconds at most burst + rate * t messages are admitted, however they come."""
    bucket = Bucket(limit, START)
    admitted = [now for now in itertools.accumulate(gaps, initial=START) if bucket.take(now) == 0]
    for first, since in enumerate(admitted):
        for count, until in enumerate(admitted[first:], 1):
            assert count <= limit.capacity + limit.rate_per_second * (until - since) + 1e-6


@given(LIMITS, GAPS)
def test_the_returned_wait_is_long_enough_and_no_longer(limit, gaps):
    """After that wait there is room, and a hundredth before its end there is not."""
    early, late = Bucket(limit, START), Bucket(limit, START)
    for now in itertools.accumulate(gaps, initial=START):
        wait = late.take(now)
        assert early.take(now) == wait
        if wait:
            assert 0 < wait <= 1 / limit.rate_per_second
            assert early.take(now + 0.99 * wait) > 0
            assert late.take(now + wait + 1e-6) == 0
            return


@given(LIMITS)
def test_a_burst_may_come_at_once_and_no_more(limit):
    """As many whole messages as the bucket holds are admitted at one moment, even after a long quiet time."""
    bucket = Bucket(limit, START)
    for now in (START, START + 1e6):
        admitted = sum(bucket.take(now) == 0 for _ in range(1100))
        assert admitted == math.floor(limit.capacity + 1e-9)


@pytest.mark.parametrize(("factor", "share"), [(0.5, 1.0), (1.0, 1.0), (2.0, 0.5), (4.0, 0.25)])
def test_what_comes_faster_than_the_rate_is_cut_down_to_it(factor, share):
    """Of messages at twice the rate, one half is admitted in the long run; at the rate itself, all of them."""
    bucket = Bucket(RateLimit(64.0, burst=1), START)
    admitted = sum(bucket.take(START + number / (64 * factor)) == 0 for number in range(1000))
    assert admitted == pytest.approx(1000 * share, abs=1)


def test_a_refusal_takes_nothing():
    """Asking again and again does not make the wait longer."""
    bucket = Bucket(RateLimit(1.0, burst=1), START)
    assert bucket.take(START) == 0
    assert [bucket.take(START + 0.25) for _ in range(3)] == [0.75] * 3
    assert bucket.take(START + 1.0) == 0


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        (RateLimit(50.0), 50.0),
        (RateLimit(0.5), 1.0),
        (RateLimit(1 / 3600), 1.0),
        (RateLimit(50.0, burst=10), 10.0),
        (RateLimit(0.5, burst=3), 3.0),
    ],
)
def test_without_a_burst_it_is_what_comes_in_a_second_and_one_at_least(limit, most):
    """A limit below one message per second still admits one."""
    assert limit.capacity == most
    assert Bucket(limit, START).take(START) == 0


@pytest.mark.parametrize(
    ("wait", "told"), [(0.0, 1), (0.001, 1), (1.0, 1), (1.001, 2), (59.5, 60), (3600.0, 3600)], ids=str
)
def test_retry_after_is_whole_seconds_rounded_up(wait, told):
    """The header has only whole seconds, and a client that obeys it must find room."""
    assert retry_after_seconds(wait) == told


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("50/s", RateLimit(50.0)),
        ("300/min", RateLimit(5.0)),
        ("limit(50/s)", RateLimit(50.0)),
        ("limit(rate=50/s, burst=10)", RateLimit(50.0, 10)),
        (" limit( burst=10 , 36/h ) ", RateLimit(0.01, 10)),
    ],
)
def test_a_limit_is_read_from_its_text(text, limit):
    """A rate alone is enough; the burst goes by its name."""
    assert parse_limit(text) == limit


@pytest.mark.parametrize(("limit", "text"), [(RateLimit(50.0), "50/s"), (RateLimit(0.5, 10), "limit(0.5/s, burst=10)")])
def test_a_limit_is_written_as_briefly_as_it_can_be(limit, text):
    """Without a burst the rate alone is written."""
    assert str(limit) == text


@given(st.builds(RateLimit, st.floats(1e-6, 1e6), st.none() | st.integers(1, 999_999_999)))
def test_a_limit_reads_back_from_its_text(limit):
    """Writing a limit and reading it gives an equal one, to the last bit."""
    if len(str(limit)) <= 1000:
        assert parse_limit(str(limit)) == limit


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (50, "50 has no unit: write 50/s"),
        ("50", "'50' has no unit: write 50/s"),
        ("0/s", "'0/s' is out of range: must be between 0.000001/s and 1000000/s"),
        (None, "None is not a rate: write 50/s, 300/min or 10/h"),
        (True, "True is not a rate: write 50/s, 300/min or 10/h"),
        ("fast", "'fast' is not a rate: write 50/s, 300/min or 10/h"),
    ],
)
def test_text_that_is_not_a_rate_is_refused_with_an_example(value, message):
    """The refusal shows what was written and what would do."""
    with pytest.raises(ValueError) as refusal:
        parse_limit(value)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("text", "carets", "reason"),
    [
        ("rate(50/s)", "^" * 10, "write 50/s, or limit(50/s, burst=10)"),
        ("limit()", "^" * 7, "limit lacks its rate"),
        ("limit(50)", "      ^^", "'50' has no unit: write 50/s"),
        ("limit(50/s, 10)", "            ^^", "limit does not take this; it takes rate, burst="),
        ("limit(50/s, burst=0)", "                  ^", "'0' is not a whole number from 1 to 999999999"),
        ("limit(50/s, burst=2.5)", "                  ^^^", "'2.5' is not a whole number from 1 to 999999999"),
        ("limit(50/s", "          ^", "expected a comma or a closing parenthesis"),
    ],
)
def test_a_wrong_limit_is_refused_at_its_place(text, carets, reason):
    """The error says what is wrong, shows the text and points at the wrong part."""
    with pytest.raises(ValueError) as refusal:
        parse_limit(text)
    shown = str(refusal.value).split("\n")
    assert shown[0].startswith(reason)
    assert shown[1:] == ["    " + text, "    " + carets]


@given(st.text() | st.lists(st.sampled_from([*"(),=:%. 059", "limit(", "burst=", "50/s", "/min"])).map("".join))
def test_no_text_raises_anything_but_a_value_error(text):
    """Whatever is written, reading it ends in a limit that reads back, or in a ValueError."""
    try:
        limit = parse_limit(text)
    except ValueError as error:
        assert str(error)
    else:
        assert parse_limit(str(limit)) == limit


@pytest.mark.parametrize("rate", ["1e-320/s", "5e-324/s", "1e-300/h"])
def test_a_tiny_rate_is_a_long_wait_and_no_error(rate):
    """However long the wait, it is a number, and Retry-After says a week at most."""
    bucket = Bucket(RateLimit(float(rate.partition("/")[0])), 0.0)
    assert bucket.take(0.0) == 0.0
    for now in (0.0, 1.0, 1e9):
        assert retry_after_seconds(bucket.take(now)) == 7 * 24 * 3600


def test_a_burst_beyond_every_float():
    """A burst of 400 digits is not an error: it lets everything through."""
    assert Bucket(RateLimit(50.0, burst=10**400), 0.0).take(0.0) == 0.0

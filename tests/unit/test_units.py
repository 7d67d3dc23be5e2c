"""Text with units in, plain numbers out, and back."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import units

PARSERS = {
    units.parse_duration: "s",
    units.parse_ratio: "%",
    units.parse_size: "B",
    units.parse_rate: "/s",
    units.parse_byte_rate: "B/s",
}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("2m", 120.0),
        ("2min", 120.0),
        ("1.5h", 5400.0),
        ("7us", 7e-6),
        ("7µs", 7e-6),
        ("3ns", 3e-9),
        ("1e2ms", 0.1),
        ("1E-3s", 0.001),
        ("  5 ms ", 0.005),
        ("0", 0.0),
        ("0.0", 0.0),
        (0, 0.0),
        ("0ms", 0.0),
        ("168h", 604_800.0),
        ("1m30s", 90.0),
        ("1h30m", 5400.0),
        ("1h0m0s", 3600.0),
        ("1h 30m", 5400.0),
        ("1m30.5s", 90.5),
        ("0m2s", 2.0),
        ("1m2s3ms4us5ns", 62.003004005),
        ("1d", 86_400.0),
        ("1d12h", 129_600.0),
        ("1w", 604_800.0),
        ("6d23h59m59s", 604_799.0),
        ("50\u00b5s", 5e-5),
        ("50\u03bcs", 5e-5),
    ],
)
def test_a_duration_is_its_number_times_its_unit(text, seconds):
    """Every unit of time gives seconds, and zero alone needs none."""
    assert units.parse_duration(text) == seconds


@given(st.integers(0, 10**6), st.sampled_from([("ns", -9), ("us", -6), ("µs", -6), ("ms", -3), ("s", 0)]))
def test_a_duration_is_the_nearest_float_to_what_was_written(number, unit):
    """0.1ms is the very number 0.0001: nothing is lost on the way through the unit."""
    name, exponent = unit
    if number * 10.0**exponent <= units.MAX_DURATION_SECONDS:
        assert units.parse_duration(f"{number}{name}") == float(f"{number}e{exponent}")


@pytest.mark.parametrize(
    ("value", "ratio"),
    [
        ("5%", 0.05),
        ("0.5%", 0.005),
        ("0.1%", 0.001),
        ("100%", 1.0),
        ("0%", 0.0),
        ("7 %", 0.07),
        ("0.05", 0.05),
        (0.05, 0.05),
        (0, 0.0),
        (1, 1.0),
    ],
)
def test_a_share_is_a_percentage_or_a_ratio(value, ratio):
    """5% and 0.05 are the same share."""
    assert units.parse_ratio(value) == ratio


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (512, 512),
        ("512", 512),
        ("512B", 512),
        ("10KB", 10_000),
        ("11kB", 11_000),
        ("1.5 kB", 1500),
        ("1.5KB", 1_500),
        ("3MB", 3_000_000),
        ("2GB", 2_000_000_000),
        ("1KiB", 1_024),
        ("0.5KiB", 512),
        ("1MiB", 1_048_576),
        ("1GiB", 1_073_741_824),
        (0, 0),
    ],
)
def test_a_size_counts_whole_bytes(value, size):
    """KB is a thousand bytes, KiB 1,024, and a plain number is bytes."""
    assert units.parse_size(value) == size


@pytest.mark.parametrize(
    ("text", "per_second"),
    [
        ("50/s", 50.0),
        ("0.5/s", 0.5),
        ("300/m", 5.0),
        ("300/min", 5.0),
        ("0/s", 0.0),
        ("0", 0.0),
        (0, 0.0),
        ("86400/d", 1.0),
        ("36/h", 0.01),
        ("7 /s", 7.0),
        ("1000000/s", 1e6),
    ],
)
def test_a_rate_is_per_second(text, per_second):
    """Every unit of rate gives a number per second."""
    assert units.parse_rate(text) == per_second


@pytest.mark.parametrize(
    ("text", "per_second"),
    [
        ("20B/s", 20.0),
        ("1KB/s", 1000.0),
        ("1.5KB/s", 1500.0),
        ("1.5kB/s", 1500.0),
        (".5B/s", 0.5),
        ("1KiB/s", 1024.0),
        ("2MB/s", 2e6),
        ("1MiB/s", 1_048_576.0),
        ("1000GB/s", 1e12),
        ("  20 B/s ", 20.0),
    ],
)
def test_a_byte_rate_is_bytes_per_second(text, per_second):
    """Every unit of size gives bytes per second."""
    assert units.parse_byte_rate(text) == per_second


@pytest.mark.parametrize(
    ("parse", "value", "reason"),
    [
        (units.parse_duration, "5", "'5' has no unit: write 5ms or 5s"),
        (units.parse_duration, 5, "5 has no unit: write 5ms or 5s"),
        (units.parse_duration, 0.5, "0.5 has no unit: write 0.5ms or 0.5s"),
        (
            units.parse_duration,
            "5MS",
            "'5MS' has the unknown unit 'MS': did you mean ms?",
        ),
        (units.parse_duration, "8y", "'8y' has the unknown unit 'y'"),
        (units.parse_duration, "5%", "'5%' has the unknown unit '%'"),
        (units.parse_duration, "169h", "'169h' is too long: must be 0, or between 1ns and a week (7d)"),
        (units.parse_duration, "1e400s", "'1e400s' is too long: must be 0, or between 1ns and a week (7d)"),
        (units.parse_duration, "2w", "'2w' is too long: must be 0, or between 1ns and a week (7d)"),
        (units.parse_duration, "6d25h", "'6d25h' is too long"),
        (units.parse_duration, "0.1ns", "'0.1ns' is too short: must be 0, or between 1ns and a week (7d)"),
        (units.parse_duration, "1e-320s", "'1e-320s' is too short: must be 0, or between 1ns and a week (7d)"),
        (units.parse_duration, "30s1m", "'30s1m' is not a duration: each unit must be smaller than the one before it"),
        (units.parse_duration, "1m2min", "'1m2min' is not a duration: each unit must be smaller"),
        (units.parse_duration, "1h30", "'1h30' has no unit: write 30ms or 30s"),
        (units.parse_duration, "0m0", "'0m0' has no unit"),
        (units.parse_duration, "1m-30s", "'1m-30s' is not a duration: write 250ms, 1.5s or 1m30s"),
        (units.parse_duration, "1.5.2s", "'1.5.2s' is not a duration: write 250ms, 1.5s or 1m30s"),
        (units.parse_duration, "1m 30", "'1m 30' has no unit"),
        (units.parse_ratio, "5%5%", "'5%5%' is not a share"),
        (units.parse_ratio, "1e-320", "'1e-320' is too small: must be 0%, or between 0.0000000001% and 100%"),
        (units.parse_ratio, 5e-324, "5e-324 is too small"),
        (units.parse_rate, "1e-320/s", "'1e-320/s' is out of range: must be 0, or between 0.000001/s and 1000000/s"),
        (units.parse_rate, "1e400/s", "'1e400/s' is out of range: must be 0, or between 0.000001/s and 1000000/s"),
        (units.parse_rate, "1e401/s", "'1e401/s' is out of range for a rate: write 50/s, 300/min or 10/h"),
        (units.parse_byte_rate, "0.0001B/s", "'0.0001B/s' is out of range: must be between 0.001B/s and 1000GB/s"),
        (units.parse_size, "1025GiB", "'1025GiB' is too large: must be at most 1024GiB"),
        pytest.param(units.parse_size, 10**5000, "a number of 16610 bits is not a size: it has more", id="huge"),
        (units.parse_ratio, "5s", "'5s' has the unknown unit 's': allowed are %"),
        (units.parse_ratio, "101%", "'101%' exceeds 100%: must be between 0% and 100%"),
        (units.parse_ratio, 1.01, "1.01 exceeds 100%: must be between 0% and 100%"),
        (units.parse_ratio, 5, "5 exceeds 100%: write 5%"),
        (units.parse_ratio, "33.3", "'33.3' exceeds 100%: write 33.3%"),
        (units.parse_ratio, 500, "500 exceeds 100%: must be between 0% and 100%"),
        (units.parse_rate, "20 req/s", "'20 req/s' has the unknown unit 'req/s': did you mean /s?"),
        (units.parse_size, "1M", "'1M' has the unknown unit 'M': did you mean MB?"),
        (units.parse_size, "0.5B", "'0.5B' is not a whole number of bytes"),
        (units.parse_size, "1.0001KB", "'1.0001KB' is not a whole number of bytes"),
        (units.parse_size, "10kb", "'10kb' has the unknown unit 'kb': did you mean KB?"),
        (units.parse_rate, "50", "'50' has no unit: write 50/s"),
        (units.parse_rate, 50, "50 has no unit: write 50/s"),
        (units.parse_rate, "50/w", "'50/w' has the unknown unit '/w': allowed are /s, /m, /min, /h, /d"),
        (units.parse_rate, "50rps", "'50rps' has the unknown unit 'rps': did you mean /s?"),
        (units.parse_rate, "50/sec", "'50/sec' has the unknown unit '/sec': did you mean /s?"),
        (units.parse_duration, "5sec", "'5sec' has the unknown unit 'sec': did you mean s?"),
        (units.parse_duration, "1h30mins", "'1h30mins' has the unknown unit 'mins': did you mean min?"),
        (units.parse_duration, "5 millis", "'5 millis' has the unknown unit 'millis': did you mean ms?"),
        (units.parse_size, "10K", "'10K' has the unknown unit 'K': did you mean KB?"),
        (units.parse_size, "10Mi", "'10Mi' has the unknown unit 'Mi': did you mean MiB?"),
        (units.parse_size, "10kib", "'10kib' has the unknown unit 'kib': did you mean KiB?"),
        (units.parse_size, "10s", "'10s' has the unknown unit 's': allowed are B, KB, MB, GB, KiB, MiB, GiB"),
        (
            units.parse_rate,
            "0.0000001/s",
            "'0.0000001/s' is out of range: must be 0, or between 0.000001/s and 1000000/s",
        ),
        (units.parse_positive_rate, "0/s", "'0/s' is out of range: must be between 0.000001/s and 1000000/s"),
        (units.parse_positive_rate, "5", "'5' has no unit: write 5/s"),
        (units.parse_rate, "1000001/s", "'1000001/s' is out of range"),
        (units.parse_byte_rate, "20", "'20' is not a number of bytes per second: write 20B/s or 1KB/s"),
        (units.parse_byte_rate, 20, "20 is not a number of bytes per second: write 20B/s or 1KB/s"),
        (units.parse_byte_rate, "20B/min", "'20B/min' is not a number of bytes per second"),
        (units.parse_byte_rate, "20kb/s", "'20kb/s' is not a number of bytes per second"),
        (units.parse_byte_rate, "0B/s", "'0B/s' is out of range: must be between 0.001B/s and 1000GB/s"),
        (units.parse_byte_rate, "1001GB/s", "'1001GB/s' is out of range: must be between 0.001B/s and 1000GB/s"),
    ],
)
def test_a_wrong_quantity_is_refused_with_what_is_allowed(parse, value, reason):
    """The refusal shows the value as it was written, what is wrong with it and what may be written instead."""
    with pytest.raises(ValueError) as refusal:
        parse(value)
    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize(
    ("parse", "example"),
    [
        (units.parse_duration, "is not a duration: write 250ms, 1.5s or 1m30s"),
        (units.parse_ratio, "is not a share: write 5% or 0.05"),
        (units.parse_size, "is not a size: write 10KB, 1MiB or 512"),
        (units.parse_rate, "is not a rate: write 50/s, 300/min or 10/h"),
        (units.parse_byte_rate, "is not a number of bytes per second: write 20B/s or 1KB/s"),
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        [],
        {},
        b"5s",
        math.nan,
        math.inf,
        -1,
        "",
        " ",
        "ms",
        "nan",
        "inf",
        "-1s",
        "-5%",
        "+5s",
        "1,5s",
    ],
)
def test_text_that_is_not_a_quantity_is_refused_with_an_example(parse, example, value):
    """Nothing, a boolean, a negative or unfinished number and text without one are all answered with an example."""
    with pytest.raises(ValueError) as refusal:
        parse(value)
    assert str(refusal.value) == f"{value!r} {example}"


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.text() | st.from_regex(r"[0-9.]{1,4}(e-?[0-9]{1,3})?[ a-zA-Zµ%/]{0,3}", fullmatch=True))
def test_no_text_raises_anything_but_a_value_error(parse, text):
    """Whatever is written, the answer is a number that makes sense or a ValueError."""
    try:
        number = parse(text)
    except ValueError:
        return
    assert 0 <= number < math.inf


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("length", [20_000, 1_000_000])
@pytest.mark.parametrize(
    "pattern", ["1", "0", " ", ".", "-", ",", "(", "1e", "1.", "1m", "1 ", "\t", "µ", "%", "٣", "9s"]
)
def test_a_long_text_is_refused_immediately(parse, pattern, length):
    """No text of a request blocks a process: 20,000 digits once took a minute."""
    for text in (pattern * (length // len(pattern)), pattern * (length // len(pattern)) + PARSERS[parse]):
        began = time.process_time()
        with pytest.raises(ValueError) as refusal:
            parse(text)
        assert time.process_time() - began < 0.5
        assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("parse", PARSERS)
def test_text_at_the_bound_is_read(parse):
    """A hundred characters are enough for any number, blanks and all."""
    assert parse(("1" + PARSERS[parse]).rjust(100)) == parse("1" + PARSERS[parse])
    with pytest.raises(ValueError, match="it has more than 100 characters"):
        parse(("1" + PARSERS[parse]).rjust(101))


@pytest.mark.parametrize(
    ("value", "read"),
    [("7", 7), (" 07 ", 7), ("9" * 20, 10**20 - 1), ("9" * 21, "9" * 21), ("٣", "٣"), ("-1", "-1"), ("1_0", "1_0")]
    + [(value, value) for value in ("", "x", None, True, 1.5, ["1"], "1" * 5000)],
)
def test_a_whole_number_is_read_from_text_of_sensible_length(value, read):
    """Flags and variables are text; what is no whole number is left for the key's own check to refuse."""
    assert units.whole_number_in(value) == read


@pytest.mark.parametrize("number", ["1e9999999", "1e99999999999999999999"])
@pytest.mark.parametrize("parse", PARSERS)
def test_a_number_with_a_huge_exponent_is_refused_like_any_other(parse, number):
    """An exponent that no arithmetic can hold is a mistake in the text, not a breakdown."""
    with pytest.raises(ValueError):
        parse(number + PARSERS[parse])


@given(st.just(0.0) | st.floats(units.MIN_DURATION_SECONDS, units.MAX_DURATION_SECONDS))
def test_a_written_duration_reads_back_exactly(seconds):
    """Writing and reading a duration loses not one bit."""
    assert units.parse_duration(units.format_duration(seconds)) == seconds


@given(st.just(0.0) | st.floats(units.MIN_RATIO, 1))
def test_a_written_share_reads_back_exactly(ratio):
    """Writing and reading a share loses not one bit."""
    assert units.parse_ratio(units.format_ratio(ratio)) == ratio


@given(st.floats(units.MIN_RATE_PER_SECOND, units.MAX_RATE_PER_SECOND))
def test_a_written_rate_reads_back_exactly(per_second):
    """Writing and reading a rate loses not one bit."""
    assert units.parse_rate(units.format_rate(per_second)) == per_second


@given(st.integers(0, units.MAX_SIZE_BYTES))
def test_a_written_size_reads_back_exactly(size):
    """Writing and reading a size loses not one byte."""
    assert units.parse_size(units.format_size(size)) == size


@given(st.integers(1, 10**15).map(lambda number: number / 1000) | st.integers(1, 10**12).map(float))
def test_a_written_byte_rate_reads_back_exactly(per_second):
    """Writing and reading bytes per second, to a thousandth of one, loses not one bit."""
    assert units.parse_byte_rate(units.format_byte_rate(per_second)) == per_second


@given(st.from_regex(r"[0-9]{0,15}\.?[0-9]{1,15}(B|KB|MB|GB|KiB|MiB|GiB)/s", fullmatch=True))
def test_any_byte_rate_that_can_be_read_can_be_written(text):
    """Whatever was written by a person is read again from what is written of it, to the last bit."""
    try:
        per_second = units.parse_byte_rate(text)
    except ValueError as error:
        assert "is out of range" in str(error)
    else:
        assert units.parse_byte_rate(units.format_byte_rate(per_second)) == per_second


def test_a_byte_rate_without_a_unit_is_refused():
    """20/s may be twenty bytes or twenty kilobytes, and it is how messages are counted."""
    with pytest.raises(ValueError):
        units.parse_byte_rate("20/s")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (1, "1B"),
        (1500, "1500B"),
        (2000, "2KB"),
        (1_048_576, "1048576B"),
        (50_000_000, "50MB"),
        (3_000_000_000, "3GB"),
    ],
)
def test_a_size_is_written_in_the_largest_unit_that_it_fills(size, text):
    """50 million bytes are 50MB, and what is no whole number of thousands is bytes."""
    assert units.format_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.25, "250ms"),
        (0.0005, "500us"),
        (1.5, "1.5s"),
        (90.0, "90s"),
        (0.012, "12ms"),
        (1e-9, "0.001us"),
        (604_800.0, "604800s"),
    ],
)
def test_a_duration_is_written_in_the_largest_unit_that_it_fills(seconds, text):
    """A quarter of a second is 250ms, not 0.25s or 250000us."""
    assert units.format_duration(seconds) == text


def test_shares_and_rates_are_written_without_needless_digits():
    """5% is not 5.000000000000001%, and 50/s is not 50.0/s."""
    assert units.format_ratio(0.05) == "5%"
    assert units.format_ratio(0.07) == "7%"
    assert units.format_ratio(1.0) == "100%"
    assert units.format_rate(50.0) == "50/s"
    assert units.format_rate(0.5) == "0.5/s"
    assert units.format_byte_rate(20.0) == "20B/s"
    assert units.format_byte_rate(1e12) == "1000000000000B/s"
    assert units.format_byte_rate(0.00001) == "0.00001B/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00084, "840µs"),
        (0.0123, "12.3ms"),
        (0.1234, "123ms"),
        (1.25, "1.25s"),
        (12.34, "12.3s"),
        (340.0, "340s"),
        (math.nan, "-"),
    ],
)
def test_a_person_reads_three_digits(seconds, text):
    """A duration for a person has three digits and the unit that fits; a missing one is a dash."""
    assert units.human_duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.009999, "10.0ms"), (0.99996, "1.00s"), (99.99, "100s")])
def test_a_person_reads_three_digits_also_where_rounding_adds_one(seconds, text):
    """What rounds up to the next power of ten is written as that one is."""
    assert units.human_duration(seconds) == text

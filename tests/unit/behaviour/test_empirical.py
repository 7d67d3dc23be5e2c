"""The distributions that are known only by points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.delays import parse_delay
from simulator.behaviour.empirical import Percentiles, Samples

POINTS = "percentiles(p50=10ms, p90=40ms, p99=200ms, max=2s)"


@pytest.mark.parametrize(
    ("text", "u", "seconds"),
    [
        (POINTS, 0.5, 0.01),
        (POINTS, 0.9, 0.04),
        (POINTS, 0.99, 0.2),
        (POINTS, 0.25, 0.005),
        (POINTS, 0.7, 0.025),
        (POINTS, 0.945, 0.12),
        (POINTS, 0.995, 1.1),
        ("percentiles(p0=5ms, p50=10ms)", 0.25, 0.0075),
        ("percentiles(p50=10ms)", 0.75, 0.01),
        ("percentiles(p50=10ms, p60=10ms, max=20ms)", 0.55, 0.01),
        ("percentiles(p50=10ms, p60=10ms, max=20ms)", 0.8, 0.015),
        ("percentiles(p99.9=1s, max=2s)", 0.999, 1.0),
    ],
)
def test_percentiles_are_hit_and_joined_by_straight_lines(text, u, seconds):
    """A named percentile is exact, what lies between two is on the line between them."""
    assert parse_delay(text).quantile(u) == pytest.approx(seconds, rel=1e-12)


def test_named_percentiles_are_exact_to_the_last_bit():
    """p50, p90 and p99 as written are p50, p90 and p99 as drawn."""
    delay = parse_delay(POINTS)
    assert [delay.quantile(u) for u in (0.5, 0.9, 0.99)] == [0.01, 0.04, 0.2]


@pytest.mark.parametrize(
    ("text", "seconds", "share"),
    [
        (POINTS, 0.0, 0.0),
        (POINTS, 0.005, 0.25),
        (POINTS, 0.01, 0.5),
        (POINTS, 0.025, 0.7),
        (POINTS, 1.1, 0.995),
        (POINTS, 2.0, 1.0),
        (POINTS, 3.0, 1.0),
        (POINTS, -1.0, 0.0),
        ("percentiles(p0=5ms, p50=10ms)", 0.004, 0.0),
        ("percentiles(p50=10ms)", 0.01, 1.0),
        ("percentiles(p50=10ms, p60=10ms, max=20ms)", 0.01, 0.6),
        ("percentiles(p50=10ms, p60=10ms, max=20ms)", 0.0099999, 0.499995),
    ],
)
def test_the_share_of_percentiles_reads_the_lines_backwards(text, seconds, share):
    """The share up to a duration is where the line passes it, and the upper end where the line is level."""
    assert parse_delay(text).cdf(seconds) == pytest.approx(share, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("percentiles()", "percentiles lacks its percentiles, as in p50=10ms, p99=80ms"),
        ("percentiles(max=2s)", "percentiles lacks its percentiles"),
        ("percentiles(p50=40ms, p90=10ms)", "percentiles must rise: p50=40ms comes before p90=10ms"),
        ("percentiles(p90=10ms, p50=40ms)", "percentiles must rise: p90=10ms comes before p50=40ms"),
        ("percentiles(p50=10ms, p50=10ms)", "percentiles must rise: p50=10ms comes before p50=10ms"),
        ("percentiles(p50=10ms, max=5ms)", "percentiles must rise: p50=10ms comes before max=5ms"),
        ("percentiles(p100=10ms)", "percentiles does not take `p100`; it takes p50=duration, max="),
        ("percentiles(p50=10ms, p100=20ms)", "percentiles does not take `p100`; it takes p50=duration, max="),
    ],
)
def test_percentiles_that_fall_or_are_none_are_refused(text, reason):
    """A percentile can't be below a lower one, and at least one is needed."""
    with pytest.raises(ValueError) as refusal:
        parse_delay(text)
    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize("key", ["p99.99999", "p33.3333333", "p0.00001"])
def test_a_percentile_of_many_digits_reads_back(key):
    """A percentile is written with all its digits, so that it reads back as the same one."""
    delay = parse_delay(f"percentiles({key}=1s, max=2s)")
    assert parse_delay(str(delay)) == delay


def test_a_quantile_of_samples_is_a_sample():
    """Of four samples each is drawn for a quarter of the draws."""
    delay = Samples("file", (0.1, 0.2, 0.3, 0.7))
    us = [0.001, 0.249, 0.251, 0.499, 0.501, 0.749, 0.751, 0.999]
    assert [delay.quantile(u) for u in us] == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.7, 0.7]


def test_the_share_of_samples_counts_them():
    """The share up to a duration is the number of samples up to it, repeated ones each counted."""
    delay = Samples("file", (0.1, 0.2, 0.2, 0.7))
    assert [delay.cdf(s) for s in (0.0, 0.1, 0.15, 0.2, 0.69, 0.7, 9.0)] == [0.0, 0.25, 0.25, 0.75, 0.75, 1.0, 1.0]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50).map(sorted), st.floats(0.001, 0.999))
def test_a_quantile_of_samples_is_never_beyond_them(values, u):
    """No draw gives a delay that was not measured."""
    assert Samples("file", tuple(values)).quantile(u) in values


@pytest.mark.parametrize("hundredth", [7, 14, 28, 55, 56])
def test_a_percentile_of_a_hundred_samples_is_the_sample_of_that_number(hundredth):
    """The smallest sample that 7 % of 100 samples do not exceed is the seventh."""
    delay = Samples("file", tuple(float(number) for number in range(1, 101)))
    assert delay.quantile(hundredth / 100) == hundredth


def test_samples_are_read_once_and_sorted():
    """The file may have the samples in any order; the delay has the whole path and the sorted seconds."""
    delay = parse_delay("samples(measured.txt)", lambda path: (f"/data/{path}", [0.3, 0.1, 0.2]))
    assert delay == Samples("/data/measured.txt", (0.1, 0.2, 0.3))
    assert str(delay) == "samples(/data/measured.txt)"


def refuse(error):
    def read(_):
        raise error

    return read


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (lambda path: (path, []), "samples(x) can't be used: the file has no samples"),
        (refuse(ValueError("line 3: no duration")), "samples(x) can't be used: line 3: no duration"),
        (refuse(FileNotFoundError(2, "No such file")), "samples(x) can't be used: [Errno 2] No such file"),
    ],
)
def test_a_file_of_samples_that_can_not_be_used_is_refused(read, reason):
    """No samples, wrong samples or no file: the error names the file as written and the cause."""
    with pytest.raises(ValueError) as refusal:
        parse_delay("samples(x)", read)
    assert str(refusal.value) == f"{reason}\n    samples(x)\n    ^^^^^^^^^^"


def test_samples_can_not_be_read_where_nothing_is_known_about_files():
    """Without a reader the refusal says so."""
    with pytest.raises(ValueError, match="files of samples can't be read here"):
        parse_delay("samples(x)")


@pytest.mark.parametrize("path", ["/my data (1)/x.txt", "/a, b/x.txt"])
def test_the_whole_path_reads_back_whatever_the_folder_is_called(path):
    """A folder with a comma or parentheses in its name does not break the delay that was read from it."""
    delay = Samples(path, (1.0,))
    assert parse_delay(str(delay), lambda path: (path, [1.0])) == delay


def test_percentiles_made_in_code_need_no_text():
    """The points are (share, seconds), from 0 to 1."""
    assert Percentiles(((0.0, 0.0), (0.5, 0.01), (1.0, 0.03))).quantile(0.75) == pytest.approx(0.02)

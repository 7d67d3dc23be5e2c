"""Generated bodies: those of an injector's messages, and those of a given size."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.draws import FIRST_VISIT, draw, message_id
from simulator.behaviour.payloads import CONTENT_TYPE, MAX_BYTES, filled, parse_sizes, payload
from tests.support.python import python

US = st.integers(0, 2**52 - 1).map(lambda step: (step + 0.5) * 2.0**-52)
IDS = st.from_regex(r"[A-Za-z0-9._:@+=/-]{1,128}", fullmatch=True)
DRAWS = 20_000
# Every distribution of sizes with its median.
MEDIANS = {
    "constant(10KB)": 10_000,
    "uniform(1KB, 10KB)": 5_500,
    "exponential(1000B)": 693,
    "normal(10KB, 1KB)": 10_000,
    "lognormal(p50=2KiB, p99=100KB)": 2_048,
    "percentiles(p50=1KB, p99=10KB, max=1MB)": 1_000,
    "pareto(min=100, shape=1)": 200,
    "mixture(60%: constant(100B), 40%: constant(1MB))": 100,
}
SPECS = st.sampled_from([*MEDIANS, "1", "16MiB", "uniform(0, 1GB)", "normal(1B, 1MB)", "pareto(1MB, 0.1)"])


@given(
    st.integers(1, 2**63), st.uuids().map(str), st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat())
)
def test_a_payload_is_what_its_content_type_claims(number, ident, created):
    """The body is one line of JSON that says which message it is and when it was due."""
    body = payload(number, ident, created)
    assert CONTENT_TYPE == "application/json"
    assert json.loads(body.decode("utf-8")) == {"number": number, "message_id": ident, "created": created}
    assert b"\n" not in body


def test_every_message_has_a_body_of_its_own():
    """No two messages of one injector have the same bytes, so that a lost one can be identified."""
    bodies = {payload(number, message_id(7, "injector", number), "2026-01-01T00:00:00Z") for number in range(1, 1001)}
    assert len(bodies) == 1000


@given(IDS, st.integers(1, 2000))
def test_a_filled_body_has_exactly_its_size_and_is_json(ident, size):
    """Whatever the size, the body has as many bytes and is one line of JSON, with the message's id where that fits."""
    body = filled(ident, size)
    value = json.loads(body)
    assert len(body) == size
    assert b"\n" not in body
    if size >= len(json.dumps({"message_id": ident, "filling": ""})):
        assert value["message_id"] == ident
        assert set(value["filling"]) <= {"x"}


def test_the_largest_body_is_filled():
    """16 MiB are made as one byte is."""
    assert len(filled("m-1", MAX_BYTES)) == MAX_BYTES
    assert json.loads(filled("m-1", MAX_BYTES))["message_id"] == "m-1"
    assert filled("m-1", 1) == b"1"
    assert filled("m-1", 0) == b""


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (1, 1),
        (512, 512),
        ("512", 512),
        ("10KB", 10_000),
        (" 1KiB ", 1024),
        ("16MiB", MAX_BYTES),
        ("constant(10KB)", 10_000),
        (" constant( 10KB ) ", 10_000),
    ],
)
def test_a_size_is_always_the_same(written, size):
    """A plain number is bytes, and so is every body then."""
    sizes = parse_sizes(written)
    assert [sizes.bytes(u) for u in (2.0**-53, 0.5, 1 - 2.0**-53)] == [size] * 3


@pytest.mark.parametrize(("text", "median"), MEDIANS.items(), ids=MEDIANS)
def test_a_distribution_of_sizes_has_its_median(text, median):
    """The distributions are those of the delays, over bytes."""
    assert parse_sizes(text).bytes(0.5) == median


@pytest.mark.parametrize("text", ["uniform(1KB, 10KB)", "exponential(10KB)", "percentiles(p50=1KB, p99=10KB, max=1MB)"])
def test_the_observed_sizes_are_the_configured_ones(text):
    """Of 20,000 bodies as many stay within each quantile as it says, to 4.9 standard errors."""
    sizes = parse_sizes(text)
    observed = [sizes.bytes(draw(7, "parse", f"m-{number}", FIRST_VISIT, "size")) for number in range(DRAWS)]
    for share in (0.1, 0.5, 0.9, 0.99):
        within = sum(size <= sizes.bytes(share) for size in observed)
        # Whole bytes may add what one byte more takes in.
        assert -4.9 <= (within - DRAWS * share) / (DRAWS * share * (1 - share)) ** 0.5 <= 4.9 + 1


@given(SPECS, US)
def test_a_size_is_16_mib_at_most(text, u):
    """Whatever the distribution, a body can be made of what comes out."""
    size = parse_sizes(text).bytes(u)
    assert isinstance(size, int)
    assert 0 <= size <= MAX_BYTES


@given(SPECS, US, US)
def test_a_larger_share_of_sizes_takes_no_fewer_bytes(text, first, second):
    """Sizes never fall as the draw rises."""
    sizes = parse_sizes(text)
    assert sizes.bytes(min(first, second)) <= sizes.bytes(max(first, second))


@given(SPECS | st.integers(1, MAX_BYTES) | st.integers(1, MAX_BYTES).map("{}B".format))
def test_sizes_read_back_from_their_text(written):
    """They are written as they were read, and reading that gives equal ones."""
    sizes = parse_sizes(written)
    assert str(sizes) == str(written)
    assert parse_sizes(str(sizes)) == sizes


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "None is not a size: write 10KB, 1MiB or 512"),
        (True, "True is not a size: write 10KB, 1MiB or 512"),
        ("big", "'big' is not a size: write 10KB, 1MiB or 512"),
        ("10kb", "'10kb' has the unknown unit 'kb': did you mean KB?"),
        ("0.5B", "'0.5B' is not a whole number of bytes"),
        ("17MiB", "'17MiB' is out of range: must be between 0B and 16MiB"),
    ],
)
def test_text_that_is_not_a_size_is_refused(value, message):
    """The refusal shows what was written and what would do."""
    with pytest.raises(ValueError) as refusal:
        parse_sizes(value)
    assert str(refusal.value) == message


NAMES = "constant, uniform, exponential, normal, lognormal, percentiles, pareto, mixture"


@pytest.mark.parametrize(
    ("text", "carets", "reason"),
    [
        ("uniform(1KB)", "^" * 12, "uniform lacks its high"),
        (
            "uniform(1ms, 2ms)",
            "        ^^^",
            "'1ms' has the unknown unit 'ms': allowed are B, KB, MB, GB, KiB, MiB, GiB",
        ),
        ("uniform(1KB, 2KB, 3KB)", " " * 18 + "^^^", "uniform does not take this; it takes low, high"),
        ("constant(0.5B)", "         ^^^^", "'0.5B' is not a whole number of bytes"),
        ("pareto(min=1KB, shape=0)", "^" * 24, "shape 0 is out of range: must be between 0.1 and 100"),
        ("mixture(50%: constant(1KB))", "^" * 27, "the shares of a mixture must add up to 100%, not 50%"),
        ("mixture(100%: constant(1s))", " " * 23 + "^^", "'1s' has the unknown unit 's'"),
        ("mixture(100%: samples(x))", " " * 14 + "^" * 10, "samples(x) can't be used: files of samples can't be read"),
        ("mixture(100%: growing(constant(1KB), 2))", " " * 14 + "^" * 25, "there is no delay 'growing' here"),
        ("constant(1KB", " " * 12 + "^", "expected a comma or a closing parenthesis"),
    ],
)
def test_wrong_sizes_are_refused_at_their_place(text, carets, reason):
    """The error says what is wrong, shows the text and points at the wrong part."""
    with pytest.raises(ValueError) as refusal:
        parse_sizes(text)
    shown = str(refusal.value).split("\n")
    assert shown[0].startswith(reason)
    assert shown[1:] == ["    " + text, "    " + carets]


@pytest.mark.parametrize("text", ["samples(x)", "growing(constant(1KB), 2)", "oops(1KB)"])
def test_a_text_that_is_not_a_distribution_of_sizes_is_refused_with_those_that_are(text):
    """A file of durations and what grows with the load give no sizes; the names that do are always in one order."""
    with pytest.raises(ValueError) as refusal:
        parse_sizes(text)
    shown, *place = str(refusal.value).split("\n")
    name = text.partition("(")[0]
    first, _, names = shown.partition("; there are ")
    assert first == f"there is no distribution {name!r} of sizes"
    assert sorted(names.split(", ")) == sorted(NAMES.split(", "))
    assert place == ["    " + text, "    " + "^" * len(text)]


@given(st.text() | st.lists(st.sampled_from([*"(),=:%. 059", "uniform(", "constant(", "p50=", "KB", "B"])).map("".join))
def test_no_text_raises_anything_but_a_value_error(text):
    """Whatever is written, reading it ends in sizes that can be made, or in a ValueError."""
    try:
        sizes = parse_sizes(text)
    except ValueError as error:
        assert str(error)
    else:
        assert 0 <= sizes.bytes(0.5) <= MAX_BYTES


@pytest.mark.processes
def test_the_names_of_the_distributions_have_one_order():
    """Every process describes the same mistake in the same words."""
    code = "from simulator.behaviour.payloads import parse_sizes; parse_sizes('oops(1KB)')"
    told = {python(code, PYTHONHASHSEED=seed).stderr.rsplit("NotationError: ", 1)[1] for seed in ("1", "2")}
    assert len(told) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("uniform(10KB, 1KB)", "these sizes do not fit together"),
        ("uniform(10MB, 1MB)", "these sizes do not fit together"),
        ("lognormal(p50=10KB, p99=1KB)", "these sizes do not fit together"),
        ("percentiles(p50=10KB, p99=1KB)", "these sizes do not fit together"),
    ],
)
def test_an_error_about_sizes_is_in_bytes(text, reason):
    """An error about kilobytes does not mention a thousand seconds, or a week."""
    with pytest.raises(ValueError) as refusal:
        parse_sizes(text)
    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize("text", ["constant(1e350B)", "lognormal(p50=1B, p99=1e300B)", "pareto(min=1e200B, shape=0.1)"])
def test_a_size_out_of_range_is_refused_or_cut(text):
    """A number that no float can hold is a mistake in the text, not a breakdown, neither now nor with a message."""
    try:
        sizes = parse_sizes(text)
    except ValueError:
        return
    assert sizes.bytes(1 - 2.0**-53) == MAX_BYTES

"""The one-line notation: what is read, and where an error points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.notation import Arguments, NotationError, parse

# Text that is often nearly right, so that every branch of the parser is reached.
NEARLY = st.lists(
    st.sampled_from([*"abp(),=:%. 015µ\t", "uniform(", "95%:", "max=", "5ms", "constant(1s)"]), max_size=30
).map("".join)


def assert_points_at(error, text, carets, reason):
    """Check the three parts of an error: the reason, the text, and carets under the place."""
    shown = str(error).split("\n")
    assert shown[0].startswith(reason)
    assert shown[1:] == ["    " + text, "    " + carets]


def test_an_expression_is_a_name_and_its_values():
    """Plain values, values by key and shares are told apart."""
    expression = parse("mixture(95%: uniform(5ms, high=20ms), 5%: constant(1s))")
    first, second = expression.items
    assert (expression.name, first.weight, second.weight) == ("mixture", 0.95, 0.05)
    assert (first.value.name, second.value.name) == ("uniform", "constant")
    assert [(item.key, item.value) for item in first.value.items] == [(None, "5ms"), ("high", "20ms")]


def test_every_value_knows_its_place():
    """The places of a value and of an inner expression cut exactly them out of the text."""
    text = "  mixture ( 95% :  uniform( 5ms ,high = 20 ms ) , 5%:constant(1s))"
    outer = parse(text)
    inner = outer.items[0].value
    assert text[outer.start : outer.end] == text.strip()
    assert text[inner.start : inner.end] == "uniform( 5ms ,high = 20 ms )"
    assert [text[item.start : item.end] for item in inner.items] == ["5ms", "20 ms"]


@pytest.mark.parametrize("text", ["constant()", "constant( )", " constant () "])
def test_an_expression_may_be_empty(text):
    """Parentheses with nothing in them hold no values."""
    assert parse(text).items == ()


@pytest.mark.parametrize(
    ("text", "carets", "reason"),
    [
        ("", "^", "expected a name and an opening parenthesis"),
        ("12ms", "^", "expected a name and an opening parenthesis"),
        ("constant 5ms", "^", "expected a name and an opening parenthesis"),
        ("Constant(5ms)", "^", "expected a name and an opening parenthesis"),
        ("constant(5ms", "            ^", "expected a comma or a closing parenthesis"),
        ("constant(5ms(", "            ^", "expected a comma or a closing parenthesis"),
        ("constant(5ms) 1", "             ^^", "unexpected text after the closing parenthesis"),
        ("constant(5ms))", "             ^", "unexpected text after the closing parenthesis"),
        ("uniform(5ms,,6ms)", "            ^", "a value is missing"),
        ("uniform(5ms,)", "            ^", "a value is missing"),
        ("constant(value=)", "               ^", "a value is missing"),
        ("constant(", "         ^", "a value is missing"),
        ("mixture(195%: constant(1s))", "        ^^^^", "'195%' exceeds 100%"),
        ("mixture(1.2.3%: constant(1s))", "        ^^^^^^", "'1.2.3%' is not a share"),
        ("a(b(c(d(e(f(g(h(i(j(1)", "                  ^", "nested too deeply"),
    ],
)
def test_an_error_shows_the_text_and_points_at_the_place(text, carets, reason):
    """Carets under the text, shown as it was written, mark exactly where it is wrong."""
    with pytest.raises(NotationError) as refusal:
        parse(text)
    assert_points_at(refusal.value, text, carets, reason)


@pytest.mark.parametrize("text", [None, 5, 0.5, ["constant(1s)"], {"a": 1}, b"constant(1s)"])
def test_what_is_not_text_is_refused(text):
    """A number, a list or nothing in place of a delay is named in the error."""
    with pytest.raises(ValueError, match="is not text like name") as refusal:
        parse(text)
    assert str(refusal.value).startswith(repr(text))


@pytest.mark.parametrize("text", ["constant(\n1s)", "constant(" + "1" * 1000 + "s)"])
def test_more_than_one_line_is_refused(text):
    """The notation is one short line."""
    with pytest.raises(ValueError, match="must be one line of at most 1,000 printable characters"):
        parse(text)


@given(st.text() | NEARLY)
def test_no_text_raises_anything_but_a_value_error(text):
    """Whatever is written, reading it ends in an expression or a ValueError, whose carets stay under the text."""
    try:
        expression = parse(text)
    except NotationError as error:
        _, shown, carets = str(error).rsplit("\n", 2)
        assert shown == "    " + text.replace("\t", " ")
        assert carets.strip(" ").strip("^") == ""
        assert 4 < len(carets) <= 4 + len(text) + 1
    except ValueError:
        assert not text.replace("\t", " ").isprintable() or len(text) > 1000
    else:
        assert text[expression.start : expression.end] == text.strip()


def test_values_are_taken_by_key_or_by_position():
    """What has a key is taken by it, wherever it stands; the rest goes by position."""
    arguments = Arguments(parse("x(high=3s, 250ms, 5%, 1.5, 503, a/b.txt, max=2s)"))
    assert arguments.duration("low") == 0.25
    assert arguments.duration("high") == 3.0
    assert arguments.ratio("rate") == 0.05
    assert arguments.number("shape") == 1.5
    assert arguments.status("status") == 503
    assert arguments.text("FILE") == "a/b.txt"
    assert arguments.keyed_duration("max") == 2.0
    arguments.finish()


def test_counts_rates_and_sizes_are_taken_as_other_values_are():
    """Whole numbers, rates, sizes and bytes per second have their own units, by key or by position."""
    arguments = Arguments(parse("x(burst=10, 3, 50/s, 1.5KB, 20B/s, budget=20%)"))
    assert arguments.count("count") == 3
    assert arguments.rate("rate") == 50.0
    assert arguments.size("bytes") == 1500
    assert arguments.byte_rate("rate_per_second") == 20.0
    assert arguments.keyed_count("burst") == 10
    assert arguments.keyed_ratio("budget") == 0.2
    assert arguments.keyed_count("instance") is None
    assert arguments.keyed_ratio("share") is None
    assert arguments.count("times", 1) == 1
    assert arguments.ratio("rate", 1.0) == 1.0
    arguments.finish()


def test_an_inner_expression_is_taken_for_itself():
    """A delay within a delay is returned as it is, and the values beside it stay."""
    arguments = Arguments(parse("growing(exponential(20ms), full=3)"))
    inner = arguments.inner("delay")
    assert (inner.name, [item.value for item in inner.items]) == ("exponential", ["20ms"])
    assert arguments.number("full") == 3.0
    arguments.finish()


@pytest.mark.parametrize("value", ["/my data (1)/x, y.txt", "a=b", "95%: x", "f(1)"])
def test_a_value_in_quotes_is_taken_as_it_stands(value):
    """Between quotes, commas, parentheses, equals signs and colons mean nothing."""
    arguments = Arguments(parse(f'x( "{value}" , 5ms)'))
    assert arguments.text("FILE") == value
    assert arguments.duration("value") == 0.005
    arguments.finish()


@pytest.mark.parametrize("text", ['x(5ms")', 'x("5ms)'])
def test_a_quote_without_its_partner_is_refused(text):
    """A missing quote is an error, not ignored."""
    with pytest.raises(ValueError):
        Arguments(parse(text)).duration("value")


def test_an_optional_value_is_taken_by_its_key_alone():
    """A value without a key is never mistaken for an optional one, and without it there is none."""
    arguments = Arguments(parse("x(2s)"))
    assert arguments.keyed_duration("max") is None
    assert arguments.duration("value", default=1.0) == 2.0
    assert arguments.duration("other", default=1.0) == 1.0


def test_percentiles_are_taken_in_their_order():
    """Each pNN=duration is a point; p99.9 may have its decimals."""
    arguments = Arguments(parse("x(p50=10ms, p99.9=1s, max=2s)"))
    assert arguments.percentiles() == [(0.5, 0.01), (pytest.approx(0.999, abs=1e-15), 1.0)]
    assert arguments.keyed_duration("max") == 2.0
    arguments.finish()


@pytest.mark.parametrize(
    ("text", "take", "carets", "reason"),
    [
        ("x()", lambda a: a.duration("mean"), "^^^", "x lacks its mean"),
        ("x(y=1s)", lambda a: a.duration("mean"), "^^^^^^^", "x lacks its mean"),
        ("x(5)", lambda a: a.duration("mean"), "  ^", "'5' has no unit: write 5ms or 5s"),
        ("x(mean=5 parsecs)", lambda a: a.duration("mean"), "       ^^^^^^^^^", "'5 parsecs' has the unknown unit"),
        ("x(200%)", lambda a: a.ratio("rate"), "  ^^^^", "'200%' exceeds 100%"),
        ("x(1e5)", lambda a: a.number("shape"), "  ^^^", "'1e5' is not a number"),
        ("x(-1)", lambda a: a.number("shape"), "  ^^", "'-1' is not a number"),
        ("x(200)", lambda a: a.status("status"), "  ^^^", "'200' is not an HTTP error status: must be between 400"),
        ("x(5030)", lambda a: a.status("status"), "  ^^^^", "'5030' is not an HTTP error status"),
        ("x( y(1s) )", lambda a: a.duration("mean"), "   ^^^^^", "expected a plain value"),
        ("x(0)", lambda a: a.count("count"), "  ^", "'0' is not a whole number from 1 to 999999999"),
        ("x(1.5)", lambda a: a.count("count"), "  ^^^", "'1.5' is not a whole number from 1 to 999999999"),
        (
            "x(1234567890)",
            lambda a: a.count("count"),
            "  ^^^^^^^^^^",
            "'1234567890' is not a whole number from 1 to 999999999",
        ),
        (
            "x(burst=-1)",
            lambda a: a.keyed_count("burst"),
            "        ^^",
            "'-1' is not a whole number from 1 to 999999999",
        ),
        ("x(budget=2)", lambda a: a.keyed_ratio("budget"), "         ^", "'2' exceeds 100%"),
        ("x(50)", lambda a: a.rate("rate"), "  ^^", "'50' has no unit: write 50/s"),
        ("x(1.5B)", lambda a: a.size("bytes"), "  ^^^^", "'1.5B' is not a whole number of bytes"),
        ("x(1073741825)", lambda a: a.size("bytes"), "  ^^^^^^^^^^", "'1073741825' exceeds 1GiB"),
        ("x(20)", lambda a: a.byte_rate("rate"), "  ^^", "'20' is not a number of bytes per second"),
        ("x()", lambda a: a.inner("delay"), "^^^", "x lacks its delay, as in constant(10ms)"),
        ("x(5%: y(1s))", lambda a: a.inner("delay"), "^" * 12, "x lacks its delay, as in constant(10ms)"),
        ("x(p50=y)", lambda a: a.percentiles(), "      ^", "'y' is not a duration"),
    ],
)
def test_a_wrong_value_is_refused_at_its_place(text, take, carets, reason):
    """A missing value is shown by the whole expression, a wrong one by itself."""
    with pytest.raises(NotationError) as refusal:
        take(Arguments(parse(text)))
    assert_points_at(refusal.value, text, carets, reason)


@pytest.mark.parametrize(
    ("text", "carets", "what"),
    [
        ("x(1s, 2s)", "      ^^", "this"),
        ("x(1s, min=2s)", "      ^^^^^^", "`min`"),
        ("x(mean=1s, mean=2s)", "           ^^^^^^^", "this"),
        ("x(1s, 5%: y(1s))", "          ^^^^^", "this"),
    ],
)
def test_a_value_that_nobody_wants_is_refused(text, carets, what):
    """The error points at what is left over, and lists what would have been taken."""
    arguments = Arguments(parse(text))
    arguments.duration("mean")
    arguments.keyed_duration("max")
    with pytest.raises(NotationError) as refusal:
        arguments.finish()
    assert_points_at(refusal.value, text, carets, f"x does not take {what}; it takes mean, max=")


def test_a_leftover_key_is_pointed_at_wherever_its_value_stands():
    """Spaces around the equals sign do not shift the carets."""
    text = "x(1s, low = 2s)"
    arguments = Arguments(parse(text))
    arguments.duration("mean")
    with pytest.raises(NotationError) as refusal:
        arguments.finish()
    assert_points_at(refusal.value, text, "      ^^^^^^^^", "x does not take `low`; it takes mean")

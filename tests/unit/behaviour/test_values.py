"""Values that are drawn for a message, and what is asked of them: how often, of which kind, how written."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.conditions import parse_when
from simulator.behaviour.times import MAX_TIMES, Times, parse_times
from simulator.behaviour.values import Chance, Fixed, Pick, Poisson, Weighted, Whole, is_value, parse_rule, shown, typed

ALMOST_ONE = 1 - 2.0**-53
DRAWS = 20_000
RULES = (
    st.builds(Chance, st.just(0.0) | st.floats(1e-12, 1))
    | st.builds(lambda low, more: Whole(low, low + more), st.integers(0, 1000), st.integers(0, 1000))
    | st.builds(Poisson, st.floats(1e-6, 500), st.integers(1, 999_999_999))
    | st.builds(Pick, st.integers(1, 999_999_999))
    | st.builds(Fixed, st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.sampled_from(["gold", "007", "a b"]))
    | st.dictionaries(
        st.sampled_from(["gold", "true", "false", "0", "1", "007", "a b"]), st.floats(1e-15, 1e9), min_size=1
    ).map(lambda weights: Weighted(tuple(map(typed, weights)), tuple(weights.values())))
)


@pytest.mark.parametrize(
    ("written", "quantiles"),
    [
        ("0%", [(1e-300, False), (ALMOST_ONE, False)]),
        ("30%", [(0.2999, True), (0.3, False)]),
        ("100%", [(1e-300, True), (ALMOST_ONE, True)]),
        ("uniform(1, 8)", [(1e-300, 1), (0.12499, 1), (0.125, 2), (0.8749, 7), (0.875, 8), (ALMOST_ONE, 8)]),
        ("uniform(3, 3)", [(1e-300, 3), (ALMOST_ONE, 3)]),
        ("pick(4)", [(1e-300, 1), (0.2499, 1), (0.25, 2), (ALMOST_ONE, 4)]),
        ("pick(999999999)", [(1e-300, 1), (ALMOST_ONE, 999_999_999)]),
        # exp(-3) = 0.0498, times 1 + 3 = 0.1991, plus 4.5 exp(-3) = 0.4232
        ("poisson(3)", [(0.0497, 0), (0.0499, 1), (0.1991, 1), (0.1992, 2), (0.4231, 2), (0.4233, 3)]),
        ("poisson(3, max=2)", [(0.0497, 0), (0.9, 2), (ALMOST_ONE, 2)]),
        ({"gold": "5%", "silver": "95%"}, [(0.0499, "gold"), (0.05, "silver"), (ALMOST_ONE, "silver")]),
        ({"home": 1, "product": 10, "cart": 0}, [(0.0909, "home"), (0.091, "product"), (ALMOST_ONE, "product")]),
        ({"1": 1, "true": 1, "007": 2}, [(0.1, 1), (0.3, True), (0.6, "007")]),
        ("red", [(0.5, "red")]),
        (7, [(0.5, 7)]),
    ],
)
def test_every_draw_has_its_value(written, quantiles):
    """What a draw comes to is what the share, the range, the formula or the weights say, to the last digit."""
    rule = parse_rule(written)
    found = [rule.value(u) for u, _ in quantiles]
    assert found == [value for _, value in quantiles]
    assert list(map(type, found)) == [type(value) for _, value in quantiles]


def chi_square_bound(degrees):
    """Return what a chi-square variable exceeds once in a million times, by Wilson and Hilferty."""
    z = 4.753
    return degrees * (1 - 2 / (9 * degrees) + z * math.sqrt(2 / (9 * degrees))) ** 3


@pytest.mark.parametrize(
    ("written", "shares"),
    [
        *((f"{share:.0%}", {True: share, False: 1 - share}) for share in (0.05, 0.3, 0.6)),
        ("uniform(1, 8)", dict.fromkeys(range(1, 9), 1 / 8)),
        ("pick(20)", dict.fromkeys(range(1, 21), 1 / 20)),
        ("poisson(3)", {number: 3**number * math.exp(-3) / math.factorial(number) for number in range(12)}),
        ({"a": 1, "b": 10, "c": "3"}, {"a": 1 / 14, "b": 10 / 14, "c": 3 / 14}),
    ],
)
def test_values_have_their_shares(written, shares):
    """Of many draws each value has the share that it should, by a chi-square test."""
    draws = random.Random(7)
    rule = parse_rule(written)
    counts = Counter(rule.value(draws.random() or ALMOST_ONE) for _ in range(DRAWS))
    expected = {value: share * DRAWS for value, share in shares.items()}
    assert sum(counts[value] for value in expected) >= DRAWS - 20
    statistic = sum((counts[value] - count) ** 2 / count for value, count in expected.items())
    assert statistic < chi_square_bound(len(expected) - 1)


@given(rule=RULES, u=st.floats(2.0**-53, ALMOST_ONE))
def test_a_rule_is_written_as_it_is_read(rule, u):
    """Any rule comes back from how it is written, draws what it allows, and that can travel with a message."""
    assert parse_rule(rule.plain()) == rule
    value = rule.value(u)
    assert rule.allows(value)
    assert is_value(value)
    assert typed(shown(value)) == value or isinstance(rule, Fixed)


@given(st.text())
def test_any_text_is_itself_a_value_or_refused(text):
    """Whatever is written, it can be read back, or is refused with a ValueError."""
    assert shown(typed(text)) == text
    try:
        rule = parse_rule(text)
    except ValueError:
        return
    assert parse_rule(rule.plain()) == rule


def test_a_poisson_number_is_found_soon():
    """A maximum that is never drawn costs no time: the search ends where the sum ends."""
    rule = parse_rule("poisson(500, max=999999999)")
    assert 600 < rule.value(ALMOST_ONE) < 1500


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (2**63, "is not a value"),
        (1.5, "is not a value"),
        ("", "is not a value"),
        ("a\nb", "is not a value"),
        ("101%", "exceeds 100%"),
        ({}, "there must be 1 to 1000 values"),
        ({"a": -1}, "is not a weight: write 5% or 3"),
        ({"a": "x"}, "is not a weight: write 5% or 3"),
        ({"a": 0, "b": 0}, "every weight is 0, so there is nothing to choose"),
        ({"a": "5%", "b": 3}, "the weights must be all percentages or all numbers"),
        ("uniform(8, 1)", "8 is more than 1"),
        ("uniform(1, 2.5)", "high must be a whole number"),
        ("poisson(0)", "the mean must be more than 0 and at most 500"),
        ("poisson(501)", "the mean must be more than 0 and at most 500"),
        ("pick(0)", "is not a whole number from 1 to 999999999"),
        ("zipf(3)", "there is no 'zipf' of whole numbers; there are uniform, poisson, pick"),
        ("pick(3, 4)", "pick"),
    ],
)
def test_what_no_rule_is(written, message):
    """A value that can't be drawn is refused with what was written and what can be."""
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        parse_rule(written)


GOLD = {"tenant": "gold", "hit": True, "items": 3, "one": 1, "code": "007"}


@pytest.mark.parametrize(
    ("written", "holds"),
    [
        ("hit", True),
        ("not hit", False),
        ("hit = true", True),
        ("hit != true", False),
        ("hit = 1", False),
        ("hit > 0", False),
        ("one", False),
        ("one = 1", True),
        ("one = true", False),
        ("tenant = gold", True),
        ("tenant==gold", True),
        ("tenant != gold", False),
        ("tenant = silver", False),
        ("tenant != silver", True),
        ("tenant > 3", False),
        ("code = 007", True),
        ("code = 7", False),
        ("items > 2", True),
        ("items > 3", False),
        ("items >= 3", True),
        ("items < 4", True),
        ("items<3", False),
        ("items <= 3", True),
        ("items > -1", True),
        ("items > 2 and hit", True),
        ("items > 2  and  not hit", False),
        ("nobody", False),
        ("not nobody", True),
        ("nobody = 3", False),
        ("nobody != 3", True),
        ("nobody < 3", False),
    ],
)
def test_when_a_condition_holds(written, holds):
    """A condition compares values of one kind, and a decision that nobody made is equal to nothing."""
    when = parse_when(written)
    assert when.holds(GOLD) is holds
    assert parse_when(str(when)) == when


@pytest.mark.parametrize(
    "written", [None, 5, True, "", " ", "hit and", "= 3", "items >", "a b", "items > gold", 'a = "b"', "x" * 501]
)
def test_what_no_condition_is(written):
    """Whatever is no condition is refused with what one looks like."""
    with pytest.raises(ValueError, match="is not a condition"):
        parse_when(written)


@pytest.mark.parametrize(
    ("written", "number", "most"),
    [
        (3, 3, 3),
        ("items", 3, None),
        ("hit", 1, None),
        ("tenant", 0, None),
        ("nobody", 0, None),
        ("uniform(0, 8)", 4, 8),
        ("uniform(0, 999999999)", MAX_TIMES, MAX_TIMES),
        ("pick(10)", 6, 10),
    ],
)
def test_how_many_times(written, number, most):
    """A number, a drawn one or that of a decision; what was not decided, or is no number, is none."""
    times = parse_times(written)
    assert times.of(lambda: 0.5, GOLD) == number
    assert times.most == most
    assert parse_times(times.plain()) == times


def test_the_mean_of_times():
    """The average is that of what is drawn; of a decision it is not known here."""
    assert parse_times("uniform(1, 8)").mean == pytest.approx(4.5, abs=0.05)
    assert parse_times("poisson(3)").mean == pytest.approx(3, abs=0.1)
    assert (Times(4).mean, parse_times("items").mean) == (4.0, 1.0)


@pytest.mark.parametrize("written", [0, -1, MAX_TIMES + 1, True, 1.5, "", "2", "3 times", None, [], "zipf(3)"])
def test_what_no_number_of_times_is(written):
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"times|out of range|there is no"):
        parse_times(written)

"""Faults: their observed rate is the configured one, message by message and reproducibly."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.draws import FIRST_VISIT, draw
from simulator.behaviour.faults import FAULTS, Error, parse_fault

MESSAGES = 4_000
US = st.integers(0, 2**52 - 1).map(lambda step: (step + 0.5) * 2.0**-52)


def binomial_interval(trials, percent):
    """Give the least and the greatest count between the outer 0.05 % on each side, in exact whole numbers."""
    if percent in (0, 100):
        return trials * percent // 100, trials * percent // 100
    # The weight of a count k is C(n, k) p^k q^(n - k); each follows from the last without a remainder.
    weights = [(100 - percent) ** trials]
    for k in range(trials):
        weights.append(weights[-1] * (trials - k) * percent // ((k + 1) * (100 - percent)))
    total = 100**trials
    assert sum(weights) == total
    up_to = itertools.accumulate(weights)
    inner = [
        count
        for count, weight in enumerate(up_to)
        if weight * 2000 > total and (weight - weights[count]) * 2000 <= total * 1999
    ]
    return inner[0], inner[-1]


def test_the_interval_is_that_of_a_fair_coin():
    """No head in ten throws has a chance of 1 in 1,024, over 0.05 %; none in eleven one of 1 in 2,048, under it."""
    assert binomial_interval(10, 50) == (0, 10)
    assert binomial_interval(11, 50) == (1, 10)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("percent", [0, 5, 30, 45, 60, 100])
def test_the_observed_rate_is_the_configured_one(percent, seed):
    """Of 4,000 messages as many are hit as the exact binomial distribution allows in 99.9 % of all cases."""
    fault = parse_fault(f"error(503, {percent}%)")
    us = [draw(seed, "parse", f"m-{number}", FIRST_VISIT, str(fault)) for number in range(MESSAGES)]
    least, greatest = binomial_interval(MESSAGES, percent)
    assert least <= sum(fault.strikes(u) for u in us) <= greatest


@given(US)
def test_none_at_0_and_each_at_100_percent(u):
    """No draw is hit by a fault of 0 %, and none escapes one of 100 %."""
    assert not parse_fault("error(503, 0%)").strikes(u)
    assert parse_fault("error(503, 100%)").strikes(u)


@given(US, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_rate_hits_whatever_a_lower_one_hits(u, first, second):
    """Raising the rate adds messages to those that are hit and spares none of them."""
    low, high = sorted((first, second))
    assert Error(503, high).strikes(u) or not Error(503, low).strikes(u)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("error(503, 5%)", Error(503, 0.05)),
        ("error(503, 0.05)", Error(503, 0.05)),
        ("error(rate=5%, status=400)", Error(400, 0.05)),
        (" error( 599 , 100% ) ", Error(599, 1.0)),
    ],
)
def test_a_fault_is_read_from_its_text(text, fault):
    """The status and the rate go by position or by name."""
    assert parse_fault(text) == fault


@given(st.integers(400, 599), st.floats(0, 1))
def test_a_fault_reads_back_from_its_text(status, ratio):
    """Writing a fault and reading it gives an equal one, to the last bit of its rate."""
    fault = Error(status, ratio)
    assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize(
    ("text", "carets", "reason"),
    [
        ("explode(5%)", "^" * 11, "there is no fault 'explode'; there are error"),
        ("error()", "^" * 7, "error lacks its status"),
        ("error(503)", "^" * 10, "error lacks its rate"),
        ("error(200, 5%)", "      ^^^", "'200' is not an HTTP error status: must be between 400 and 599"),
        ("error(600, 5%)", "      ^^^", "'600' is not an HTTP error status: must be between 400 and 599"),
        ("error(503, 150%)", "           ^^^^", "'150%' is more than everything: must be between 0% and 100%"),
        ("error(503, 5)", "           ^", "'5' is more than everything"),
        ("error(503, -5%)", "           ^^^", "'-5%' is not a share"),
        ("error(503, 5%, 5s)", "               ^^", "error does not take this; it takes status, rate"),
        ("error(503, 5%, color=red)", "               ^^^^^^^^^", "error does not take this; it takes status, rate"),
        ("503", "^", "expected a name and an opening parenthesis"),
    ],
)
def test_a_wrong_fault_is_refused_at_its_place(text, carets, reason):
    """The error says what is wrong, shows the text and points at the part of it that is meant."""
    with pytest.raises(ValueError) as refusal:
        parse_fault(text)
    shown = str(refusal.value).split("\n")
    assert shown[0].startswith(reason)
    assert shown[1:] == ["    " + text, "    " + carets]


@given(st.text() | st.lists(st.sampled_from([*FAULTS, *"(),=:%. 059", "503", "rate="])).map("".join))
def test_no_text_raises_anything_but_a_value_error(text):
    """Whatever is written, reading it as a fault ends in a fault or a ValueError."""
    try:
        fault = parse_fault(text)
    except ValueError as error:
        assert str(error)
    else:
        assert parse_fault(str(fault)) == fault

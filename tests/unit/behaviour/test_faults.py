"""Faults: their observed rate is the configured one, message by message and reproducibly."""

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.draws import FIRST_VISIT, draw
from simulator.behaviour.faults.base import Phase
from simulator.behaviour.faults.cpu import Cpu
from simulator.behaviour.faults.error import Error
from simulator.behaviour.faults.hang import Hang
from simulator.behaviour.faults.memory import Memory
from simulator.behaviour.faults.registry import FAULTS, parse_fault
from simulator.behaviour.faults.reset import Reset
from simulator.behaviour.faults.slow_body import SlowBody
from simulator.behaviour.faults.truncate import Truncate

MESSAGES = 4_000
US = st.integers(0, 2**52 - 1).map(lambda step: (step + 0.5) * 2.0**-52)
DURATIONS = st.just(0.0) | st.floats(1e-9, 604_800)
# What every fault has: a share of the messages, and perhaps one instance alone.
SHARED = {"rate_ratio": st.just(0.0) | st.floats(1e-12, 1), "instance": st.none() | st.integers(1, 999_999_999)}
ANY = (
    st.builds(Error, status=st.integers(400, 599), **SHARED)
    | st.builds(Hang, duration_seconds=DURATIONS, **SHARED)
    | st.builds(Reset, **SHARED)
    | st.builds(Truncate, **SHARED)
    | st.builds(SlowBody, bytes_per_second=st.integers(1, 10**15).map(lambda number: number / 1000), **SHARED)
    | st.builds(Cpu, duration_seconds=DURATIONS, **SHARED)
    | st.builds(Memory, bytes=st.integers(0, 2**30), **SHARED)
)
# Every fault as far as its rate.
KINDS = ["error(503", "hang(30s", "reset(", "truncate(", "slow_body(20B/s", "cpu(20ms", "memory(50MB"]


def of_rate(beginning, rate):
    """Write a fault with a rate."""
    return f"{beginning}{'' if beginning.endswith('(') else ', '}{rate})"


@functools.cache
def binomial_interval(trials, percent):
    """Return the least and the greatest count between the outer 0.05 % on each side, in exact whole numbers."""
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
    assert least <= sum(fault.hits(u) for u in us) <= greatest


@pytest.mark.parametrize("beginning", KINDS)
@pytest.mark.parametrize("percent", [0, 5, 30, 60, 100])
def test_every_fault_strikes_the_share_that_is_its_rate(beginning, percent):
    """Whatever the fault does, its rate means the same: a share of the messages, in the exact binomial interval."""
    fault = parse_fault(of_rate(beginning, f"{percent}%"))
    us = [draw(7, "parse", f"m-{number}", FIRST_VISIT, str(fault)) for number in range(MESSAGES)]
    least, greatest = binomial_interval(MESSAGES, percent)
    assert least <= sum(fault.hits(u) for u in us) <= greatest


def test_every_fault_is_observed():
    """The list above leaves out no fault that a configuration can name."""
    assert [beginning.partition("(")[0] for beginning in KINDS] == list(FAULTS)


@pytest.mark.parametrize("beginning", KINDS)
@given(u=US)
def test_none_at_0_and_each_at_100_percent(beginning, u):
    """No draw is hit by a fault of 0 %, and none escapes one of 100 %."""
    assert not parse_fault(of_rate(beginning, "0%")).hits(u)
    assert parse_fault(of_rate(beginning, "100%")).hits(u)


@given(US, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_rate_hits_whatever_a_lower_one_hits(u, first, second):
    """Raising the rate adds messages to those that are hit and spares none of them."""
    low, high = sorted((first, second))
    assert Error(status=503, rate_ratio=high).hits(u) or not Error(status=503, rate_ratio=low).hits(u)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("error(503, 5%)", Error(status=503, rate_ratio=0.05)),
        ("error(503, 0.05)", Error(status=503, rate_ratio=0.05)),
        ("error(rate=5%, status=400)", Error(status=400, rate_ratio=0.05)),
        (" error( 599 , 100% ) ", Error(status=599, rate_ratio=1.0)),
        ("error(503, 5%, instance=2)", Error(status=503, rate_ratio=0.05, instance=2)),
        ("error(instance=2, 503, 5%)", Error(status=503, rate_ratio=0.05, instance=2)),
        ("hang(30s, 1%)", Hang(duration_seconds=30.0, rate_ratio=0.01)),
        ("hang(rate=1%, duration=0)", Hang(duration_seconds=0.0, rate_ratio=0.01)),
        ("reset(0.5%)", Reset(rate_ratio=0.005)),
        ("reset(rate=1%, instance=3)", Reset(rate_ratio=0.01, instance=3)),
        ("truncate(1%)", Truncate(rate_ratio=0.01)),
        ("slow_body(20B/s, 5%)", SlowBody(bytes_per_second=20.0, rate_ratio=0.05)),
        ("slow_body(rate=5%, rate_per_second=1.5KB/s)", SlowBody(bytes_per_second=1500.0, rate_ratio=0.05)),
        ("cpu(20ms)", Cpu(duration_seconds=0.02, rate_ratio=1.0)),
        ("cpu(20ms, 5%)", Cpu(duration_seconds=0.02, rate_ratio=0.05)),
        ("cpu(20ms, instance=1)", Cpu(duration_seconds=0.02, instance=1)),
        ("memory(50MB)", Memory(bytes=50_000_000, rate_ratio=1.0)),
        ("memory(bytes=1GiB, rate=5%)", Memory(bytes=2**30, rate_ratio=0.05)),
        ("memory(512)", Memory(bytes=512)),
    ],
)
def test_a_fault_is_read_from_its_text(text, fault):
    """The values go by position or by name, the instance by name alone; the rate of some may be left out for all."""
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("error(rate=0.05, status=503)", "error(503, 5%)"),
        ("hang(0.5m, 1%, instance=2)", "hang(30s, 1%, instance=2)"),
        ("reset( 0.5% )", "reset(0.5%)"),
        ("truncate(1)", "truncate(100%)"),
        ("slow_body(1.5KB/s, 5%)", "slow_body(1500B/s, 5%)"),
        ("cpu(0.02s)", "cpu(20ms, 100%)"),
        ("memory(1500)", "memory(1500B, 100%)"),
        ("memory(50000KB, 5%)", "memory(50MB, 5%)"),
    ],
)
def test_a_fault_has_one_text(text, written):
    """However it was written down, a fault's own text, which is its label too, is always the same."""
    assert str(parse_fault(text)) == written


@given(ANY)
def test_a_fault_reads_back_from_its_text(fault):
    """Writing a fault and reading it gives an equal one, to the last bit of its rate."""
    assert parse_fault(str(fault)) == fault


class Told:
    """A target that remembers what was done to it."""

    def __init__(self):
        self.done = []

    def __getattr__(self, name):
        return lambda *arguments: self.done.append((name, *arguments))


@pytest.mark.parametrize(
    ("text", "phase", "done", "withholds"),
    [
        ("error(503, 5%)", Phase.AFTER, ("fail", 503, ""), False),
        ("hang(30s, 1%)", Phase.AFTER, ("pause", 30.0), True),
        ("reset(1%)", Phase.AFTER, ("reset",), True),
        ("truncate(1%)", Phase.ANSWER, ("truncate_answer",), True),
        ("slow_body(20B/s, 5%)", Phase.ANSWER, ("slow_answer", 20.0), True),
        ("cpu(20ms)", Phase.AFTER, ("compute", 0.02), True),
        ("memory(50MB)", Phase.BEFORE, ("hold", 50_000_000), False),
    ],
)
def test_a_fault_does_one_thing_in_one_phase(text, phase, done, withholds):
    """Each does its own thing and nothing else, and it is known whether a client may see no answer for it."""
    fault, target = parse_fault(text), Told()
    fault.inject(target)
    assert (fault.phase, target.done, fault.withholds_answer) == (phase, [done], withholds)


NAMES = "error, hang, reset, truncate, slow_body, cpu, memory"


@pytest.mark.parametrize(
    ("text", "carets", "reason"),
    [
        ("explode(5%)", "^" * 11, f"there is no fault 'explode'; there are {NAMES}"),
        ("error()", "^" * 7, "error lacks its status"),
        ("error(503)", "^" * 10, "error lacks its rate"),
        ("error(200, 5%)", "      ^^^", "'200' is not an HTTP error status: must be between 400 and 599"),
        ("error(600, 5%)", "      ^^^", "'600' is not an HTTP error status: must be between 400 and 599"),
        ("error(503, 150%)", "           ^^^^", "'150%' exceeds 100%: must be between 0% and 100%"),
        ("error(503, 5)", "           ^", "'5' exceeds 100%"),
        ("error(503, -5%)", "           ^^^", "'-5%' is not a share"),
        (
            "error(503, 5%, 5s)",
            "               ^^",
            'error does not take this; it takes "message", status, rate',
        ),
        (
            "error(503, 5%, color=red)",
            "               ^^^^^^^^^",
            'error does not take `color`; it takes "message", status, rate, ',
        ),
        ("error(503, 5%, instance=0)", " " * 24 + "^", "'0' is not a whole number from 1 to 999999999"),
        ("error(503, 5%, instance=one)", " " * 24 + "^^^", "'one' is not a whole number from 1 to 999999999"),
        ("reset(1%, instance=1, instance=2)", " " * 22 + "^" * 10, "reset does not take this; it takes rate, instance"),
        (
            "error(503, 5%, 2)",
            "               ^",
            'error does not take this; it takes "message", status, rate',
        ),
        ("hang(1%)", "     ^^", "'1%' has the unknown unit '%': allowed are ns, us, µs, ms, s, m, min, h"),
        ("hang(30s)", "^" * 9, "hang lacks its rate"),
        ("hang(30, 1%)", "     ^^", "'30' has no unit: write 30ms or 30s"),
        ("reset()", "^" * 7, "reset lacks its rate"),
        ("truncate()", "^" * 10, "truncate lacks its rate"),
        ("truncate(1%, 50%)", "             ^^^", "truncate does not take this; it takes rate, instance="),
        ("slow_body()", "^" * 11, "slow_body lacks its rate_per_second"),
        ("slow_body(20B/s)", "^" * 16, "slow_body lacks its rate"),
        ("slow_body(20, 5%)", " " * 10 + "^^", "'20' is not a number of bytes per second: write 20B/s or 1KB/s"),
        ("slow_body(0B/s, 5%)", " " * 10 + "^^^^", "'0B/s' is out of range: must be between 0.001B/s and"),
        ("cpu()", "^" * 5, "cpu lacks its duration"),
        ("cpu(5%)", "    ^^", "'5%' has the unknown unit '%'"),
        ("memory()", "^" * 8, "memory lacks its bytes"),
        ("memory(2GiB)", "       ^^^^", "'2GiB' exceeds 1GiB"),
        ("memory(0.5B)", "       ^^^^", "'0.5B' is not a whole number of bytes"),
        ("5 03(1%)", "^", "expected a name and an opening parenthesis"),
    ],
)
def test_a_wrong_fault_is_refused_at_its_place(text, carets, reason):
    """The error says what is wrong, shows the text and points at the part of it that is meant."""
    with pytest.raises(ValueError) as refusal:
        parse_fault(text)
    shown = str(refusal.value).split("\n")
    assert shown[0].startswith(reason)
    assert shown[1:] == ["    " + text, "    " + carets]


@given(
    st.text()
    | st.lists(st.sampled_from([*FAULTS, *"(),=:%. 059", "503", "rate=", "5s", "5B/s", "instance="])).map("".join)
)
def test_no_text_raises_anything_but_a_value_error(text):
    """Whatever is written, reading it as a fault ends in a fault or a ValueError."""
    try:
        fault = parse_fault(text)
    except ValueError as error:
        assert str(error)
    else:
        assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize(
    ("written", "example"),
    [
        ("error", "error(503, 5%)"),
        ("error 503 5%", "error(503, 5%)"),
        ("503", "error(503, 5%)"),
        ("timeout", "hang(30s, 1%)"),
        ("disconnect", "reset(0.5%)"),
        (5, "error(503, 5%)"),
        (None, "error(503, 5%)"),
        ({"type": "hang", "duration": "30s"}, "hang(30s, 1%)"),
        ({"cpu": "20ms"}, "cpu(20ms, 10%)"),
        ({}, "error(503, 5%)"),
    ],
)
def test_what_is_no_fault_is_told_how_one_is_written(written, example):
    """A name alone, or a mapping as in other programs, has the notation of the fault that was meant."""
    with pytest.raises(ValueError, match="is not a fault: write ") as refusal:
        parse_fault(written)
    assert str(refusal.value).endswith(f"write {example}")
    parse_fault(example)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("latency(200ms, 5%)", "there is no fault 'latency'; did you mean `hang`?"),
        ("http_error(503, 5%)", "there is no fault 'http_error'; did you mean `error`?"),
        ("error(503, 5)", "'5' exceeds 100%: write 5%"),
        (
            "error(code=503, rate=5%)",
            'error does not take `code`; it takes "message", status, rate, instance=, when=; did you mean `st',
        ),
        (
            "error(503, probability=5%)",
            'error does not take `probability`; it takes "message", status, rate, instance=, when=; did you',
        ),
    ],
)
def test_a_fault_by_another_name(text, reason):
    """The words of other programs are answered by ours."""
    with pytest.raises(ValueError) as refusal:
        parse_fault(text)
    assert str(refusal.value).startswith(reason)

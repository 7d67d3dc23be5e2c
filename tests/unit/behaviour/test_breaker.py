"""The circuit breaker: when it opens, what it lets through meanwhile, and how it closes again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.breaker import Breaker, BreakerRule, Position, parse_breaker

RULES = st.builds(BreakerRule, st.integers(1, 4), st.sampled_from([0.5, 1.0, 3.0]))
# Steps of an eighth of a second add up exactly.
PASSING = st.integers(0, 32).map(lambda eighths: eighths / 8)
OUTCOMES = st.sampled_from(["well", "failed", "failed on purpose", "abandoned"])


def tell(breaker, outcome, now):
    """Report an attempt to a breaker."""
    if outcome == "well":
        breaker.succeeded()
    elif outcome == "abandoned":
        breaker.abandoned()
    else:
        breaker.failed(now, injected=outcome == "failed on purpose")


def opened(failures=1, reset_seconds=10.0, injected=False):
    """Make a breaker that opened at 0 seconds."""
    breaker = Breaker(BreakerRule(failures, reset_seconds))
    for _ in range(failures):
        assert breaker.lets_through(0.0)
        breaker.failed(0.0, injected)
    assert breaker.position is Position.OPEN
    return breaker


@given(RULES, st.lists(st.tuples(PASSING, OUTCOMES), max_size=60))
def test_attempts_one_after_another_meet_what_the_rule_says(rule, steps):
    """A breaker lets through the same as a model that remembers only the last failures in a row."""
    breaker, now, in_a_row, opened_at = Breaker(rule), 0.0, [], None
    for passing, outcome in steps:
        now += passing
        expected = opened_at is None or now - opened_at >= rule.reset_seconds
        assert breaker.lets_through(now) is expected
        if not expected:
            continue
        tell(breaker, outcome, now)
        if outcome == "well":
            in_a_row, opened_at = [], None
        elif outcome != "abandoned":
            in_a_row.append(outcome == "failed on purpose")
            opened_at = now if opened_at is not None or len(in_a_row) >= rule.failures else None
        assert (breaker.position is Position.CLOSED) is (opened_at is None)
        if opened_at is not None:
            assert breaker.injected is all(in_a_row)


@given(RULES, st.lists(st.tuples(PASSING, st.sampled_from(["ask", "well", "failed"])), max_size=80))
def test_while_half_open_at_most_one_attempt_is_under_way(rule, steps):
    """However attempts overlap, a breaker that has opened lets no second one through before the first is reported."""
    breaker, now, in_flight = opened(rule.failures, rule.reset_seconds), 0.0, 0
    for passing, what in steps:
        now += passing
        if what == "ask":
            in_flight += breaker.lets_through(now)
        elif in_flight:
            tell(breaker, what, now)
            in_flight = 0
        if breaker.position is Position.CLOSED:
            return
        assert in_flight <= 1


@pytest.mark.parametrize("failures", [1, 2, 5])
def test_it_opens_at_the_last_of_so_many_failures_in_a_row(failures):
    """One failure fewer leaves it closed; a success in between resets the count."""
    breaker = Breaker(BreakerRule(failures, 10.0))
    for outcome in [*["failed"] * (failures - 1), "well", *["failed"] * (failures - 1)]:
        assert breaker.lets_through(0.0)
        tell(breaker, outcome, 0.0)
    assert breaker.position is Position.CLOSED
    assert breaker.lets_through(0.0)
    breaker.failed(0.0, injected=False)
    assert breaker.position is Position.OPEN
    assert not breaker.lets_through(0.0)


def test_it_stays_open_until_the_last_moment_of_its_time():
    """Nothing is let through before 10 s have passed, and one attempt exactly then."""
    breaker = opened()
    assert not breaker.lets_through(9.999)
    assert breaker.position is Position.OPEN
    assert breaker.lets_through(10.0)
    assert breaker.position is Position.HALF_OPEN


def test_half_open_lets_one_attempt_through_and_no_second():
    """Until the one attempt is reported, however long that takes, there is no other."""
    breaker = opened()
    assert [breaker.lets_through(now) for now in (10.0, 10.0, 11.0, 1000.0)] == [True, False, False, False]


def test_a_successful_attempt_closes_it():
    """After a success everything is let through, and it takes the full number of failures to open again."""
    breaker = opened(failures=2)
    assert breaker.lets_through(10.0)
    breaker.succeeded()
    assert breaker.position is Position.CLOSED
    assert breaker.lets_through(10.0)
    assert breaker.lets_through(10.0)
    breaker.failed(10.0, injected=False)
    assert breaker.position is Position.CLOSED


def test_a_failed_probe_opens_it_for_the_whole_time_again():
    """One failure is enough while half open, and the time counts from it."""
    breaker = opened(failures=5)
    assert breaker.lets_through(12.0)
    breaker.failed(13.0, injected=False)
    assert breaker.position is Position.OPEN
    assert not breaker.lets_through(22.9)
    assert breaker.lets_through(23.0)


def test_an_attempt_that_is_given_up_makes_room_for_another():
    """An attempt without a result neither closes it nor opens it."""
    breaker = opened()
    assert breaker.lets_through(10.0)
    breaker.abandoned()
    assert breaker.position is Position.HALF_OPEN
    assert breaker.lets_through(10.0)
    assert not breaker.lets_through(10.0)


def test_what_was_sent_before_it_opened_proves_nothing():
    """A late answer neither closes an open breaker nor lengthens its time."""
    breaker = opened()
    breaker.succeeded()
    assert breaker.position is Position.OPEN
    breaker.failed(9.0, injected=False)
    assert breaker.lets_through(10.0)


@pytest.mark.parametrize(
    ("failures", "injected"),
    [([True], True), ([False], False), ([True, True], True), ([True, False], False), ([False, True], False)],
)
def test_it_is_open_by_injection_if_every_failure_was_injected(failures, injected):
    """One genuine failure among those that opened it makes it a genuine opening."""
    breaker = Breaker(BreakerRule(len(failures), 10.0))
    for one in failures:
        assert breaker.lets_through(0.0)
        breaker.failed(0.0, one)
    assert breaker.position is Position.OPEN
    assert breaker.injected is injected


@pytest.mark.parametrize(("first", "second", "injected"), [(True, True, True), (True, False, False)])
def test_a_failed_probe_counts_with_the_failures_before(first, second, injected):
    """A breaker that reopens counts as injected only if the failures before and the probe all were."""
    breaker = opened(injected=first)
    assert breaker.lets_through(10.0)
    breaker.failed(10.0, second)
    assert breaker.injected is injected


def test_a_success_clears_what_the_failures_before_were():
    """After it has closed, an injected failure makes it an injected opening, whatever opened it before."""
    breaker = opened(injected=False)
    assert breaker.lets_through(10.0)
    breaker.succeeded()
    assert breaker.lets_through(10.0)
    breaker.failed(10.0, injected=True)
    assert breaker.injected is True


def test_the_positions_are_named_as_in_the_metrics():
    """The labels are closed, open and half_open."""
    assert [str(position) for position in Position] == ["closed", "open", "half_open"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("breaker(failures=5, reset=10s)", BreakerRule(5, 10.0)),
        ("breaker(5, 10s)", BreakerRule(5, 10.0)),
        (" breaker( reset=500ms , failures=1 ) ", BreakerRule(1, 0.5)),
    ],
)
def test_a_breaker_is_read_from_its_text(text, rule):
    """Both numbers go by position or by name."""
    assert parse_breaker(text) == rule


@given(st.builds(BreakerRule, st.integers(1, 999_999_999), st.floats(1e-9, 604_800)))
def test_a_breaker_reads_back_from_its_text(rule):
    """Writing a rule and reading it gives an equal one, to the last bit."""
    assert parse_breaker(str(rule)) == rule


@pytest.mark.parametrize("value", [None, True, 5, 1.5, "", "5", "breaker", [], {}])
def test_text_that_is_not_a_breaker_is_refused_with_an_example(value):
    """The refusal shows what was written and what would do."""
    with pytest.raises(ValueError) as refusal:
        parse_breaker(value)
    assert str(refusal.value) == f"{value!r} is not like breaker(failures=5, reset=10s)"


@pytest.mark.parametrize(
    ("text", "carets", "reason"),
    [
        ("fuse(5, 10s)", "^" * 12, "write breaker(failures=5, reset=10s)"),
        ("breaker()", "^" * 9, "breaker lacks its failures"),
        ("breaker(5)", "^" * 10, "breaker lacks its reset"),
        ("breaker(0, 10s)", "        ^", "'0' is not a whole number from 1 to 999999999"),
        ("breaker(failures=1.5, reset=10s)", " " * 17 + "^^^", "'1.5' is not a whole number from 1 to 999999999"),
        ("breaker(5, 10)", "           ^^", "'10' has no unit: write 10ms or 10s"),
        ("breaker(5, 0s)", "^" * 14, "reset must be more than 0"),
        ("breaker(5, 10s, 1)", "                ^", "breaker does not take this; it takes failures, reset"),
        ("breaker(5, 10s", "              ^", "expected a comma or a closing parenthesis"),
    ],
)
def test_a_wrong_breaker_is_refused_at_its_place(text, carets, reason):
    """The error says what is wrong, shows the text and points at the wrong part."""
    with pytest.raises(ValueError) as refusal:
        parse_breaker(text)
    shown = str(refusal.value).split("\n")
    assert shown[0].startswith(reason)
    assert shown[1:] == ["    " + text, "    " + carets]


@given(st.text() | st.lists(st.sampled_from([*"(),=:%. 059", "breaker(", "reset=", "failures=", "5s"])).map("".join))
def test_no_text_raises_anything_but_a_value_error(text):
    """Whatever is written, reading it ends in a rule that reads back, or in a ValueError."""
    try:
        rule = parse_breaker(text)
    except ValueError as error:
        assert str(error)
    else:
        assert parse_breaker(str(rule)) == rule

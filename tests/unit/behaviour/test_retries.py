"""Retries: the pauses between them, their budget, and how they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.draws import FIRST_VISIT, draw
from simulator.behaviour.retries import RESERVE, Budget, Retries, parse_retries

US = st.integers(0, 2**52 - 1).map(lambda step: (step + 0.5) * 2.0**-52)
SECONDS = st.floats(1e-6, 604_800)
RETRIES = st.builds(Retries, st.integers(1, 100), SECONDS, SECONDS, st.none() | st.just(0.0) | st.floats(1e-12, 1))
PAUSES = 20_000


def spend_all(budget):
    """Return how many retries can be taken from a budget before it refuses."""
    taken = 0
    while budget.take():
        taken += 1
    return taken


@pytest.mark.parametrize(
    ("failed", "ceiling"),
    [(1, 0.05), (2, 0.1), (3, 0.2), (4, 0.4), (5, 0.8), (6, 1.6), (7, 2.0), (8, 2.0), (10**6, 2.0)],
)
def test_the_longest_pause_doubles_up_to_the_maximum(failed, ceiling):
    """From 50 ms on each failed attempt doubles the longest pause, until it is 2 s."""
    retries = parse_retries("retries(3, backoff=50ms, max=2s)")
    assert retries.pause_seconds(failed, 0.5) == ceiling / 2
    assert retries.pause_seconds(failed, 0.25) == ceiling / 4


@given(RETRIES, st.integers(1, 10_000), US)
def test_a_pause_is_never_beyond_its_bounds(retries, failed, u):
    """A pause is more than nothing, no more than the maximum, and no more than the doubled backoff."""
    pause = retries.pause_seconds(failed, u)
    assert 0 < pause <= retries.max_seconds
    assert pause <= retries.backoff_seconds * 2.0 ** min(failed - 1, 1000)


@given(RETRIES, st.integers(1, 200), US)
def test_one_more_failure_doubles_the_pause_and_no_more(retries, failed, u):
    """For the same draw the next pause is twice as long, or the maximum's, and never shorter."""
    before, after = retries.pause_seconds(failed, u), retries.pause_seconds(failed + 1, u)
    assert before <= after
    assert after == pytest.approx(min(2 * before, u * retries.max_seconds))


@pytest.mark.parametrize("failed", [1, 3])
def test_pauses_are_spread_evenly_from_nothing_on(failed):
    """Of 20,000 pauses a tenth falls into each tenth of the longest one, to 4.9 standard errors (full jitter)."""
    retries = Retries(3, 0.1, 10.0)
    ceiling = 0.1 * 2 ** (failed - 1)
    pauses = [
        retries.pause_seconds(failed, draw(7, "parse", f"m-{n}", FIRST_VISIT, f"pause {failed}")) for n in range(PAUSES)
    ]
    for tenth in range(10):
        within = sum(ceiling * tenth / 10 < pause <= ceiling * (tenth + 1) / 10 for pause in pauses)
        assert abs(within - PAUSES / 10) <= 4.9 * (PAUSES * 0.1 * 0.9) ** 0.5


def test_without_a_backoff_there_is_no_pause():
    """`backoff=0` retries immediately."""
    assert parse_retries("retries(3, backoff=0)").pause_seconds(5, 0.999) == 0.0


@given(st.floats(0, 1), st.lists(st.booleans(), max_size=300))
def test_a_budget_lets_through_its_share_of_the_calls_and_its_reserve(ratio, events):
    """Whatever the order of calls and retries, of n calls at most ratio * n + RESERVE are retried, at any time."""
    budget, calls, taken = Budget(ratio), 0, 0
    for is_call in events:
        if is_call:
            budget.call()
            calls += 1
        else:
            taken += budget.take()
        assert taken <= ratio * calls + RESERVE + 1e-9


@pytest.mark.parametrize("percent", [0, 5, 20, 60, 100])
def test_where_everything_fails_the_retries_are_the_budgets_share(percent):
    """Of 10,000 calls that would all be retried for ever, the share is retried that the budget says."""
    budget, taken = Budget(percent / 100), 0
    for _ in range(10_000):
        budget.call()
        taken += spend_all(budget)
    assert 100 * percent + RESERVE - 1 <= taken <= 100 * percent + RESERVE


def test_a_quiet_stage_may_retry_at_once():
    """Before any call has paid in, RESERVE retries are let through, also where the budget is 0 %."""
    assert spend_all(Budget(0.2)) == RESERVE
    assert spend_all(Budget(0.0)) == RESERVE


@pytest.mark.parametrize(("ratio", "most"), [(0.0, 10), (0.05, 10), (0.2, 20), (1.0, 100)])
def test_good_times_are_not_saved_up_without_bound(ratio, most):
    """After 100,000 calls without a retry, no more are let through at once than 100 calls pay for."""
    budget = Budget(ratio)
    for _ in range(100_000):
        budget.call()
    assert spend_all(budget) == most


@pytest.mark.parametrize(
    ("written", "retries"),
    [
        (0, Retries()),
        ("0", Retries()),
        (2, Retries(2)),
        ("2", Retries(2)),
        (" 100 ", Retries(100)),
        ("retries(3)", Retries(3)),
        ("retries(count=3)", Retries(3)),
        ("retries(3, backoff=50ms, max=2s, budget=20%)", Retries(3, 0.05, 2.0, 0.2)),
        (" retries( budget=0.2 , 3 ) ", Retries(3, budget_ratio=0.2)),
    ],
)
def test_retries_are_read_from_a_number_or_the_whole_notation(written, retries):
    """A number alone has 100 ms, 10 s and no budget; each of them can be said by its key."""
    assert parse_retries(written) == retries


@pytest.mark.parametrize(
    ("retries", "text"),
    [
        (Retries(), "0"),
        (Retries(2), "retries(2)"),
        (Retries(2, 0.05), "retries(2, backoff=50ms)"),
        (Retries(2, max_seconds=2.0), "retries(2, max=2s)"),
        (Retries(2, 0.05, 2.0, 0.0), "retries(2, backoff=50ms, max=2s, budget=0%)"),
    ],
)
def test_retries_are_written_without_their_defaults(retries, text):
    """The text has only what differs from the defaults; a budget of 0 % does."""
    assert str(retries) == text
    assert parse_retries(text) == retries


@given(RETRIES)
def test_retries_read_back_from_their_text(retries):
    """Writing them and reading them gives equal ones, to the last bit."""
    assert parse_retries(str(retries)) == retries


EXAMPLE = "retries(3, backoff=50ms, max=2s, budget=20%)"


@pytest.mark.parametrize("value", [None, True, False, 1.5, "", "x", "-1", "1.5", "two", [], {}, b"2", "retries"])
def test_text_that_is_not_a_number_of_retries_is_refused_with_an_example(value):
    """The refusal shows what was written and both ways to write it right."""
    with pytest.raises(ValueError) as refusal:
        parse_retries(value)
    assert str(refusal.value) == f"{value!r} is not a number of retries, nor like {EXAMPLE}"


@pytest.mark.parametrize("value", [-1, 101, "101"])
def test_a_number_of_retries_out_of_range_is_refused(value):
    """More than 100 retries, or fewer than none, are an error."""
    with pytest.raises(ValueError) as refusal:
        parse_retries(value)
    assert str(refusal.value) == f"{value} retries are out of range: must be between 0 and 100"


@pytest.mark.parametrize(
    ("text", "carets", "reason"),
    [
        ("again(3)", "^" * 8, f"write a number, or {EXAMPLE}"),
        ("retries()", "^" * 9, "retries lacks its count"),
        ("retries(101)", "^" * 12, "101 retries are out of range: must be between 0 and 100"),
        ("retries(0)", "        ^", "'0' is not a whole number from 1 to 999999999"),
        ("retries(x)", "        ^", "'x' is not a whole number from 1 to 999999999"),
        ("retries(3, 50ms)", "           ^^^^", "retries does not take this; it takes count, backoff=, max=, budget="),
        ("retries(3, backoff=5)", "                   ^", "'5' has no unit: write 5ms or 5s"),
        ("retries(3, max=x)", "               ^", "'x' is not a duration: write 250ms, 1.5s or 1m30s"),
        ("retries(3, budget=120%)", "                  ^^^^", "'120%' exceeds 100%"),
        (
            "retries(3, jitter=1s)",
            "           ^^^^^^^^^",
            "retries does not take `jitter`; it takes count, backoff=, max=, budget=",
        ),
        ("retries(3", "         ^", "expected a comma or a closing parenthesis"),
    ],
)
def test_wrong_retries_are_refused_at_their_place(text, carets, reason):
    """The error says what is wrong, shows the text and points at the wrong part."""
    with pytest.raises(ValueError) as refusal:
        parse_retries(text)
    shown = str(refusal.value).split("\n")
    assert shown[0].startswith(reason)
    assert shown[1:] == ["    " + text, "    " + carets]


@given(st.text() | st.lists(st.sampled_from([*"(),=:%. 059", "retries(", "budget=", "backoff=", "5s"])).map("".join))
def test_no_text_raises_anything_but_a_value_error(text):
    """Whatever is written, reading it ends in retries that read back, or in a ValueError."""
    try:
        retries = parse_retries(text)
    except ValueError as error:
        assert str(error)
    else:
        assert parse_retries(str(retries)) == retries


@pytest.mark.parametrize("text", ["9999999999", " " * 10 + "3"])
def test_a_number_of_retries_is_read_as_a_whole(text):
    """However long a number is, or however far in it stands, it is that number that is taken or refused."""
    try:
        assert parse_retries(text) == Retries(int(text))
    except ValueError as error:
        assert str(error).startswith(f"{text} retries are out of range")

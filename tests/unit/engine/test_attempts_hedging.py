"""A second attempt beside one that is slow: when it sets out, and which of both counts."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulator.errors import DownstreamFailed, DownstreamTooSlow
from simulator.telemetry.record import Outcome
from tests.support.attempts import ABANDONED, ERROR, INJECTED, OK, TIMEOUT, calling, handle_all, visit, visits


def hedging(make_stage, *answers, **call):
    return calling(make_stage, *answers, hedge="1s", **call)


def test_a_quick_answer_needs_no_second_try(make_stage, make_message):
    """An attempt that is answered before the pause is over stays alone."""
    rig = hedging(make_stage, (0.9, 200))
    record = rig.handle(make_message())
    assert (len(rig.adapter.requests), record.downstream_seconds) == (1, 0.9)
    assert rig.tried == [(1, OK, 200)]


def test_a_second_try_sets_out_after_the_pause(make_stage, make_message):
    """If the first attempt has no answer for so long, a second one is made; the first good answer of both counts."""
    rig = hedging(make_stage, (9.0, 200), (0.5, 201))
    record = rig.handle(make_message())
    assert rig.adapter.moments == [0.0, 1.0]
    assert visits(rig) == [visit(1), visit(2)]
    (call,) = record.calls
    assert (call.outcome, call.code, call.duration_seconds) == (OK, 201, 1.5)
    first, second = call.attempts
    assert (first.number, first.outcome, first.code, first.duration_seconds) == (1, ABANDONED, None, 1.5)
    assert (second.number, second.outcome, second.duration_seconds) == (2, OK, 0.5)
    assert rig.tried == [(1, ABANDONED, None), (2, OK, 201)]
    assert rig.sink.started == ["price", "price"]


def test_the_first_try_may_win_after_all(make_stage, make_message):
    """The second attempt is abandoned where the first one is answered sooner."""
    rig = hedging(make_stage, (1.5, 200), (9.0, 200))
    (call,) = rig.handle(make_message()).calls
    assert [(attempt.number, attempt.outcome) for attempt in call.attempts] == [(1, OK), (2, ABANDONED)]
    assert (call.outcome, call.duration_seconds, rig.time.seconds) == (OK, 1.5, 1.5)


def test_two_good_answers_at_once_are_no_failure(make_stage, make_message, monkeypatch):
    """If both attempts are answered well before the stage looks again, neither is recorded as retried."""
    rig = hedging(make_stage, (2.0, 200), (1.0, 201))
    wait_any = rig.time.wait_any

    def wait_for_all(tasks, timeout_seconds):
        wait_any(tasks, timeout_seconds)
        if timeout_seconds is None:
            for task in tasks:
                task.result()

    monkeypatch.setattr(rig.time, "wait_any", wait_for_all)
    (call,) = rig.handle(make_message()).calls
    assert [(attempt.number, attempt.outcome) for attempt in call.attempts] == [(1, OK), (2, OK)]
    assert (call.outcome, call.duration_seconds) == (OK, 2.0)
    assert [pause for _, _, pause in rig.sink.attempts] == [None, None]


def test_a_failure_waits_for_the_other_try(make_stage, make_message):
    """When one of two attempts fails the answer of the other is still waited for."""
    rig = hedging(make_stage, (2.0, 503), (4.0, 200))
    (call,) = rig.handle(make_message()).calls
    assert [(attempt.number, attempt.outcome) for attempt in call.attempts] == [(1, ERROR), (2, OK)]
    assert (call.outcome, call.duration_seconds) == (OK, 5.0)


def test_a_failure_before_the_pause_is_a_failure(make_stage, make_message):
    """An attempt that fails at once is not hedged; it is retried or not, as any other."""
    rig = hedging(make_stage, 503, 200)
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert len(rig.adapter.requests) == 1
    rig = hedging(make_stage, 503, 200, retries=1)
    assert rig.handle(make_message()).outcome is Outcome.FORWARDED
    assert rig.tried == [(1, ERROR, 503), (2, OK, 200)]


@pytest.mark.parametrize(
    ("first", "second", "code", "injected"),
    [
        ((2.0, 503), (4.0, 500), 500, False),
        ((6.0, 503), (1.0, 500), 500, False),
        ((2.0, 503, INJECTED), (4.0, 500, INJECTED), 500, True),
        ((2.0, 503, INJECTED), (4.0, 500), 500, False),
    ],
)
def test_both_tries_fail(make_stage, make_message, first, second, code, injected):
    """When both attempts fail the call does, recorded as its second attempt, after the longer of the two."""
    rig = hedging(make_stage, first, second)
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    (call,) = rig.record.calls
    assert [attempt.outcome for attempt in call.attempts] == [ERROR, ERROR]
    assert (call.code, call.injected) == (code, injected)
    assert call.duration_seconds == max(first[0], 1.0 + second[0])


def test_hedged_tries_are_retried_together(make_stage, make_message):
    """When both attempts have failed and a retry follows, it may be hedged again, with the numbers going on."""
    rig = hedging(make_stage, (2.0, 503), (2.0, 503), (2.0, 200), (0.25, 200), retries="retries(1, backoff=1us)")
    (call,) = rig.handle(make_message()).calls
    assert [(attempt.number, attempt.outcome) for attempt in call.attempts] == [
        (1, ERROR),
        (2, ERROR),
        (3, ABANDONED),
        (4, OK),
    ]
    assert visits(rig) == [visit(number) for number in range(1, 5)]


def test_a_budget_bounds_the_second_tries_too(make_stage, make_message):
    """A second attempt takes from the budget for retries, and where that is spent there is none."""
    rig = hedging(make_stage, (2.0, 200), retries="retries(1, budget=0%)")
    for _ in range(15):
        rig.handle(make_message())
    assert [len(record.calls[0].attempts) for record in rig.sink.records] == [2] * 10 + [1] * 5


def test_two_tries_and_one_deadline(make_stage, make_message):
    """Both attempts end with the deadline."""
    rig = hedging(make_stage, (60.0, 200), deadline="4s")
    with pytest.raises(DownstreamTooSlow):
        rig.handle(make_message())
    assert rig.adapter.timeouts == [4.0, 3.0]
    assert (rig.record.duration_seconds, [a.outcome for a in rig.record.calls[0].attempts]) == (4.0, [TIMEOUT, TIMEOUT])


def test_a_hedged_call_counts_once_for_the_breaker(make_stage, make_message):
    """If one of two attempts succeeds, the breaker counts a success."""
    rig = hedging(make_stage, (2.0, 503), (4.0, 200), breaker="breaker(failures=1, reset=1h)")
    assert handle_all(rig, make_message, 2) == ["ok", "ok"]
    rig = hedging(make_stage, (2.0, 503), (2.0, 503), breaker="breaker(failures=2, reset=1h)")
    assert handle_all(rig, make_message, 3) == ["error_status", "error_status", "breaker_open"]


@given(
    first=st.floats(0, 5),
    second=st.floats(0, 5),
    codes=st.tuples(st.sampled_from([200, 503]), st.sampled_from([200, 503])),
)
@settings(max_examples=80)
def test_a_hedged_call_ends_with_its_first_good_answer(make_stage, make_message, first, second, codes):
    """Whatever the two attempts take and say, the call ends well with the earlier of the good answers, else it fails.

    An answer at the very moment of the second attempt may come before or after it.
    """
    assume(first != 1.0)
    rig = hedging(make_stage, (first, codes[0]), (second, codes[1]))
    with suppress(DownstreamFailed):
        rig.handle(make_message())
    (call,) = rig.record.calls
    hedged = first >= 1.0  # the pause started before the first attempt did
    ends = [(first, codes[0]), *([(1.0 + second, codes[1])] if hedged else [])]
    good = [end for end, code in ends if code == 200]
    assert call.outcome is (OK if good else ERROR)
    assert call.duration_seconds == pytest.approx(min(good) if good else max(end for end, _ in ends))
    assert len(call.attempts) == len(rig.adapter.requests) == len(ends)

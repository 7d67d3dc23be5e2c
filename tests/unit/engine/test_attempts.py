"""The attempts of a call, under a clock of the test's own: retries, the pauses between them, and their budget."""

from __future__ import annotations

from contextlib import suppress

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.draws import draw
from simulator.behaviour.retries import RESERVE, Retries
from simulator.errors import DownstreamFailed, DownstreamTooSlow
from simulator.stage.transport import Unreachable
from simulator.telemetry.record import Outcome
from tests.support.attempts import ERROR, INJECTED, OK, TIMEOUT, calling, in_turn, visit, visits


def pause(failed, backoff=0.1, most=10.0):
    """Return the pause after a failed attempt, as its draw says."""
    return Retries(9, backoff, most).pause_seconds(failed, draw(7, "parse", "m-1", "0", f"pause {failed} 0"))


def test_a_retry_after_a_pause(make_stage, make_message):
    """A call that fails is retried after a pause that is drawn, as a visit of its own, until it succeeds."""
    rig = calling(make_stage, 503, (0.25, 500), 200, retries=5)
    record = rig.handle(make_message())
    pauses = [pause(1), pause(2)]
    assert rig.sleeps == pauses
    assert rig.adapter.moments == pytest.approx([0.0, pauses[0], pauses[0] + 0.25 + pauses[1]])
    assert visits(rig) == [visit(1), visit(2), visit(3)]
    assert rig.tried == [(1, ERROR, 503), (2, ERROR, 500), (3, OK, 200)]
    assert [retry for _, _, retry in rig.sink.attempts] == [*pauses, None]
    (call,) = record.calls
    assert (call.outcome, call.code, call.error, call.injected) == (OK, 200, "", False)
    assert [attempt.number for attempt in call.attempts] == [1, 2, 3]
    assert call.duration_seconds == record.downstream_seconds == pytest.approx(0.25 + sum(pauses))
    assert rig.sink.started == ["price"] * 3


@given(
    retries=st.integers(1, 12),
    fails=st.integers(0, 14),
    backoff_ms=st.integers(1, 1000),
    most_ms=st.integers(1, 5000),
)
@settings(max_examples=60)
def test_so_many_tries_and_no_more(make_stage, make_message, retries, fails, backoff_ms, most_ms):
    """A call is attempted until it succeeds, at most `retries` + 1 times, with pauses that double up to a bound."""
    notation = f"retries({retries}, backoff={backoff_ms}ms, max={most_ms}ms)"
    rig = calling(make_stage, *[503] * fails, 200, retries=notation)
    with suppress(DownstreamFailed):
        rig.handle(make_message())
    attempts = min(fails, retries) + 1
    assert len(rig.adapter.requests) == attempts == len(set(visits(rig)))
    assert rig.sleeps == [pause(failed, backoff_ms / 1e3, most_ms / 1e3) for failed in range(1, attempts)]
    for failed, slept in enumerate(rig.sleeps, 1):
        assert 0 < slept < min(most_ms / 1e3, backoff_ms / 1e3 * 2 ** (failed - 1))
    assert rig.record.calls[0].outcome is (OK if fails <= retries else ERROR)


@pytest.mark.parametrize("status", [300, 302, 400, 404, 408, 409, 422, 499])
def test_the_client_s_own_mistake_is_not_tried_again(make_stage, make_message, status):
    """A status that says that the message is wrong, or elsewhere, would say the same again."""
    rig = calling(make_stage, status, 200, retries=3)
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert (len(rig.adapter.requests), rig.sleeps) == (1, [])


@pytest.mark.parametrize(
    "answer",
    [429, 500, 502, 503, 504, 599, requests.ReadTimeout(), requests.ConnectionError("x"), Unreachable("x"), OSError()],
)
def test_what_may_pass_is_tried_again(make_stage, make_message, answer):
    """An error of the server, its limit, a timeout, a break and no connection at all are worth a retry."""
    rig = calling(make_stage, answer, 200, retries=1)
    assert rig.handle(make_message()).outcome is Outcome.FORWARDED
    assert len(rig.adapter.requests) == 2


def test_the_last_try_decides_how_a_call_failed(make_stage, make_message):
    """A call is recorded as its last attempt ended: here a timeout after an error."""
    rig = calling(make_stage, 503, requests.ReadTimeout(), retries=1, timeout="2s")
    with pytest.raises(DownstreamTooSlow, match="price: no answer within 2 s"):
        rig.handle(make_message())
    (call,) = rig.record.calls
    assert (call.outcome, call.code, rig.record.code) == (TIMEOUT, None, 504)


@pytest.mark.parametrize(
    ("answers", "injected"),
    [
        (((503, INJECTED), (503, INJECTED)), True),
        (((503, INJECTED), 503), False),
        ((503, (503, INJECTED)), False),
        ((503, 503), False),
    ],
)
def test_a_call_failed_on_purpose_when_all_of_its_tries_did(make_stage, make_message, answers, injected):
    """One genuine failure among the attempts makes the whole call a genuine failure."""
    rig = calling(make_stage, *answers, retries=1)
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert rig.record.calls[0].injected is injected
    assert rig.record.outcome is (Outcome.FAULTED if injected else Outcome.FAILED)


def test_a_success_after_faults_is_a_success(make_stage, make_message):
    """A call that a retry saved has not failed, neither by an injected fault nor otherwise."""
    rig = calling(make_stage, (503, INJECTED), 200, retries=1)
    record = rig.handle(make_message())
    assert (record.outcome, record.calls[0].injected) == (Outcome.FORWARDED, False)
    assert [attempt.injected for attempt in record.calls[0].attempts] == [True, False]


def test_each_retry_draws_its_own_pause(make_stage, make_message):
    """Messages that fail at the same time come again at different times."""
    rig = calling(make_stage, 503, retries=1)
    for number in range(50):
        with pytest.raises(DownstreamFailed):
            rig.handle(make_message(message_id=f"m-{number}"))
    assert len(set(rig.sleeps)) == 50


@given(calls=st.integers(1, 80), percent=st.sampled_from([0, 5, 20, 50, 100]))
@settings(max_examples=40)
def test_a_budget_bounds_the_retries(make_stage, make_message, calls, percent):
    """Of n calls that all fail at most the budget's share and the reserve are retried, whatever each may have."""
    rig = calling(make_stage, 503, retries=f"retries(3, budget={percent}%)")
    for number in range(calls):
        with pytest.raises(DownstreamFailed):
            rig.handle(make_message(message_id=f"m-{number}"))
    retried = len(rig.adapter.requests) - calls
    assert retried <= calls * percent / 100 + RESERVE
    # Nothing is held back either: what was paid in for whole retries has been spent.
    assert retried >= min(3 * calls, int(calls * percent / 100 + RESERVE - 1e-6) - 3)


def test_a_budget_is_that_of_one_call(make_stage, make_message):
    """The calls of different places have budgets of their own."""
    spent = {"to": "a", "retries": "retries(2, budget=0%)", "optional": True}
    other = {"to": "b", "retries": "retries(2, budget=0%)", "optional": True}
    rig = make_stage(calls=[spent, other], answer=in_turn(503))
    for _ in range(20):
        rig.handle(make_message())
    assert rig.adapter.names.count("a") == rig.adapter.names.count("b") == 20 + RESERVE


def test_a_retry_that_is_not_made_costs_nothing(make_stage, make_message):
    """A retry that would come after the deadline takes nothing from the budget."""
    rig = calling(make_stage, 503, retries="retries(1, backoff=10min, max=10min, budget=0%)")
    for deadline in (*[2.0] * 15, None):
        with pytest.raises(DownstreamFailed):
            rig.handle(make_message(deadline_seconds=deadline))
    assert [len(record.calls[0].attempts) for record in rig.sink.records] == [*[1] * 15, 2]


def test_an_empty_budget_is_told_as_the_failure_that_it_is(make_stage, make_message):
    """A call whose budget is spent fails as its attempt did, without a pause."""
    rig = calling(make_stage, 503, retries="retries(10, budget=0%)")
    for expected in (11, 1):
        with pytest.raises(DownstreamFailed, match="it answered 503"):
            rig.handle(make_message())
        assert len(rig.record.calls[0].attempts) == expected
    assert len(rig.sleeps) == RESERVE

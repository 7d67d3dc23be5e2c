"""The tries of a call, under a clock of the test's own: retries, budget, breaker, deadline, hedging and failover."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.draws import draw, next_visit
from simulator.behaviour.retries import RESERVE, Retries
from simulator.errors import DeadlinePassed, DownstreamFailed, DownstreamTooSlow, MessageError
from simulator.stage.transport import Unreachable
from simulator.telemetry.record import CallOutcome, Outcome

INJECTED = {"X-Simulator-Injected": "true"}
OK, ERROR, TIMEOUT = CallOutcome.OK, CallOutcome.ERROR_STATUS, CallOutcome.TIMEOUT
BROKEN, UNREACHABLE, ABANDONED = CallOutcome.BROKEN, CallOutcome.UNREACHABLE, CallOutcome.ABANDONED


def in_turn(*answers):
    """Answer each request with the next of these: a status, (seconds, status), or either with headers at the end.

    An exception in the place of the status is raised. The last one is for all that follow.
    """
    left = iter(answers)
    last = [None]

    def answer(_):
        last[0] = next(left, last[0])
        given = last[0] if isinstance(last[0], tuple) else (last[0],)
        headers = given[-1] if isinstance(given[-1], dict) else {}
        *seconds, status = given[:-1] if isinstance(given[-1], dict) else given
        return (*seconds, status, headers, b"")

    return answer


def calling(make_stage, *answers, to="price", **call):
    """Make a stage with a single call; give its rig."""
    return make_stage(calls=[{"to": to, **call}], answer=in_turn(*answers))


def visit(attempt):
    return next_visit("0", "parse/0", attempt)


def visits(rig):
    return [request.headers["X-Simulator-Visit"] for request in rig.adapter.requests]


def pause(failed, backoff=0.1, most=10.0):
    """Give the pause after a failed try, as its draw says."""
    return Retries(9, backoff, most).pause_seconds(failed, draw(7, "parse", "m-1", "0", f"pause {failed} 0"))


def test_a_retry_after_a_pause(make_stage, make_message):
    """A call that fails is tried again after a pause that is drawn, as a visit of its own, until it succeeds."""
    rig = calling(make_stage, 503, (0.25, 500), 200, retries=5)
    record = rig.handle(make_message())
    pauses = [pause(1), pause(2)]
    assert rig.sleeps == pauses
    assert rig.adapter.moments == pytest.approx([0.0, pauses[0], pauses[0] + 0.25 + pauses[1]])
    assert visits(rig) == [visit(1), visit(2), visit(3)]
    assert rig.tried == [(1, ERROR, 503), (2, ERROR, 500), (3, OK, 200)]
    assert [retry for _, _, retry in rig.hearer.tries] == [*pauses, None]
    (call,) = record.calls
    assert (call.outcome, call.code, call.error, call.injected) == (OK, 200, "", False)
    assert [attempt.number for attempt in call.attempts] == [1, 2, 3]
    assert call.duration_seconds == record.downstream_seconds == pytest.approx(0.25 + sum(pauses))
    assert rig.hearer.begun == ["price"] * 3


@given(
    retries=st.integers(1, 12),
    fails=st.integers(0, 14),
    backoff_ms=st.integers(1, 1000),
    most_ms=st.integers(1, 5000),
)
@settings(max_examples=60)
def test_so_many_tries_and_no_more(make_stage, make_message, retries, fails, backoff_ms, most_ms):
    """A call is tried until it succeeds, `retries` + 1 times at most, with pauses that double up to a bound."""
    notation = f"retries({retries}, backoff={backoff_ms}ms, max={most_ms}ms)"
    rig = calling(make_stage, *[503] * fails, 200, retries=notation)
    with suppress(DownstreamFailed):
        rig.handle(make_message())
    tries = min(fails, retries) + 1
    assert len(rig.adapter.requests) == tries == len(set(visits(rig)))
    assert rig.sleeps == [pause(failed, backoff_ms / 1e3, most_ms / 1e3) for failed in range(1, tries)]
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
    """A call is told as its last try ended: here a timeout after an error."""
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
    """One genuine failure among the tries makes the whole call a genuine failure."""
    rig = calling(make_stage, *answers, retries=1)
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert rig.record.calls[0].injected is injected
    assert rig.record.outcome is (Outcome.FAULTED if injected else Outcome.FAILED)


def test_a_success_after_faults_is_a_success(make_stage, make_message):
    """A call that a retry saved failed neither on purpose nor otherwise."""
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
    assert [len(record.calls[0].attempts) for record in rig.hearer.records] == [*[1] * 15, 2]


def test_an_empty_budget_is_told_as_the_failure_that_it_is(make_stage, make_message):
    """A call whose budget is spent fails as its try did, without a pause."""
    rig = calling(make_stage, 503, retries="retries(10, budget=0%)")
    for expected in (11, 1):
        with pytest.raises(DownstreamFailed, match="it answered 503"):
            rig.handle(make_message())
        assert len(rig.record.calls[0].attempts) == expected
    assert len(rig.sleeps) == RESERVE


def handle_all(rig, make_message, count):
    """Handle messages whatever becomes of them; give how their calls ended."""
    for _ in range(count):
        with suppress(MessageError):
            rig.handle(make_message())
    return [record.calls[0].outcome for record in rig.hearer.records[-count:]]


def test_a_breaker_opens_after_failures_in_a_row(make_stage, make_message):
    """After so many failures in a row no try is made any more, and the calls fail at once, as open."""
    rig = calling(make_stage, 503, breaker="breaker(failures=3, reset=10s)")
    assert handle_all(rig, make_message, 5) == ["error_status"] * 3 + ["breaker_open"] * 2
    assert len(rig.adapter.requests) == len(rig.hearer.begun) == 3
    (call,) = rig.record.calls
    assert (call.attempts, call.code, call.error, call.injected) == ((), None, "the breaker is open", False)
    assert (rig.record.outcome, rig.record.code, rig.record.error) == (
        Outcome.FAILED,
        502,
        "price: the breaker is open",
    )


def test_a_success_in_between_keeps_a_breaker_closed(make_stage, make_message):
    """Only failures in a row count, and a client's mistake is no failure of the called stage."""
    rig = calling(make_stage, 503, 503, 200, 503, 503, 404, 503, 503, 200, breaker="breaker(failures=3, reset=10s)")
    assert "breaker_open" not in handle_all(rig, make_message, 10)
    assert rig.attempts.open_breakers("price") == 0


def test_a_breaker_lets_one_try_through_after_its_time(make_stage, make_message):
    """After `reset` one try is made to see: a failure opens the breaker for as long again, a success closes it."""
    rig = calling(make_stage, 503, 503, 503, 200, breaker="breaker(failures=2, reset=10s)")
    outcomes = handle_all(rig, make_message, 3)
    for moment in (9.5, 10.0, 10.1, 19.9, 20.0, 20.0):
        rig.time.advance(moment - rig.time.seconds)
        outcomes += handle_all(rig, make_message, 1)
    assert outcomes == [
        *("error_status", "error_status", "breaker_open"),  # at 0 s
        *("breaker_open", "error_status", "breaker_open"),  # at 9.5, 10 and 10.1 s
        *("breaker_open", "ok", "ok"),  # at 19.9, 20 and 20 s
    ]
    assert rig.adapter.moments == [0.0, 0.0, 10.0, 20.0, 20.0]


def test_of_several_calls_only_one_is_the_try_to_see(make_stage, make_message):
    """While the try of a half-open breaker is under way no other is let through."""
    rig = make_stage(
        calls=[{"to": "price", "breaker": "breaker(failures=1, reset=10s)", "optional": True}],
        answer=in_turn(503, (5.0, 200)),
    )
    rig.handle(make_message())
    rig.time.advance(10.0)
    tasks = [rig.time.start(lambda: rig.handle(make_message())) for _ in range(3)]
    assert rig.attempts.open_breakers("price") == 1
    outcomes = [task.result().calls[0].outcome for task in tasks]
    assert sorted(outcomes) == ["breaker_open", "breaker_open", "ok"]
    assert rig.attempts.open_breakers("price") == 0
    assert rig.handle(make_message()).calls[0].outcome is OK


def test_each_try_counts_for_the_breaker(make_stage, make_message):
    """The tries of one call can open the breaker; then the call ends as its last try did, and the next one at once."""
    rig = calling(make_stage, 503, retries=5, breaker="breaker(failures=3, reset=60s)")
    for outcome, made in (("error_status", 3), ("breaker_open", 0)):
        with pytest.raises(DownstreamFailed):
            rig.handle(make_message())
        (call,) = rig.record.calls
        assert (call.outcome, len(call.attempts), len(rig.adapter.requests)) == (outcome, made, 3)


@pytest.mark.parametrize(
    ("answers", "injected"),
    [
        (((503, INJECTED), (503, INJECTED)), True),
        ((503, (503, INJECTED)), False),
        (((503, INJECTED), 503), False),
    ],
)
def test_a_breaker_that_was_opened_on_purpose(make_stage, make_message, answers, injected):
    """What an open breaker turns away failed on purpose where every failure that opened it did."""
    rig = calling(make_stage, *answers, breaker="breaker(failures=2, reset=60s)")
    assert handle_all(rig, make_message, 3)[2] == "breaker_open"
    assert rig.record.calls[0].injected is injected
    assert rig.record.outcome is (Outcome.FAULTED if injected else Outcome.FAILED)


def test_each_place_has_its_breaker(make_stage, make_message):
    """Two calls of one stage have a breaker each; the one of a call that never fails stays closed."""
    rule = {"breaker": "breaker(failures=1, reset=60s)", "optional": True}
    rig = make_stage(
        calls=[{"to": "price", **rule}, {"to": "price", **rule}, {"to": "stock", **rule}],
        answer=in_turn(503, 200, 200, 200),
    )
    for _ in range(2):
        rig.handle(make_message())
    assert [call.outcome for call in rig.record.calls] == ["breaker_open", "ok", "ok"]
    assert (rig.attempts.open_breakers("price"), rig.attempts.open_breakers("stock")) == (1, 0)
    assert rig.attempts.open_breakers("pric") == 0


def test_the_times_of_a_call_share_its_breaker(make_stage, make_message):
    """A call that is made several times has one breaker for all of them."""
    rig = make_stage(
        calls=[{"to": "a", "times": 5, "optional": True, "breaker": "breaker(failures=2, reset=60s)"}],
        answer=in_turn(503),
    )
    record = rig.handle(make_message())
    assert [call.outcome for call in record.calls] == ["error_status"] * 2 + ["breaker_open"] * 3


def test_the_times_of_a_call_share_their_fallback_s_breaker(make_stage, make_message):
    """The fallback of a call that is made several times has one breaker for all of them."""
    fallback = {"to": "b", "breaker": "breaker(failures=2, reset=60s)", "optional": True}
    rig = make_stage(calls=[{"to": "a", "times": 5, "fallback": fallback}], answer=in_turn(503))
    rig.handle(make_message())
    assert rig.adapter.names.count("b") == 2


def with_breaker(rig, rule):
    """Give a stage's calls another breaker, as the live control does."""
    from dataclasses import replace

    from simulator.behaviour.breaker import parse_breaker

    behaviour = rig.handling.behaviour
    call = replace(behaviour.model.calls[0], breaker=parse_breaker(rule))
    rig.handling.behaviour = replace(behaviour, model=replace(behaviour.model, calls=(call,)))


def test_a_breaker_whose_rule_is_changed_begins_anew(make_stage, make_message):
    """With another rule the breaker is closed again."""
    rig = calling(make_stage, 503, breaker="breaker(failures=1, reset=1h)")
    assert handle_all(rig, make_message, 2) == ["error_status", "breaker_open"]
    with_breaker(rig, "breaker(failures=2, reset=1h)")
    assert handle_all(rig, make_message, 3) == ["error_status", "error_status", "breaker_open"]


def test_a_breaker_that_is_no_more_is_not_open(make_stage, make_message):
    """A breaker whose rule was changed is not counted among the open ones for ever."""
    rig = calling(make_stage, 503, 200, breaker="breaker(failures=1, reset=1h)")
    handle_all(rig, make_message, 1)
    assert rig.attempts.open_breakers("price") == 1
    with_breaker(rig, "breaker(failures=2, reset=1h)")
    assert handle_all(rig, make_message, 1) == ["ok"]
    assert rig.attempts.open_breakers("price") == 0


def test_a_try_to_see_that_breaks_is_not_the_last_one(make_stage, make_message):
    """After an unforeseen error in the try of a half-open breaker another try is let through."""
    rig = calling(make_stage, 503, ZeroDivisionError(), 200, breaker="breaker(failures=1, reset=10s)")
    handle_all(rig, make_message, 1)
    rig.time.advance(10.0)
    with pytest.raises(ZeroDivisionError):
        rig.handle(make_message())
    rig.time.advance(10.0)
    assert handle_all(rig, make_message, 1) == ["ok"]


def test_an_open_breaker_is_not_waited_for(make_stage, make_message):
    """A call whose try has just opened the breaker fails at once, without the pause before a try that can't be."""
    rig = calling(make_stage, 503, retries=5, breaker="breaker(failures=1, reset=1h)")
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert (rig.sleeps, rig.hearer.tries[-1][2]) == ([], None)


def test_no_deadline_no_header(make_stage, make_message):
    """Without a deadline nothing is said of one, and each try has the whole timeout."""
    rig = calling(make_stage, 503, 200, retries=1, timeout="3s")
    rig.handle(make_message())
    assert rig.adapter.timeouts == [3.0, 3.0]
    assert all("X-Simulator-Deadline" not in request.headers for request in rig.adapter.requests)


def test_the_deadline_on_the_wire(make_stage, make_message):
    """Each try says how long the answer is waited for in all, which is less with every try."""
    rig = calling(make_stage, (2.0, 503), (3.0, 503), 200, retries="retries(5, backoff=1ms)", deadline="10s")
    rig.handle(make_message())
    told = [request.headers["X-Simulator-Deadline"] for request in rig.adapter.requests]
    assert told == [f"{10.0 - moment:.6f}" for moment in rig.adapter.moments]
    assert float(told[0]) == 10.0
    assert float(told[2]) == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize(
    ("of_call", "of_caller", "deadline"),
    [("5s", None, 5.0), ("5s", 3.0, 3.0), ("5s", 9.0, 5.0), (None, 3.0, 3.0)],
)
def test_the_nearest_deadline_counts(make_stage, make_message, of_call, of_caller, deadline):
    """A call ends by its own deadline or by that of whoever waits for this stage, whichever is sooner."""
    call = {"to": "price", **({"deadline": of_call} if of_call else {})}
    rig = make_stage(calls=[call], answer=in_turn((60.0, 200)))
    with pytest.raises(DownstreamTooSlow):
        rig.handle(make_message(deadline_seconds=of_caller))
    (request,) = rig.adapter.requests
    assert float(request.headers["X-Simulator-Deadline"]) == deadline
    assert rig.adapter.timeouts == [deadline]
    assert rig.record.duration_seconds == deadline
    assert rig.record.calls[0].outcome is TIMEOUT


def test_the_deadline_of_a_call_begins_with_the_call(make_stage, make_message):
    """The processing counts for the caller's deadline, but not for that of a call."""
    from simulator.behaviour.distributions import Constant

    rig = make_stage(calls=[{"to": "price", "deadline": "4s"}], delay=Constant(2.0))
    rig.handle(make_message(deadline_seconds=5.0))
    assert rig.adapter.timeouts == [3.0]
    rig.handle(make_message(deadline_seconds=50.0))
    assert rig.adapter.timeouts[1:] == [4.0]


def test_a_timeout_is_cut_to_the_rest_of_the_deadline(make_stage, make_message):
    """A try waits no longer than the rest of the deadline, and after it there is no other."""
    rig = calling(make_stage, (9.0, 200), retries="retries(9, backoff=1ms)", timeout="4s", deadline="10s")
    with pytest.raises(DownstreamTooSlow):
        rig.handle(make_message())
    (call,) = rig.record.calls
    assert rig.adapter.timeouts == pytest.approx([4.0, 4.0, 2.0], abs=0.01)
    assert call.duration_seconds == pytest.approx(10.0)
    assert [attempt.outcome for attempt in call.attempts] == [TIMEOUT] * 3
    assert call.outcome is TIMEOUT


def test_no_pause_beyond_the_deadline(make_stage, make_message):
    """A retry whose pause would end after the deadline is not waited for."""
    rig = calling(make_stage, 503, retries="retries(9, backoff=10min)", deadline="2s")
    with pytest.raises(DownstreamFailed, match="it answered 503"):
        rig.handle(make_message())
    assert (rig.sleeps, rig.time.seconds, len(rig.adapter.requests)) == ([], 0.0, 1)


@given(
    deadline_ms=st.integers(1, 5000),
    timeout_ms=st.integers(1, 5000),
    retries=st.integers(1, 6),
    seconds=st.lists(st.floats(0, 3), min_size=1, max_size=8),
)
@settings(max_examples=80)
def test_a_call_never_outlasts_its_deadline(make_stage, make_message, deadline_ms, timeout_ms, retries, seconds):
    """However long the answers take, a call with its tries and pauses ends by its deadline."""
    rig = calling(
        make_stage,
        *[(wait, 503) for wait in seconds],
        retries=f"retries({retries}, backoff=200ms)",
        timeout=f"{timeout_ms}ms",
        deadline=f"{deadline_ms}ms",
    )
    with suppress(MessageError):
        rig.handle(make_message())
    # The least that is left to a try is a millisecond.
    assert rig.record.calls[0].duration_seconds <= deadline_ms / 1e3 + 0.001 + 1e-9
    assert all(wait <= timeout_ms / 1e3 for wait in rig.adapter.timeouts)
    assert 1 <= len(rig.adapter.requests) <= retries + 1


@pytest.mark.parametrize("calls", [["a", "b"], [{"parallel": ["a", "b"], "limit": 1}]])
def test_no_try_after_the_deadline(make_stage, make_message, calls):
    """A call that begins after the deadline expires without a try, and the message with it."""
    rig = make_stage(calls=calls, answer=in_turn((3.0, 200)))
    with pytest.raises(DownstreamTooSlow, match="b: its deadline has passed"):
        rig.handle(make_message(deadline_seconds=3.0))
    assert rig.adapter.names == ["a"]
    expired = rig.record.calls[1]
    assert (expired.outcome, expired.attempts, expired.code) == (CallOutcome.EXPIRED, (), None)
    assert (expired.injected, expired.duration_seconds) == (False, 0.0)
    assert (rig.record.outcome, rig.record.code) == (Outcome.FAILED, 504)


def test_an_expired_call_may_be_optional(make_stage, make_message):
    """A call that is optional may expire too."""
    rig = make_stage(calls=["a", {"to": "b", "optional": True}], answer=in_turn((3.0, 200)))
    assert rig.handle(make_message(deadline_seconds=3.0)).outcome is Outcome.FORWARDED


@pytest.mark.parametrize("left", [0.0, -0.001, -1e6])
def test_a_message_that_comes_too_late_costs_nothing(make_stage, make_message, left):
    """A message that nobody waits for any more gets no worker, no delay, no fault and no call."""
    from simulator.behaviour.distributions import Constant

    rig = make_stage(delay=Constant(1.0), faults=["error(503, 100%)"], calls=["price"], workers=1, queue=0)
    with pytest.raises(DeadlinePassed) as raised, rig.capacity.worker():
        rig.handle(make_message(deadline_seconds=left))
    assert (raised.value.status, raised.value.retry_after_seconds) == (504, None)
    assert (rig.sleeps, rig.adapter.requests, rig.record.faults) == ([], [], ())
    assert (rig.record.outcome, rig.record.code) == (Outcome.REJECTED, 504)
    assert (rig.record.queue_wait_seconds, rig.record.arrival.deadline_seconds) == (None, left)


def test_a_body_that_took_too_long_to_come(make_stage, make_message):
    """A deadline that passed while the body was read is passed as well."""
    rig = make_stage()

    def read():
        rig.time.advance(2.0)
        return b"x"

    with pytest.raises(DeadlinePassed):
        rig.handle(make_message(content_type="text/plain", read=read, deadline_seconds=2.0))
    assert rig.kept.messages == []


def hedging(make_stage, *answers, **call):
    return calling(make_stage, *answers, hedge="1s", **call)


def test_a_quick_answer_needs_no_second_try(make_stage, make_message):
    """A try that is answered before the pause is over stays alone."""
    rig = hedging(make_stage, (0.9, 200))
    record = rig.handle(make_message())
    assert (len(rig.adapter.requests), record.downstream_seconds) == (1, 0.9)
    assert rig.tried == [(1, OK, 200)]


def test_a_second_try_sets_out_after_the_pause(make_stage, make_message):
    """When the first try has had no answer for so long a second one is made; the first good answer of both counts."""
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
    assert rig.hearer.begun == ["price", "price"]


def test_the_first_try_may_win_after_all(make_stage, make_message):
    """The second try is abandoned where the first one is answered sooner."""
    rig = hedging(make_stage, (1.5, 200), (9.0, 200))
    (call,) = rig.handle(make_message()).calls
    assert [(attempt.number, attempt.outcome) for attempt in call.attempts] == [(1, OK), (2, ABANDONED)]
    assert (call.outcome, call.duration_seconds, rig.time.seconds) == (OK, 1.5, 1.5)


def test_a_failure_waits_for_the_other_try(make_stage, make_message):
    """When one of two tries fails the answer of the other is still waited for."""
    rig = hedging(make_stage, (2.0, 503), (4.0, 200))
    (call,) = rig.handle(make_message()).calls
    assert [(attempt.number, attempt.outcome) for attempt in call.attempts] == [(1, ERROR), (2, OK)]
    assert (call.outcome, call.duration_seconds) == (OK, 5.0)


def test_a_failure_before_the_pause_is_a_failure(make_stage, make_message):
    """A try that fails at once is not hedged; it is retried or not, as any other."""
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
    """When both tries fail the call does, told as its second try, after the longer of the two."""
    rig = hedging(make_stage, first, second)
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    (call,) = rig.record.calls
    assert [attempt.outcome for attempt in call.attempts] == [ERROR, ERROR]
    assert (call.code, call.injected) == (code, injected)
    assert call.duration_seconds == max(first[0], 1.0 + second[0])


def test_hedged_tries_are_retried_together(make_stage, make_message):
    """When both tries have failed and a retry follows, it may be hedged again, with the numbers going on."""
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
    """A second try takes from the budget for retries, and where that is spent there is none."""
    rig = hedging(make_stage, (2.0, 200), retries="retries(1, budget=0%)")
    for _ in range(15):
        rig.handle(make_message())
    assert [len(record.calls[0].attempts) for record in rig.hearer.records] == [2] * 10 + [1] * 5


def test_two_tries_and_one_deadline(make_stage, make_message):
    """Both tries end with the deadline."""
    rig = hedging(make_stage, (60.0, 200), deadline="4s")
    with pytest.raises(DownstreamTooSlow):
        rig.handle(make_message())
    assert rig.adapter.timeouts == [4.0, 3.0]
    assert (rig.record.duration_seconds, [a.outcome for a in rig.record.calls[0].attempts]) == (4.0, [TIMEOUT, TIMEOUT])


def test_a_hedged_call_counts_once_for_the_breaker(make_stage, make_message):
    """Of two tries of which one succeeds the breaker hears of the success."""
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
    """Whatever the two tries take and say, the call ends well with the earlier of the good answers, else it fails."""
    rig = hedging(make_stage, (first, codes[0]), (second, codes[1]))
    with suppress(DownstreamFailed):
        rig.handle(make_message())
    (call,) = rig.record.calls
    hedged = first > 1.0
    ends = [(first, codes[0]), *([(1.0 + second, codes[1])] if hedged else [])]
    good = [end for end, code in ends if code == 200]
    assert call.outcome is (OK if good else ERROR)
    assert call.duration_seconds == pytest.approx(min(good) if good else max(end for end, _ in ends))
    assert len(call.attempts) == len(rig.adapter.requests) == len(ends)


def test_a_loser_that_asks_whether_it_was_on_purpose_is_abandoned_too(make_stage, make_message, monkeypatch):
    """A try may be abandoned at any time, also while it asks the called stage why it got no answer."""
    from simulator.stage import downstream

    rig = hedging(make_stage, (1.25, requests.ConnectionError("reset")), (0.5, 200))
    rig.sender._stages.add("price")
    monkeypatch.setattr(downstream, "is_on_purpose", lambda *_: rig.time.sleep(1.0))
    record = rig.handle(make_message())
    assert record.outcome is Outcome.FORWARDED
    assert record.calls[0].duration_seconds == 1.5


def reaching(rig, down, seconds=0.0):
    """Let these instances of a rig's downstream be unreachable, by their ports."""
    rig.adapter.answer = lambda request: (
        (seconds, Unreachable("no"), {}, b"") if port(request) in down else (200, {}, b"")
    )
    return rig


def port(request):
    return requests.utils.urlparse(request.url).port


def ports(rig):
    return [port(request) for request in rig.adapter.requests]


def test_instances_take_turns(make_stage, make_message):
    """The tries at a stage of several instances go to each in turn."""
    rig = make_stage(calls=["price"], instances={"price": 3})
    for _ in range(7):
        rig.handle(make_message())
    assert ports(rig) == [8080, 8081, 8082, 8080, 8081, 8082, 8080]


def test_an_instance_that_can_t_be_reached_costs_no_retry(make_stage, make_message):
    """Where an instance can't be reached another one is tried at once, although the call has no retries."""
    rig = reaching(make_stage(calls=["price"], instances={"price": 3}), {8080, 8081})
    record = rig.handle(make_message())
    assert (ports(rig), record.outcome) == ([8080, 8081, 8082], Outcome.FORWARDED)
    assert [retry for _, _, retry in rig.hearer.tries] == [0.0, 0.0, None]
    assert (rig.sleeps, visits(rig)) == ([], [visit(1), visit(2), visit(3)])
    assert [attempt.outcome for attempt in record.calls[0].attempts] == [UNREACHABLE, UNREACHABLE, OK]


def test_instances_that_can_t_be_reached_are_passed_over_for_a_while(make_stage, make_message):
    """For five seconds an instance that could not be reached gets no try; then it is tried again, and is back."""
    rig = reaching(make_stage(calls=["price"], instances={"price": 2}), {8080})
    for _ in range(3):
        rig.handle(make_message())
    assert ports(rig) == [8080, 8081, 8081, 8081]
    rig.time.advance(4.9)
    rig.handle(make_message())
    assert ports(rig)[4:] == [8081]
    rig.time.advance(0.1)
    reaching(rig, set())
    for _ in range(2):
        rig.handle(make_message())
    assert sorted(ports(rig)[5:]) == [8080, 8081]
    url = "http://price:8080/messages"
    assert rig.ejections == [("price", url, True), ("price", url, False)]


def test_all_instances_are_down(make_stage, make_message):
    """Each instance is tried once, and then the call fails; with retries it goes on with the first that comes back."""
    rig = reaching(make_stage(calls=["price"], instances={"price": 3}), {8080, 8081, 8082})
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert ports(rig) == [8080, 8081, 8082]
    assert rig.record.calls[0].outcome is UNREACHABLE
    rig = make_stage(calls=[{"to": "price", "retries": 2}], instances={"price": 2})
    with pytest.raises(DownstreamFailed):
        reaching(rig, {8080, 8081}).handle(make_message())
    assert ports(rig) == [8080, 8081, 8080, 8081]
    assert len(rig.sleeps) == 2


def test_a_single_instance_that_can_t_be_reached(make_stage, make_message):
    """A stage of one instance is never passed over, and to try it again takes a retry."""
    rig = reaching(make_stage(calls=["price"]), {8080})
    for _ in range(2):
        with pytest.raises(DownstreamFailed):
            rig.handle(make_message())
    assert (ports(rig), rig.ejections) == ([8080, 8080], [])


def test_instances_that_are_slow_to_be_unreachable(make_stage, make_message):
    """Also where it takes longer to find an instance unreachable than it is passed over, a call has an end."""
    rig = reaching(make_stage(calls=["price"], instances={"price": 2}), {8080, 8081}, seconds=6.0)
    plain, tries = rig.adapter.answer, itertools.count(1)

    def bounded(request):
        assert next(tries) <= 20, "there is no end to it"
        return plain(request)

    rig.adapter.answer = bounded
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert len(rig.adapter.requests) <= 3


@pytest.mark.parametrize("answer", [503, requests.ReadTimeout(), requests.ConnectionError("reset")])
def test_only_who_can_t_be_reached_is_passed_over(make_stage, make_message, answer):
    """An instance that answers badly, or not, has seen the message: that costs a retry, and ejects nobody."""
    rig = make_stage(
        calls=[{"to": "price", "retries": 1}], instances={"price": 2}, answer=lambda _: (0.0, answer, {}, b"")
    )
    with pytest.raises(MessageError):
        rig.handle(make_message())
    assert (ports(rig), rig.ejections, len(rig.sleeps)) == ([8080, 8081], [], 1)


@pytest.mark.parametrize("how", ["timeout", "abandoned"])
def test_only_an_answer_brings_an_instance_back(make_stage, make_message, how):
    """A try that ends without an answer does not bring back an instance that could not be reached."""
    rig = reaching(make_stage(calls=[{"to": "price", "hedge": "1s"}], instances={"price": 2}), {8080})
    rig.handle(make_message())
    rig.time.advance(10.0)
    first = (60.0, requests.ReadTimeout(), {}, b"") if how == "abandoned" else (0.5, requests.ReadTimeout(), {}, b"")
    rig.adapter.answer = lambda request: first if port(request) == 8080 else (0.0, 200, {}, b"")
    for _ in range(2):
        with suppress(MessageError):
            rig.handle(make_message())
    assert 8080 in ports(rig)[2:]
    assert [ejected for _, _, ejected in rig.ejections] == [True]

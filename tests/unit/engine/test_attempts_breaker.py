"""The breaker of a call: what opens it, what it rejects, and how it closes again."""

from __future__ import annotations

import pytest

from simulator.errors import DownstreamFailed, Unforeseen
from simulator.telemetry.record import Outcome
from tests.support.attempts import INJECTED, OK, calling, handle_all, in_turn


def test_a_breaker_opens_after_failures_in_a_row(make_stage, make_message):
    """After so many failures in a row no attempt is made any more, and the calls fail at once, as open."""
    rig = calling(make_stage, 503, breaker="breaker(failures=3, reset=10s)")
    assert handle_all(rig, make_message, 5) == ["error_status"] * 3 + ["breaker_open"] * 2
    assert len(rig.adapter.requests) == len(rig.sink.started) == 3
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
    """After `reset` one attempt is made to see: a failure opens the breaker for as long again, a success closes it."""
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
    """While the attempt of a half-open breaker is in flight no other is let through."""
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
    """A call's attempts can open the breaker; it ends as its last attempt did, and the next call fails at once."""
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
    """What an open breaker rejects failed by an injected fault where every failure that opened it did."""
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
    """After an unforeseen error in the attempt of a half-open breaker another attempt is let through."""
    rig = calling(make_stage, 503, ZeroDivisionError(), 200, breaker="breaker(failures=1, reset=10s)")
    handle_all(rig, make_message, 1)
    rig.time.advance(10.0)
    with pytest.raises(Unforeseen):
        rig.handle(make_message())
    rig.time.advance(10.0)
    assert handle_all(rig, make_message, 1) == ["ok"]


def test_an_open_breaker_is_not_waited_for(make_stage, make_message):
    """A call whose attempt has just opened the breaker fails at once, without a pause for a retry that can't be."""
    rig = calling(make_stage, 503, retries=5, breaker="breaker(failures=1, reset=1h)")
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert (rig.sleeps, rig.sink.attempts[-1][2]) == ([], None)

"""Calls of a group: together, within a limit, or in order, and what becomes of their failures."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.draws import next_visit
from simulator.errors import DownstreamFailed, DownstreamTooSlow, Unforeseen
from simulator.telemetry.record import CallOutcome, Outcome
from tests.support.attempts import INJECTED, visits
from tests.support.calls import answering, host, taking


def test_a_group_is_called_at_the_same_time(make_stage, make_message):
    """The calls of a parallel group start together and take as long as the longest; what follows waits for all."""
    rig = make_stage(
        calls=["first", {"parallel": ["price", "stock", "tax"]}, "last"],
        answer=taking(first=1.0, price=2.0, stock=5.0, tax=3.0),
    )
    record = rig.handle(make_message())
    assert dict(zip(rig.adapter.names, rig.adapter.moments, strict=True)) == {
        "first": 0.0,
        "price": 1.0,
        "stock": 1.0,
        "tax": 1.0,
        "last": 6.0,
    }
    assert [(call.downstream, call.duration_seconds) for call in record.calls] == [
        ("first", 1.0),
        ("price", 2.0),
        ("tax", 3.0),
        ("stock", 5.0),
        ("last", 0.0),
    ]
    assert (record.downstream_seconds, record.duration_seconds, record.outcome) == (6.0, 6.0, Outcome.FORWARDED)


@pytest.mark.parametrize(
    ("limit", "moments", "seconds"),
    [
        (1, [0.0, 1.0, 2.0, 3.0, 4.0], 5.0),
        (2, [0.0, 0.0, 1.0, 1.0, 2.0], 3.0),
        (4, [0.0, 0.0, 0.0, 0.0, 1.0], 2.0),
        (5, [0.0] * 5, 1.0),
        (9, [0.0] * 5, 1.0),
    ],
)
def test_a_limit_bounds_how_many_are_under_way(make_stage, make_message, limit, moments, seconds):
    """With a limit so many calls of the group are in flight at once, and the next starts when one of them ends."""
    names = ["a", "b", "c", "d", "e"]
    rig = make_stage(calls=[{"parallel": names, "limit": limit}], answer=lambda _: (1.0, 200, {}, b""))
    record = rig.handle(make_message())
    assert (rig.adapter.names, rig.adapter.moments) == (names, moments)
    assert record.downstream_seconds == seconds


@given(
    seconds=st.lists(st.integers(0, 8), min_size=1, max_size=8),
    limit=st.none() | st.integers(1, 10),
)
@settings(max_examples=60)
def test_a_group_takes_as_long_as_a_queue_of_its_calls(make_stage, make_message, seconds, limit):
    """Whatever the calls take, each is made once and starts as soon as a place among `limit` is free."""
    names = [f"s-{number}" for number in range(len(seconds))]
    group = {"parallel": names, **({"limit": limit} if limit else {})}
    rig = make_stage(calls=[group], answer=taking(**dict(zip(names, map(float, seconds), strict=True))))
    record = rig.handle(make_message())
    places = [0.0] * min(len(names), limit or len(names))
    begins = []
    for took in seconds:
        begins.append(min(places))
        places[places.index(min(places))] += took
    assert (rig.adapter.names, rig.adapter.moments) == (names, begins)
    assert record.downstream_seconds == max(places)
    assert Counter(call.downstream for call in record.calls) == Counter(names)


def test_a_list_within_a_group_is_in_order(make_stage, make_message):
    """A list in a group is one step of it: its calls follow each other beside the rest of the group."""
    rig = make_stage(
        calls=[{"parallel": [["a", "b", "c"], "d"]}],
        answer=taking(a=1.0, b=2.0, c=4.0, d=5.0),
    )
    record = rig.handle(make_message())
    assert sorted(zip(rig.adapter.moments, rig.adapter.names, strict=True)) == [
        (0.0, "a"),
        (0.0, "d"),
        (1.0, "b"),
        (3.0, "c"),
    ]
    assert record.downstream_seconds == 7.0


def test_a_failure_in_a_list_ends_the_list_and_not_the_group(make_stage, make_message):
    """After a failed call the rest of its own list is not made, while what stands beside it goes on to its end."""
    rig = make_stage(
        calls=[{"parallel": [["a", "b"], ["c", "d"]]}, "after"],
        answer=lambda request: (1.0, 500 if host(request) == "a" else 200, {}, b""),
    )
    with pytest.raises(DownstreamFailed, match="a: it answered 500"):
        rig.handle(make_message())
    assert sorted(rig.adapter.names) == ["a", "c", "d"]
    assert rig.record.downstream_seconds == 2.0
    assert rig.record.outcome is Outcome.FAILED


def test_groups_within_groups(make_stage, make_message):
    """A group, a choice and a list may stand in a group, and each call has the visit of its own place."""
    rig = make_stage(
        calls=[
            "a",
            {"parallel": ["b", [{"parallel": ["c", "d"]}, "e"], {"choose": {"f": "100%"}}]},
        ]
    )
    rig.handle(make_message(visit="7"))
    sent = dict(zip(rig.adapter.names, visits(rig), strict=True))
    places = {
        "a": "0",
        "b": "1.parallel.0",
        "c": "1.parallel.1.0.parallel.0",
        "d": "1.parallel.1.0.parallel.1",
        "e": "1.parallel.1.1",
        "f": "1.parallel.2.choose.0",
    }
    assert sent == {name: next_visit("7", f"parse/{place}", 1) for name, place in places.items()}


def test_every_call_of_a_group_is_waited_for(make_stage, make_message):
    """When a call of a group fails the others are not broken off: the group ends when the last of them does."""
    rig = make_stage(
        calls=[{"parallel": ["bad", "slow"]}],
        answer=lambda request: (0.5, 500, {}, b"") if host(request) == "bad" else (4.0, 200, {}, b""),
    )
    with pytest.raises(DownstreamFailed, match="bad"):
        rig.handle(make_message())
    assert [(call.downstream, call.outcome) for call in rig.record.calls] == [
        ("bad", CallOutcome.ERROR_STATUS),
        ("slow", CallOutcome.OK),
    ]
    assert rig.record.duration_seconds == 4.0
    assert rig.capacity.inside == 0


@pytest.mark.parametrize("order", list(itertools.permutations(["good", "purpose", "genuine"])))
def test_a_genuine_failure_is_not_covered_up(make_stage, make_message, order):
    """Where one call of a group fails by an injected fault and another by itself, the message has failed by itself."""
    rig = make_stage(calls=[{"parallel": list(order)}], answer=answering(purpose=(503, INJECTED), genuine=503))
    with pytest.raises(DownstreamFailed, match="genuine") as raised:
        rig.handle(make_message())
    assert raised.value.injected is False
    assert rig.record.outcome is Outcome.FAILED


def test_a_group_that_fails_on_purpose_only(make_stage, make_message):
    """Where every failed call of a group failed by an injected fault, so did the message."""
    rig = make_stage(calls=[{"parallel": ["a", "b", "c"]}], answer=answering(a=(503, INJECTED), c=(500, INJECTED)))
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert rig.record.outcome is Outcome.FAULTED
    assert len(rig.record.calls) == 3


def test_the_failures_of_a_group_may_be_of_two_kinds(make_stage, make_message):
    """A timeout in a group answers for the whole message as it would by itself."""

    def answer(request):
        if host(request) == "slow":
            return 1.0, requests.ReadTimeout(), {}, b""
        return 200, {}, b""

    rig = make_stage(calls=[{"parallel": ["quick", "slow"]}], answer=answer)
    with pytest.raises(DownstreamTooSlow):
        rig.handle(make_message())
    assert (rig.record.outcome, rig.record.code) == (Outcome.FAILED, 504)


def test_the_message_s_context_reaches_each_call_of_a_group(make_stage, make_message):
    """Each call of a group sees the context variables of the message, as baggage and spans need it."""
    from opentelemetry import baggage

    seen = []

    def answer(_):
        seen.append(baggage.get_baggage("simulator.message_id"))
        return 1.0, 200, {}, b""

    rig = make_stage(calls=[{"parallel": ["a", "b"]}], answer=answer)
    rig.handle(make_message(message_id="m-42"))
    assert seen == ["m-42", "m-42"]


def test_an_unforeseen_error_in_a_group_is_not_swallowed(make_stage, make_message):
    """An unforeseen error in a call of a group fails the message as it would outside."""

    def answer(_):
        raise ZeroDivisionError

    rig = make_stage(calls=[{"parallel": ["a", "b"]}], answer=answer)
    with pytest.raises(Unforeseen):
        rig.handle(make_message())
    assert rig.record.error == "ZeroDivisionError: "
    assert (rig.record.outcome, rig.record.code) == (Outcome.FAILED, 500)

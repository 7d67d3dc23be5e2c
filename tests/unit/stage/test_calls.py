"""The steps of a message: in order, at the same time, perhaps, several times, or one of several."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.draws import draw, next_visit
from simulator.errors import DownstreamFailed, DownstreamTooSlow
from simulator.telemetry.record import CallOutcome, Outcome

INJECTED = {"X-Simulator-Injected": "true"}


def host(request):
    return requests.utils.urlparse(request.url).hostname


def taking(**seconds):
    """Answer well, each stage after its own time."""
    return lambda request: (seconds.get(host(request), 0.0), 200, {}, b"")


def answering(**answers):
    """Answer 200, but some stages with a status of their own, or with what they raise."""

    def answer(request):
        status = answers.get(host(request), 200)
        status, headers = status if isinstance(status, tuple) else (status, {})
        return status, headers, b""

    return answer


def visits(rig):
    return [request.headers["X-Simulator-Visit"] for request in rig.adapter.requests]


def test_a_group_is_called_at_the_same_time(make_stage, make_message):
    """The calls of a parallel group begin together and take as long as the longest; what follows waits for all."""
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
    """With a limit so many calls of the group are under way at once, and the next begins when one of them ends."""
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
    """Whatever the calls take, each is made once and begins as soon as a place among `limit` is free."""
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
    """Where one call of a group fails on purpose and another by itself, the message has failed by itself."""
    rig = make_stage(calls=[{"parallel": list(order)}], answer=answering(purpose=(503, INJECTED), genuine=503))
    with pytest.raises(DownstreamFailed, match="genuine") as raised:
        rig.handle(make_message())
    assert raised.value.injected is False
    assert rig.record.outcome is Outcome.FAILED


def test_a_group_that_fails_on_purpose_only(make_stage, make_message):
    """Where every failed call of a group failed on purpose, so did the message."""
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
    """What nobody foresaw in a call of a group fails the message as it would outside."""

    def answer(_):
        raise ZeroDivisionError

    rig = make_stage(calls=[{"parallel": ["a", "b"]}], answer=answer)
    with pytest.raises(ZeroDivisionError):
        rig.handle(make_message())
    assert (rig.record.outcome, rig.record.code) == (Outcome.FAILED, 500)


def shares(make_stage, make_message, calls, messages=1000, **stage):
    """Give how many of so many messages went to each stage."""
    rig = make_stage(calls=calls, **stage)
    for number in range(messages):
        rig.handle(make_message(message_id=f"m-{number}"))
    return Counter(rig.adapter.names)


def is_share_of(count, trials, share):
    """Tell whether a count lies within five standard deviations of what a share of the trials makes on average."""
    return abs(count - trials * share) <= 5 * (trials * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("share", [0, 0.05, 0.3, 0.6, 1])
def test_the_probability_of_a_call_is_what_was_configured(make_stage, make_message, share):
    """Of 1,000 messages as many are sent on as the probability says, and all of them are forwarded."""
    rig = make_stage(calls=[{"to": "cache", "probability": share}])
    for number in range(1000):
        assert rig.handle(make_message(message_id=f"m-{number}")).outcome is Outcome.FORWARDED
    sent = {request.headers["X-Message-Id"] for request in rig.adapter.requests}
    assert sent == {f"m-{n}" for n in range(1000) if draw(7, "parse", f"m-{n}", "0", "probability 0") < share}
    assert is_share_of(len(sent), 1000, share)


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_the_probability_of_a_group_is_that_of_all_its_calls(make_stage, make_message, share):
    """A group with a probability is made whole or not at all."""
    counts = shares(make_stage, make_message, [{"parallel": ["a", "b"], "probability": share}])
    assert counts["a"] == counts["b"]
    assert is_share_of(counts["a"], 1000, share)


def test_each_call_draws_its_probability_for_itself(make_stage, make_message):
    """Two calls of one stage with a probability of 50 % are both made for a quarter of the messages."""
    half = {"to": "cache", "probability": "50%"}
    rig = make_stage(calls=[half, half])
    for number in range(1000):
        rig.handle(make_message(message_id=f"m-{number}"))
    made = Counter(Counter(request.headers["X-Message-Id"] for request in rig.adapter.requests).values())
    assert is_share_of(made[2], 1000, 0.25)
    assert is_share_of(made[1], 1000, 0.5)


@pytest.mark.parametrize(
    "weights",
    [
        {"stable": 1.0},
        {"stable": 0.95, "canary": 0.05},
        {"a": 0.3, "b": 0.3, "c": 0.4},
        {"never": 0.0, "always": 1.0},
    ],
)
def test_one_of_several_is_chosen_by_weight(make_stage, make_message, weights):
    """Each message goes to exactly one of the alternatives, each of which gets its share."""
    counts = shares(make_stage, make_message, [{"choose": weights}])
    assert counts.total() == 1000
    for name, weight in weights.items():
        assert is_share_of(counts[name], 1000, weight)


@given(
    weights=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any),
    message_id=st.text("abc-123", min_size=1, max_size=12),
)
def test_a_choice_is_that_of_the_draw(make_stage, make_message, weights, message_id):
    """The alternative is the first whose weights, summed up, exceed the draw; rounding leaves none out."""
    ratios = [weight / sum(weights) for weight in weights]
    calls = [{"to": f"s-{number}", "weight": ratio} for number, ratio in enumerate(ratios)]
    rig = make_stage(calls=[{"choose": calls}])
    rig.handle(make_message(message_id=message_id))
    u = draw(7, "parse", message_id, "0", "choose 0")
    sums = list(itertools.accumulate(ratios))
    index = next((number for number, reached in enumerate(sums) if u < reached), len(ratios) - 1)
    assert rig.adapter.names == [f"s-{index}"]
    assert visits(rig) == [next_visit("0", f"parse/0.choose.{index}", 1)]


def test_an_alternative_may_have_keys_of_its_own(make_stage, make_message):
    """A chosen call keeps to its own timeout, times and fallback."""
    rig = make_stage(
        calls=[{"choose": [{"to": "a", "weight": "100%", "times": 2, "timeout": "3s", "fallback": "spare"}]}],
        answer=answering(a=500),
    )
    assert rig.handle(make_message()).outcome is Outcome.FORWARDED
    assert rig.adapter.names == ["a", "spare", "a", "spare"]
    assert rig.adapter.timeouts == [3.0, 30.0, 3.0, 30.0]


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_call_is_made_so_many_times(make_stage, make_message, times):
    """A call with `times` is made so many times, one after the other, each of them a visit and a record of its own."""
    rig = make_stage(calls=[{"to": "price", "times": times}], answer=taking(price=1.0))
    record = rig.handle(make_message())
    assert rig.adapter.moments == [float(number) for number in range(times)]
    assert len(record.calls) == times == len(set(visits(rig)))
    places = ["0"] if times == 1 else [f"0#{number}" for number in range(1, times + 1)]
    assert visits(rig) == [next_visit("0", f"parse/{place}", 1) for place in places]


def test_the_first_of_several_times_that_fails_ends_them(make_stage, make_message):
    """After the third of five times has failed there is no fourth."""
    codes = iter([200, 200, 500])
    rig = make_stage(calls=[{"to": "price", "times": 5}], answer=lambda _: (next(codes), {}, b""))
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert [call.outcome for call in rig.record.calls] == ["ok", "ok", "error_status"]


def test_all_times_or_none(make_stage, make_message):
    """A call with a probability and `times` is made all the times or not at all."""
    rig = make_stage(calls=[{"to": "price", "times": 3, "probability": "30%"}])
    for number in range(200):
        rig.handle(make_message(message_id=f"m-{number}"))
    made = Counter(request.headers["X-Message-Id"] for request in rig.adapter.requests)
    assert set(made.values()) == {3}
    assert 0 < len(made) < 200


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503, (503, INJECTED)])
def test_an_optional_call_may_fail(make_stage, make_message, status):
    """A message goes on after an optional call that failed, and its record says that it was forgiven."""
    rig = make_stage(calls=[{"to": "audit", "optional": True}, "price"], answer=answering(audit=status))
    record = rig.handle(make_message())
    assert (record.outcome, record.code, record.error) == (Outcome.FORWARDED, 200, "")
    assert [(call.downstream, call.outcome, call.forgiven) for call in record.calls] == [
        ("audit", CallOutcome.ERROR_STATUS, True),
        ("price", CallOutcome.OK, False),
    ]


def test_a_call_that_went_well_is_not_forgiven(make_stage, make_message):
    """An optional call that succeeds, or one whose fallback was not needed, has nothing to forgive."""
    rig = make_stage(calls=[{"to": "audit", "optional": True}, {"to": "price", "fallback": "cache"}])
    record = rig.handle(make_message())
    assert [call.forgiven for call in record.calls] == [False, False]
    assert rig.adapter.names == ["audit", "price"]


def test_a_fallback_takes_the_place_of_a_call_that_failed(make_stage, make_message):
    """Where a call fails its fallback is made, as a call of its own, and the message goes on."""
    rig = make_stage(
        calls=[{"to": "price", "fallback": {"to": "cache", "timeout": "2s"}}, "last"],
        answer=answering(price=(503, INJECTED)),
    )
    record = rig.handle(make_message())
    assert rig.adapter.names == ["price", "cache", "last"]
    assert visits(rig)[1] == next_visit("0", "parse/0.fallback", 1)
    assert rig.adapter.timeouts == [30.0, 2.0, 30.0]
    assert [(call.downstream, call.forgiven) for call in record.calls] == [
        ("price", True),
        ("cache", False),
        ("last", False),
    ]
    assert record.outcome is Outcome.FORWARDED


def test_a_fallback_may_have_a_fallback(make_stage, make_message):
    """When a fallback fails as well, its own one is made."""
    rig = make_stage(calls=[{"to": "a", "fallback": {"to": "b", "fallback": "c"}}], answer=answering(a=500, b=500))
    assert rig.handle(make_message()).outcome is Outcome.FORWARDED
    assert rig.adapter.names == ["a", "b", "c"]
    assert visits(rig)[2] == next_visit("0", "parse/0.fallback.fallback", 1)


@pytest.mark.parametrize("optional", [True, False])
def test_a_fallback_that_fails(make_stage, make_message, optional):
    """When the fallback fails the message does, with the fallback's error, unless the call was optional."""
    call = {"to": "price", "fallback": "cache", "optional": optional}
    rig = make_stage(calls=[call, "last"], answer=answering(price=500, cache=(503, INJECTED)))
    if optional:
        assert rig.handle(make_message()).outcome is Outcome.FORWARDED
        assert rig.adapter.names == ["price", "cache", "last"]
    else:
        with pytest.raises(DownstreamFailed, match="cache: it answered 503"):
            rig.handle(make_message())
        assert rig.adapter.names == ["price", "cache"]
        assert rig.record.outcome is Outcome.FAULTED


def test_a_fallback_of_a_probability(make_stage, make_message):
    """A fallback that is made with a probability of 0 is as good as made: the message goes on."""
    call = {"to": "price", "fallback": {"to": "cache", "probability": "0%"}}
    rig = make_stage(calls=[call], answer=answering(price=500))
    assert rig.handle(make_message()).outcome is Outcome.FORWARDED
    assert rig.adapter.names == ["price"]


def test_an_optional_fallback_forgives_everything(make_stage, make_message):
    """Where the fallback is optional, neither it nor the call that it stands for can fail the message."""
    call = {"to": "price", "fallback": {"to": "cache", "optional": True}}
    rig = make_stage(calls=[call], answer=answering(price=500, cache=500))
    record = rig.handle(make_message())
    assert (record.outcome, [call.forgiven for call in record.calls]) == (Outcome.FORWARDED, [True, True])


def test_a_body_of_its_own(make_stage, make_message):
    """A call with a size sends JSON of exactly so many bytes with the message's id, drawn anew for each place."""
    rig = make_stage(calls=[{"to": "a", "request_bytes": "2KB"}, "b"])
    rig.handle(make_message(b"original", "text/plain", message_id="m-3"))
    made_up, own = rig.adapter.requests
    assert (len(made_up.body), made_up.headers["Content-Type"]) == (2000, "application/json")
    assert b'"message_id": "m-3"' in made_up.body
    assert (own.body, own.headers["Content-Type"]) == (b"original", "text/plain")


def test_sizes_are_drawn(make_stage, make_message):
    """A distribution of sizes is drawn for each time that the call is made, and always the same for the same seed."""
    from simulator.behaviour.payloads import parse_sizes

    sizes = "uniform(100B, 100KB)"
    rig = make_stage(calls=[{"to": "a", "request_bytes": sizes, "times": 3}])
    rig.handle(make_message(message_id="m-3"))
    drawn = [parse_sizes(sizes).bytes(draw(7, "parse", "m-3", "0", f"request size 0#{number}")) for number in (1, 2, 3)]
    assert [len(request.body) for request in rig.adapter.requests] == drawn
    assert len(set(drawn)) == 3


def plans():
    """Give steps of any shape, with all the keys that draw."""
    names = st.sampled_from(["a", "b", "c"])
    ratios = st.sampled_from(["0%", "30%", "70%", "100%"])
    calls = st.fixed_dictionaries(
        {"to": names}, optional={"probability": ratios, "times": st.integers(1, 3), "optional": st.booleans()}
    )
    choices = st.lists(names, min_size=2, max_size=2, unique=True).map(
        lambda pair: {"choose": {pair[0]: "40%", pair[1]: "60%"}}
    )
    leaves = calls | choices
    steps = st.recursive(
        leaves,
        lambda inner: st.fixed_dictionaries(
            {"parallel": st.lists(inner | st.lists(inner, min_size=1, max_size=2), min_size=1, max_size=3)},
            optional={"probability": ratios, "limit": st.integers(1, 3)},
        ),
        max_leaves=6,
    )
    return st.lists(steps, min_size=1, max_size=3)


@given(plan=plans(), seed=st.integers(0, 2**63 - 1), message_id=st.text("abc123", min_size=1, max_size=6))
@settings(max_examples=60)
def test_the_same_seed_makes_the_same_calls(make_stage, make_message, plan, seed, message_id):
    """Whatever the steps, a message makes the same calls on the same visits each time, no two visits being the same.

    How long each answer takes, and so the order of calls at the same time, changes nothing.
    """
    sent = []
    for seconds in ({"a": 1.0, "b": 2.0}, {"b": 1.0, "c": 3.0}):
        rig = make_stage(calls=plan, seed=seed, answer=taking(**seconds))
        record = rig.handle(make_message(message_id=message_id))
        assert record.outcome is Outcome.FORWARDED
        assert len(set(visits(rig))) == len(visits(rig)) == len(record.calls)
        sent.append(sorted(zip(rig.adapter.names, visits(rig), strict=True)))
    assert sent[0] == sent[1]


def test_only_calls_of_more_than_one_try_get_a_span(make_stage, make_message):
    """A call that may be tried again gets a span around its tries, which says how it ended; any other gets none."""
    codes = iter([200, 503, 200, 500])
    rig = make_stage(
        calls=["a", {"to": "b", "retries": 1}, {"to": "c", "hedge": "1s"}], answer=lambda _: (next(codes), {}, b"")
    )
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert [span.name for span in rig.spans] == ["call b", "call c"]
    assert [span.attributes for span in rig.spans] == [
        {"peer.service": "b", "simulator.call.outcome": "ok", "simulator.call.attempts": 2},
        {"peer.service": "c", "simulator.call.outcome": "error_status", "simulator.call.attempts": 1},
    ]
    assert rig.spans[0].status is None
    assert rig.spans[1].status[1] == "it answered 500"

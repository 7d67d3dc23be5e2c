"""The calls of a message: whether and how often they are made, what may stand in for them, and what they send."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.draws import draw, next_visit
from simulator.errors import DownstreamFailed
from simulator.telemetry.record import CallOutcome, Outcome
from tests.support.attempts import INJECTED, visits
from tests.support.calls import answering, taking


def shares(make_stage, make_message, calls, messages=1000, **stage):
    """Return how many of so many messages went to each stage."""
    rig = make_stage(calls=calls, **stage)
    for number in range(messages):
        rig.handle(make_message(message_id=f"m-{number}"))
    return Counter(rig.adapter.names)


def is_share_of(count, trials, share):
    """Return whether a count lies within five standard deviations of what a share of the trials makes on average."""
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
    """A call with a size sends JSON of exactly so many bytes with the message's id, drawn again for each place."""
    rig = make_stage(calls=[{"to": "a", "request_bytes": "2KB"}, "b"])
    rig.handle(make_message(b"original", "text/plain", message_id="m-3"))
    generated, own = rig.adapter.requests
    assert (len(generated.body), generated.headers["Content-Type"]) == (2000, "application/json")
    assert b'"message_id": "m-3"' in generated.body
    assert (own.body, own.headers["Content-Type"]) == (b"original", "text/plain")


def test_an_empty_body_of_its_own(make_stage, make_message):
    """A call with a size of 0 sends nothing, and does not claim that it is JSON."""
    rig = make_stage(calls=[{"to": "a", "request_bytes": 0}, "b"])
    assert rig.handle(make_message(b'"original"', "application/json")).outcome is Outcome.FORWARDED
    empty, own = rig.adapter.requests
    assert (empty.body, empty.headers["Content-Length"]) == (b"", "0")
    assert empty.headers["Content-Type"] == "application/octet-stream"
    assert (own.body, own.headers["Content-Type"]) == (b'"original"', "application/json")


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
    """Return steps of any shape, with all the keys that draw."""
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
    """A call that may be retried gets a span around its attempts, which says how it ended; any other gets none."""
    codes = iter([200, 503, 200, 500])
    rig = make_stage(
        calls=["a", {"to": "b", "retries": 1}, {"to": "c", "hedge": "1s"}], answer=lambda _: (next(codes), {}, b"")
    )
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert rig.tracing.names == ["call b", "call c"]
    assert [(call.downstream, call.outcome, len(call.attempts)) for call in rig.tracing.ended] == [
        ("b", CallOutcome.OK, 2),
        ("c", CallOutcome.ERROR_STATUS, 1),
    ]
    assert rig.tracing.ended == list(rig.record.calls[1:])

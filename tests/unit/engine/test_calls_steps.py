"""Steps between and around calls: delays, the options of groups, choices of groups, fallbacks of several steps."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.distributions import Constant, Uniform
from simulator.behaviour.draws import draw, next_visit
from simulator.errors import DownstreamFailed
from simulator.telemetry.record import Outcome
from tests.support.attempts import INJECTED, in_turn, visits
from tests.support.calls import answering, taking
from tests.support.statistics import binomial_range

MESSAGES = 1000


def made(make_stage, make_message, calls, decisions=None, messages=MESSAGES):
    """Return, for each message in order, how often each stage was called for it; none of the calls fails."""
    rig = make_stage(calls=calls)
    for number in range(messages):
        rig.handle(make_message(message_id=f"m-{number}", **({"decisions": decisions(number)} if decisions else {})))
    counts = {f"m-{number}": Counter() for number in range(messages)}
    for name, request in zip(rig.adapter.names, rig.adapter.requests, strict=True):
        counts[request.headers["X-Message-Id"]][name] += 1
    return list(counts.values())


def test_a_delay_between_calls(make_stage, make_message):
    """A delay is waited for at its place, counts by itself, and is drawn for the message."""
    rig = make_stage(delay=Constant(0.5), calls=["a", {"delay": "uniform(1s, 3s)"}, "b"], answer=taking(a=2.0, b=4.0))
    record = rig.handle(make_message())
    drawn = Uniform(1.0, 3.0).quantile(draw(7, "parse", "m-1", "0", "delay 1"))
    assert rig.adapter.names == ["a", "b"]
    assert rig.adapter.moments == pytest.approx([0.5, 2.5 + drawn])
    [pause] = record.step_delays
    assert (pause.spec, pause.drawn_seconds) == ("uniform(1s, 3s)", drawn)
    assert (pause.after_seconds, pause.duration_seconds) == pytest.approx((2.5, drawn))
    assert record.step_delay_seconds == pytest.approx(drawn)
    assert record.downstream_seconds == pytest.approx(6.0)
    assert (record.processing_seconds, record.duration_seconds) == pytest.approx((0.5, 6.5 + drawn))


@pytest.mark.parametrize(("hit", "seconds"), [(True, 1.0), (False, 0.0)])
def test_a_delay_for_some_messages(make_stage, make_message, hit, seconds):
    """A delay with `when` is waited for by the messages for which it holds."""
    rig = make_stage(decide={"hit": f"{100 * hit}%"}, calls=[{"delay": "1s", "when": "hit"}, "a"])
    record = rig.handle(make_message())
    assert (rig.adapter.moments, len(record.step_delays)) == ([seconds], int(hit))


def test_delays_at_the_same_time_count_once(make_stage, make_message):
    """Of delays beside a call only what is longer than the call counts as a delay, and that once."""
    rig = make_stage(calls=[{"parallel": [{"delay": "5s"}, {"delay": "4s"}, "a"]}, "b"], answer=taking(a=3.0, b=1.0))
    record = rig.handle(make_message())
    assert dict(zip(rig.adapter.names, rig.adapter.moments, strict=True)) == {"a": 0.0, "b": 5.0}
    assert [pause.duration_seconds for pause in record.step_delays] == [4.0, 5.0]
    assert (record.step_delay_seconds, record.downstream_seconds, record.duration_seconds) == (2.0, 4.0, 6.0)


def test_a_group_is_taken_several_times_at_once(make_stage, make_message):
    """`times` of a parallel group takes every one of its steps so many times, all at the same time."""
    rig = make_stage(calls=[{"parallel": ["a", "b"], "times": 3}, "c"], answer=taking(a=2.0, b=1.0))
    rig.handle(make_message())
    assert rig.adapter.names == ["a", "b"] * 3 + ["c"]
    assert rig.adapter.moments == [0.0] * 6 + [2.0]
    places = [f"parse/0#{time}.parallel.{index}" for time in (1, 2, 3) for index in (0, 1)]
    assert visits(rig) == [next_visit("0", place, 1) for place in (*places, "parse/1")]


def test_a_limit_is_for_all_times_of_a_group(make_stage, make_message):
    """Two steps taken three times within a limit of four are six calls, of which four are in flight."""
    rig = make_stage(calls=[{"parallel": ["a", "b"], "times": 3, "limit": 4}], answer=lambda _: (1.0, 200, {}, b""))
    rig.handle(make_message())
    assert rig.adapter.moments == [0.0] * 4 + [1.0] * 2


def test_steps_are_taken_several_times_in_order(make_stage, make_message):
    """`times` of a sequence takes it so many times, one after the other."""
    rig = make_stage(calls=[{"steps": ["a", "b"], "times": 3}], answer=taking(a=2.0, b=1.0))
    rig.handle(make_message())
    assert list(zip(rig.adapter.names, rig.adapter.moments, strict=True)) == [
        ("a", 0.0),
        ("b", 2.0),
        ("a", 3.0),
        ("b", 5.0),
        ("a", 6.0),
        ("b", 8.0),
    ]
    assert visits(rig) == [next_visit("0", f"parse/0#{time}.{index}", 1) for time in (1, 2, 3) for index in (0, 1)]


@pytest.mark.parametrize("group", [{"parallel": ["a", "b"]}, {"steps": ["a", "b"]}])
def test_as_many_times_as_was_decided(make_stage, make_message, group):
    """`times` that names a decision is that number for each message: none for 0, and none where it was not made."""
    items = [{"items": 3}, {"items": 0}, {}, {"items": 1}]
    counts = made(make_stage, make_message, [{**group, "times": "items"}], items.__getitem__, len(items))
    assert counts == [Counter(a=number, b=number) for number in (3, 0, 0, 1)]


@pytest.mark.parametrize("group", [{"parallel": ["a", "b"]}, {"steps": ["a", "b"]}])
def test_times_are_drawn_for_the_whole_group(make_stage, make_message, group):
    """`times` of a distribution is one draw per group and message; each of its numbers has its share."""
    counts = made(make_stage, make_message, [{**group, "times": "uniform(0, 3)"}])
    assert all(count["a"] == count["b"] for count in counts)
    low, high = binomial_range(MESSAGES, 0.25, 0.9999)
    numbers = Counter(count["a"] for count in counts)
    assert set(numbers) == {0, 1, 2, 3}
    assert all(low <= number <= high for number in numbers.values())


@pytest.mark.parametrize("pick", [1, 2, 3, 4, 9])
def test_some_of_a_group_are_picked(make_stage, make_message, pick):
    """Each message takes `pick` different ones of the steps, and each step gets its share; of too few, all."""
    names = ["a", "b", "c", "d"]
    counts = made(make_stage, make_message, [{"parallel": names, "pick": pick}])
    taken = min(pick, len(names))
    assert {tuple(sorted(count.values())) for count in counts} == {(1,) * taken}
    low, high = binomial_range(MESSAGES, taken / len(names), 0.9999)
    totals = sum(counts, Counter())
    assert all(low <= totals[name] <= high for name in names)


def test_every_pair_is_picked_as_often(make_stage, make_message):
    """Each set of `pick` steps has the same probability: no two steps come together more often than others."""
    counts = made(make_stage, make_message, [{"parallel": ["a", "b", "c", "d"], "pick": 2}])
    pairs = Counter("".join(sorted(count)) for count in counts)
    low, high = binomial_range(MESSAGES, 1 / 6, 0.9999)
    assert set(pairs) == {"ab", "ac", "ad", "bc", "bd", "cd"}
    assert all(low <= number <= high for number in pairs.values())


def test_each_of_several_times_picks_for_itself(make_stage, make_message):
    """A group with `pick` and `times` picks again each time."""
    counts = made(make_stage, make_message, [{"parallel": ["a", "b"], "pick": 1, "times": 2}])
    assert {count.total() for count in counts} == {2}
    low, high = binomial_range(MESSAGES, 0.5, 0.9999)
    assert low <= sum(len(count) == 2 for count in counts) <= high


@pytest.mark.parametrize("group", [{"parallel": ["a", "b"]}, {"steps": ["a", "b"]}])
@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_a_group_of_a_probability(make_stage, make_message, group, share):
    """A group with a probability is taken whole or not at all, for its share of the messages."""
    counts = made(make_stage, make_message, [{**group, "probability": share}])
    low, high = binomial_range(MESSAGES, share, 0.9999)
    assert set(map(tuple, counts)) <= {(), ("a", "b")}
    assert low <= sum(map(bool, counts)) <= high


@pytest.mark.parametrize(
    "step",
    ["a", {"parallel": ["a", "b"]}, {"steps": ["a", "b"], "times": 2}, {"choose": {"a": 1}}],
    ids=["call", "parallel", "steps", "choose"],
)
def test_a_step_for_some_messages(make_stage, make_message, step):
    """A step with `when` is taken for exactly the messages for which it holds; a decision not made holds for none."""
    step = {"to": step} if isinstance(step, str) else step
    tenants = [{"tenant": "gold"}, {"tenant": "silver"}, {}, {"tenant": "gold"}]
    counts = made(make_stage, make_message, [{**step, "when": "tenant = gold"}], tenants.__getitem__, len(tenants))
    assert list(map(bool, counts)) == [True, False, False, True]


@pytest.mark.parametrize("share", [0, 0.2, 1])
def test_a_choice_of_groups(make_stage, make_message, share):
    """One of several groups is taken by weight, whole, and each message takes one."""
    weighted = [
        {"parallel": ["a", "b"], "weight": 10 * share},
        {"steps": ["c", "d"], "times": 2, "weight": 10 - 10 * share},
    ]
    counts = made(make_stage, make_message, [{"choose": weighted}])
    groups = Counter("first" if count == Counter("ab") else "second" for count in counts)
    assert all(count in (Counter("ab"), Counter("ccdd")) for count in counts)
    low, high = binomial_range(MESSAGES, share, 0.9999)
    assert low <= groups["first"] <= high


def test_the_places_of_a_chosen_group(make_stage, make_message):
    """The calls of a chosen group have visits by its place among the alternatives."""
    rig = make_stage(calls=[{"choose": [{"to": "a", "weight": 0}, {"steps": ["b", "c"], "weight": 1}]}])
    rig.handle(make_message())
    assert visits(rig) == [next_visit("0", f"parse/0.choose.1.{index}", 1) for index in (0, 1)]


def test_a_fallback_of_several_steps(make_stage, make_message):
    """Where a call fails, the steps of its fallback are taken in order, and the message goes on."""
    fallback = ["b", {"delay": "1s"}, {"parallel": ["c", "d"]}]
    rig = make_stage(calls=[{"to": "a", "fallback": fallback}, "last"], answer=answering(a=503))
    record = rig.handle(make_message())
    assert list(zip(rig.adapter.names, rig.adapter.moments, strict=True)) == [
        ("a", 0.0),
        ("b", 0.0),
        ("c", 1.0),
        ("d", 1.0),
        ("last", 1.0),
    ]
    places = ("0", "0.fallback.0", "0.fallback.2.parallel.0", "0.fallback.2.parallel.1", "1")
    assert visits(rig) == [next_visit("0", f"parse/{place}", 1) for place in places]
    assert record.outcome is Outcome.FORWARDED
    assert [(call.downstream, call.forgiven) for call in record.calls][:2] == [("a", True), ("b", False)]


@pytest.mark.parametrize("optional", [False, True])
def test_a_fallback_fails_at_its_first_failure(make_stage, make_message, optional):
    """What follows a failed step of a fallback is not done, and the failure is the call's unless that is optional."""
    call = {"to": "a", "fallback": ["b", "c"], "optional": optional}
    rig = make_stage(calls=[call, "last"], answer=answering(a=500, b=500))
    if optional:
        record = rig.handle(make_message())
        assert (rig.adapter.names, record.outcome) == (["a", "b", "last"], Outcome.FORWARDED)
    else:
        with pytest.raises(DownstreamFailed, match="b: it answered 500"):
            rig.handle(make_message())
        assert rig.adapter.names == ["a", "b"]
    assert [call.forgiven for call in rig.record.calls][:2] == [True, optional]


def groups(**options):
    """Return a parallel group and a sequence, of one call that fails and of nothing else, with these options."""
    return [{"parallel": ["bad"], **options}, {"steps": ["bad"], **options}]


@pytest.mark.parametrize("group", groups(on_error=["undo", {"delay": "1s"}, "tell"]), ids=["parallel", "steps"])
def test_a_group_failed(make_stage, make_message, group):
    """After a failure in a group its `on_error` is taken, and then the failure stands."""
    rig = make_stage(calls=[group, "last"], answer=answering(bad=500))
    with pytest.raises(DownstreamFailed, match="bad: it answered 500"):
        rig.handle(make_message())
    assert (rig.adapter.names, rig.adapter.moments) == (["bad", "undo", "tell"], [0.0, 0.0, 1.0])
    assert visits(rig)[1] == next_visit("0", "parse/0.on_error.0", 1)
    assert [call.forgiven for call in rig.record.calls] == [False, False, False]
    assert rig.record.outcome is Outcome.FAILED


@pytest.mark.parametrize("group", groups(on_error=["undo"]), ids=["parallel", "steps"])
def test_a_group_without_a_failure(make_stage, make_message, group):
    """`on_error` is not taken where nothing failed, nor where the failure was forgiven within the group."""
    for call, answer in (("bad", {}), ({"to": "bad", "optional": True}, {"bad": 500})):
        key = "parallel" if "parallel" in group else "steps"
        rig = make_stage(calls=[{**group, key: [call]}], answer=answering(**answer))
        assert rig.handle(make_message()).outcome is Outcome.FORWARDED
        assert rig.adapter.names == ["bad"]


@pytest.mark.parametrize("group", groups(on_error=["undo"], optional=True), ids=["parallel", "steps"])
@pytest.mark.parametrize("undo", [200, 500, (503, INJECTED)])
def test_an_optional_group_forgives_its_on_error_too(make_stage, make_message, group, undo):
    """The message goes on after an optional group, whether or not the steps after its failure fail as well."""
    rig = make_stage(calls=[group, "last"], answer=answering(bad=500, undo=undo))
    record = rig.handle(make_message())
    assert rig.adapter.names == ["bad", "undo", "last"]
    assert (record.outcome, record.code) == (Outcome.FORWARDED, 200)
    assert [call.forgiven for call in record.calls] == [True, undo != 200, False]


@pytest.mark.parametrize("group", groups(on_error=["undo"]), ids=["parallel", "steps"])
@pytest.mark.parametrize(
    ("bad", "undo", "outcome", "told"),
    [
        (500, (503, INJECTED), Outcome.FAILED, "bad"),
        ((503, INJECTED), 500, Outcome.FAILED, "undo"),
        ((503, INJECTED), (503, INJECTED), Outcome.FAULTED, "bad"),
        (500, 500, Outcome.FAILED, "bad"),
    ],
)
def test_a_genuine_failure_counts_before_an_injected_one(make_stage, make_message, group, bad, undo, outcome, told):
    """Where a group and its `on_error` fail, an injected failure hides no genuine one; of equals the first is told."""
    rig = make_stage(calls=[group], answer=answering(bad=bad, undo=undo))
    with pytest.raises(DownstreamFailed, match=f"^{told}: "):
        rig.handle(make_message())
    assert rig.record.outcome is outcome


def test_the_first_of_several_times_that_fails_ends_the_sequence(make_stage, make_message):
    """A sequence that fails the second of four times is not taken a third time, and its `on_error` follows once."""
    rig = make_stage(
        calls=[{"steps": ["a"], "times": 4, "optional": True, "on_error": ["undo"]}, "last"],
        answer=in_turn(200, 500, 200),
    )
    rig.handle(make_message())
    assert rig.adapter.names == ["a", "a", "undo", "last"]


LEAVES = st.sampled_from(["ok", "bad", "purpose"])


@st.composite
def nested(draw_, depth=0):
    """Draw a step: a call that goes well, fails, or fails by an injected fault, or a group of such."""
    if depth == 3 or draw_(st.integers(0, 2)) == 0:
        return draw_(LEAVES)
    inner = draw_(st.lists(nested(depth + 1), min_size=1, max_size=3))
    group = {draw_(st.sampled_from(["parallel", "steps"])): inner}
    if draw_(st.booleans()):
        group["on_error"] = [draw_(LEAVES)]
    if draw_(st.integers(0, 3)) == 0:
        group["optional"] = True
    return group


def end_of(step):
    """Return what becomes of a step, worked out from what the README promises: well (0), injected (1), genuine (2)."""
    if isinstance(step, str):
        return {"ok": 0, "purpose": 1, "bad": 2}[step]
    ends = [end_of(inner) for inner in step.get("parallel", step.get("steps"))]
    worst = max(ends) if "parallel" in step else next(filter(None, ends), 0)
    if worst:
        worst = max(worst, *map(end_of, step.get("on_error", ())), 0)
    return 0 if step.get("optional") else worst


@given(step=nested())
@settings(max_examples=100)
def test_what_becomes_of_groups_in_groups(make_stage, make_message, step):
    """However groups stand in groups, a message fails genuinely, by an injected fault or not at all."""
    rig = make_stage(
        calls=[step if isinstance(step, dict) else {"to": step}], answer=answering(bad=500, purpose=(503, INJECTED))
    )
    with contextlib.suppress(DownstreamFailed):
        rig.handle(make_message())
    assert rig.record.outcome is (Outcome.FORWARDED, Outcome.FAULTED, Outcome.FAILED)[end_of(step)]

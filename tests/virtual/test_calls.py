"""Deadlines, hedging, groups, limits and instances: exact times, and exactly the messages of the seed."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter, defaultdict

import pytest
from hypothesis import strategies as st

from simulator.behaviour.arrivals import arrival_draw
from simulator.behaviour.draws import FIRST_VISIT, draw, message_id, next_visit
from tests.support.drawn import is_struck
from tests.support.seeds import check_many, new_seed
from tests.support.virtual import observe, topology_of

BURST = 10


def source(messages, calls, **load):
    return {"role": "injector", "load": {"messages": messages, **(load or {"rate": "1/s"})}, "calls": calls}


def ordered(seed, stage, messages):
    """Return the ids of the messages of an injector, in their order."""
    return [message_id(seed, stage, number) for number in range(1, messages + 1)]


def arrivals(seed, stage, messages, rate):
    """Return when the messages of a Poisson process are due: after gaps of -ln(1 - u) / rate."""
    gaps = (-math.log1p(-arrival_draw(seed, stage, number)) / rate for number in range(1, messages + 1))
    return list(itertools.accumulate(gaps))


def test_no_stage_starts_work_for_a_message_whose_deadline_has_passed():
    """Of ten messages at once a slow stage with one worker starts the two whose callers still wait, and no other."""
    seen = observe(
        {
            "edge": source(10, [{"to": "front", "deadline": "1s"}], concurrency=10),
            "front": {"delay": "constant(200ms)", "calls": ["slow"]},
            "slow": {"workers": 1, "delay": "constant(600ms)", "calls": ["last"]},
            "last": {"role": "terminator"},
        }
    )
    ended = [
        (str(record.outcome), record.code, round(record.queue_wait_seconds, 6), record.delay_drawn_seconds)
        for record in seen.records["slow"]
    ]
    # The second one is done at 1.4 s, when its caller has been gone for 400 ms; so all others are refused.
    assert ended == [
        ("forwarded", 200, 0.0, 0.6),
        *[("failed", 504, 0.6, 0.6)],
        *[("rejected", 504, 1.2, None)] * 8,
    ]
    assert seen.count("last") == 1
    assert Counter(round(record.duration_seconds, 6) for record in seen.records["edge"]) == {0.8: 1, 1.0: 9}
    assert Counter(str(record.outcome) for record in seen.records["edge"]) == {"forwarded": 1, "failed": 9}


@pytest.mark.parametrize(("deadline", "begun"), [("99ms", 1), ("299ms", 3), ("301ms", 4), ("350ms", 4), ("2s", 10)])
def test_a_message_that_waited_past_its_deadline_is_not_begun(deadline, begun):
    """One worker is free each 100 ms: it begins those whose deadline is later than that, be it by a millisecond."""
    stages = {
        "source": source(10, [{"to": "slow", "deadline": deadline}], concurrency=10),
        "slow": {"role": "terminator", "workers": 1, "delay": "constant(100ms)"},
    }
    records = observe(stages).records["slow"]
    assert [record.delay_drawn_seconds for record in records] == [0.1] * begun + [None] * (10 - begun)


def test_a_deadline_ends_a_chain_where_it_passes():
    """In a chain each stage works if less than the deadline has passed, and no stage behind it hears of the message."""
    names = [f"s{number}" for number in range(6)]

    def check(drawn):
        delays, deadline = drawn["delays"], drawn["deadline"]
        stages = {"source": source(1, [{"to": "s0", "deadline": f"{deadline}ms"}])}
        for name, delay, after in zip(names, delays, [*names[1:], None], strict=True):
            stages[name] = {"delay": f"constant({delay}ms)", "calls": [after] if after else []}
        seen = observe(stages)
        begun = 0
        while begun < len(names) and sum(delays[:begun]) < deadline:
            begun += 1
        assert [seen.count(name) for name in names] == [1] * begun + [0] * (len(names) - begun)
        is_in_time = sum(delays) < deadline
        (record,) = seen.records["source"]
        assert record.outcome == ("forwarded" if is_in_time else "failed")
        assert record.duration_seconds == pytest.approx((sum(delays) if is_in_time else deadline) / 1e3)

    delays = st.lists(st.integers(1, 40), min_size=6, max_size=6)
    # Half a millisecond more, so that nothing is due at the very time of the deadline.
    check_many(
        st.fixed_dictionaries({"delays": delays, "deadline": st.integers(1, 200).map(lambda n: n + 0.5)}), 200, check
    )


def test_a_hedged_call_takes_the_time_of_its_faster_attempt():
    """Where the first attempt hangs the second answers 400 ms later; where both do, the first one's end counts."""
    seed, messages = new_seed(), 1000
    stages = {
        "caller": source(messages, [{"to": "called", "hedge": "400ms"}]),
        "called": {"role": "terminator", "delay": "constant(10ms)", "faults": ["hang(3s, 20%)"]},
    }
    seen = observe(stages, seed)
    attempts = defaultdict(list)
    for tried in seen.attempts["caller"]:
        attempts[tried.arrival.message_id].append(tried.attempt)
    for record in seen.records["caller"]:
        message = record.arrival.message_id
        hangs = [
            draw(seed, "called", message, next_visit(FIRST_VISIT, "caller/0", attempt), "fault 0 hang") < 0.2
            for attempt in (1, 2)
        ]
        told = sorted((a.number, str(a.outcome), round(a.duration_seconds, 6)) for a in attempts[message])
        if not hangs[0]:
            expected = [(1, "ok", 0.01)]
        elif not hangs[1]:
            expected = [(1, "abandoned", 0.41), (2, "ok", 0.01)]
        else:
            expected = [(1, "ok", 3.01), (2, "abandoned", 2.61)]
        assert (message, told) == (message, expected)
        assert record.duration_seconds == pytest.approx(0.01 if not hangs[0] else 3.01 if all(hangs) else 0.41)
    assert seen.count("called") == sum(map(len, attempts.values()))


@pytest.mark.parametrize("limit", [None, 1, 2, 3])
def test_a_group_takes_as_long_as_its_calls_at_so_many_at_a_time(limit):
    """Five calls with delays of their own: the longest, their sum, or as many workers as the limit need for them."""
    seed, names = new_seed(), ["a", "b", "c", "d", "e"]
    stages = {
        "caller": source(200, [{"parallel": names, **({"limit": limit} if limit else {})}]),
        **{name: {"delay": "exponential(20ms)", "calls": []} for name in names},
    }
    seen, topology = observe(stages, seed), topology_of(stages, seed)
    for record in seen.records["caller"]:
        free = [0.0] * (limit or len(names))
        for index, name in enumerate(names):
            visit = next_visit(FIRST_VISIT, f"caller/0.parallel.{index}", 1)
            u = draw(seed, name, record.arrival.message_id, visit, "delay")
            heapq.heapreplace(free, free[0] + topology.stages[name].delay.quantile(u))
        assert record.duration_seconds == pytest.approx(max(free), abs=1e-6)


def test_a_group_fails_for_real_where_any_of_its_calls_does():
    """An injected failure does not cover up a genuine one, whichever comes first."""
    seed, messages = new_seed(), 300
    calls = [{"parallel": ["sick", {"to": "slow", "timeout": "50ms"}]}]
    stages = {
        "caller": source(messages, calls),
        "sick": {"role": "terminator", "delay": "uniform(0ms, 100ms)", "faults": ["error(500, 50%)"]},
        "slow": {"role": "terminator", "delay": "uniform(0ms, 100ms)"},
    }
    for message, outcome in observe(stages, seed).outcomes("caller").items():
        sick, slow = (next_visit(FIRST_VISIT, f"caller/0.parallel.{index}", 1) for index in (0, 1))
        is_hit = draw(seed, "sick", message, sick, "fault 0 error") < 0.5
        is_late = draw(seed, "slow", message, slow, "delay") > 0.5
        assert outcome == ("failed" if is_late else "faulted" if is_hit else "forwarded")


def test_a_fallback_is_called_for_the_messages_whose_call_fails_and_no_others():
    """With a fallback no message fails, nor with an optional call; each failed call is recorded as forgiven."""
    seed, messages = new_seed(), 500
    calls = [{"to": "first", "fallback": "second"}, {"to": "third", "optional": True}]
    faulty = {"role": "terminator", "faults": ["error(500, 40%)"]}
    stages = {"caller": source(messages, calls), "first": faulty, "second": {"role": "terminator"}, "third": faulty}
    seen = observe(stages, seed)
    failing = {m for m in ordered(seed, "caller", messages) if is_struck(seed, ("caller", "first"), m, "error", 0.4)}
    assert set(seen.outcomes("second")) == failing
    assert set(seen.outcomes("caller").values()) == {"forwarded"} and seen.count("third") == messages
    third = {message for message, outcome in seen.outcomes("third").items() if outcome == "faulted"}
    for record in seen.records["caller"]:
        forgiven = {call.downstream for call in record.calls if call.forgiven}
        message = record.arrival.message_id
        assert forgiven == {name for name, failed in (("first", failing), ("third", third)) if message in failed}


def test_a_stage_that_accepts_answers_at_once_and_works_later():
    """Fifty messages are accepted when they come; two workers need 200 ms for each, in the order of their arrival."""
    stages = {
        "source": source(50, ["front"], concurrency=50),
        "front": {"forward": "accept", "workers": 2, "queue": 100, "delay": "constant(200ms)", "calls": ["back"]},
        "back": {"role": "terminator"},
    }
    seen = observe(stages)
    assert all(record.duration_seconds == 0.0 for record in seen.records["source"])
    waits = [record.queue_wait_seconds for record in seen.records["front"]]
    assert waits == pytest.approx([number // 2 * 0.2 for number in range(50)])
    assert all(record.answer_seconds == 0.0 and record.code == 202 for record in seen.records["front"])
    assert seen.count("back") == 50


def test_a_limit_turns_away_what_a_bucket_on_paper_turns_away():
    """Of a Poisson process at twice its rate a limit takes exactly the messages that find a token."""
    seed, messages, rate = new_seed(), 3000, 20.0
    stages = {
        "source": source(messages, ["s"], rate=f"{2 * rate:g}/s", arrivals="poisson"),
        "s": {"role": "terminator", "rate_limit": f"limit({rate:g}/s, burst={BURST})"},
    }
    seen = observe(stages, seed)
    tokens, last, taken = float(BURST), 0.0, set()
    for message, at in zip(
        ordered(seed, "source", messages), arrivals(seed, "source", messages, 2 * rate), strict=True
    ):
        tokens, last = min(BURST, tokens + (at - last) * rate), at
        if tokens >= 1.0 - 1e-9:
            tokens -= 1.0
            taken.add(message)
    outcomes = seen.outcomes("s")
    assert {message for message, outcome in outcomes.items() if outcome == "delivered"} == taken
    assert {record.code for record in seen.records["s"] if record.outcome == "rejected"} == {429}
    assert len(taken) <= BURST + last * rate


INSTANCES = {"role": "terminator", "instances": 3, "faults": ["error(500, 100%, instance=2)"]}


def test_instances_take_turns_and_a_sick_one_fails_a_third():
    """Of three instances each gets every third message; the sick one fails all of its own and no other's."""
    seed, messages = new_seed(), 300
    seen = observe({"caller": source(messages, ["called"]), "called": INSTANCES}, seed)
    for instance in (1, 2, 3):
        came = [record.arrival.message_id for record in seen.by_instance["called", instance]]
        assert came == ordered(seed, "caller", messages)[instance - 1 :: 3]
    outcomes = [seen.outcomes("caller")[message] for message in ordered(seed, "caller", messages)]
    assert outcomes == ["forwarded", "faulted", "forwarded"] * (messages // 3)


def test_a_retry_goes_to_the_next_instance():
    """With one retry, which the next instance gets, no message fails of a sick instance."""
    calls = [{"to": "called", "retries": "retries(1, backoff=1ms)"}]
    seen = observe({"caller": source(300, calls, rate="1/s", arrivals="constant"), "called": INSTANCES}, new_seed())
    assert set(seen.outcomes("caller").values()) == {"forwarded"}
    # 1, 2 and again 3, 1, 2 and again 3: four attempts for three messages.
    assert [len(record.calls[0].attempts) for record in seen.records["caller"]] == [1, 2] * 150
    assert [len(seen.by_instance["called", instance]) for instance in (1, 2, 3)] == [150, 150, 150]


@pytest.mark.parametrize("messages", [2000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_arrivals_are_a_poisson_process(messages):
    """Every message comes when the seed says, and the gaps are exponential by the test of Kolmogorov and Smirnov."""
    seed, rate = new_seed(), 50.0
    seen = observe({"s": {**source(messages, [], rate=f"{rate:g}/s", arrivals="poisson")}}, seed)
    came = [record.arrival.received_at for record in seen.records["s"]]
    assert came == pytest.approx(arrivals(seed, "s", messages, rate), rel=1e-12)
    gaps = sorted(later - earlier for earlier, later in zip([0.0, *came], came, strict=False))
    distance = max(
        max((index + 1) / messages - share, share - index / messages)
        for index, share in enumerate(-math.expm1(-rate * gap) for gap in gaps)
    )
    # The probability of a greater one is 2 exp(-2 x^2), here 1e-9 (Massey, 1951).
    assert distance < math.sqrt(math.log(2e9) / 2 / messages)


def test_an_open_schedule_is_kept_whatever_the_answers_take():
    """Messages come at their times although each takes thirty times the gap between them; none is missed."""
    stages = {"s": {**source(100, [], rate="50/s", arrivals="constant"), "delay": "constant(600ms)"}}
    records = observe(stages).records["s"]
    assert [record.arrival.received_at for record in records] == pytest.approx([n / 50 for n in range(1, 101)])
    assert all(record.duration_seconds == pytest.approx(0.6) for record in records)


def test_a_message_that_finds_no_room_is_missed_and_not_lost():
    """Two workers that need 400 ms take two of forty messages that come meanwhile; the others are refused."""
    stages = {
        "source": {**source(60, ["slow"], rate="100/s", arrivals="constant"), "workers": 2, "queue": 0},
        "slow": {"role": "terminator", "delay": "constant(405ms)"},
    }
    seen = observe(stages)
    begun = sorted(record.arrival.received_at for record in seen.records["slow"])
    assert begun == pytest.approx([0.01, 0.02, 0.42, 0.43])
    assert Counter(seen.outcomes("source").values()) == {"forwarded": 4, "rejected": 56}

"""Faults in chains of calls: every visit ends as, and when, the seed says; what is injected is called so by all."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from simulator.behaviour.draws import FIRST_VISIT, draw, message_id, next_visit
from tests.support.drawn import is_struck
from tests.support.played import Chain
from tests.support.seeds import check_many, new_seed
from tests.support.statistics import binomial_range
from tests.support.virtual import observe, topology_of

FAULTS = [
    "error(503, {})",
    "error(429, {})",
    "error(400, {})",
    "reset({})",
    "truncate({})",
    "hang(30ms, {})",
    "hang(6s, {})",
    "slow_body(20KB/s, {})",
    "slow_body(200B/s, {})",
    "cpu(20ms, {})",
    "cpu(3s, {})",
    "memory(1MB, {})",
]
SHARES = ["20%", "50%", "100%"]
MESSAGES = 3
CERTAINTY = 1 - 1e-9
PURPOSES = ("probability 0", "choose 1")


# What callers have: patience that may end, patience that only a fault exhausts, patience for all retries.
TIMEOUTS_AND_RETRIES = st.fixed_dictionaries(
    {"timeout": st.sampled_from(["20ms", "200ms", "2s", "30s"])},
    optional={"retries": st.sampled_from(["retries(1, backoff=10ms)", "retries(2, backoff=200ms)"])},
)
TIMEOUTS = st.fixed_dictionaries({"timeout": st.sampled_from(["2s", "30s"])})
RETRIES = st.fixed_dictionaries(
    {"timeout": st.just("10h")},
    optional={"retries": st.sampled_from(["retries(1, backoff=10ms)", "retries(2, backoff=200ms)"])},
)
DELAYS = st.sampled_from(["uniform(1ms, 10ms)", "lognormal(p50=4ms, p99=60ms)"])


@st.composite
def chains(pick, options):
    """Draw a chain of one to six stages behind an injector, with a fault or two anywhere in it."""
    count = pick(st.integers(1, 6))
    names = ["source", *(f"s{number}" for number in range(1, count + 1))]
    stages = {}
    for level, name in enumerate(names):
        faults = pick(st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from(SHARES)), max_size=2 * (level > 0)))
        stage = {
            "delay": pick(DELAYS),
            "faults": [fault.format(share) for fault, share in faults],
            "response_bytes": "400B",
        }
        if level < count:
            stage["calls"] = [{"to": names[level + 1], **pick(options)}]
            stage["forward"] = pick(st.sampled_from(["wait"] * 6 + ["accept"])) if level else "wait"
        stages[name] = stage
    stages[names[-1]]["role"] = "terminator"
    stages["source"] |= {"role": "injector", "load": {"rate": "0.001/s", "arrivals": "constant", "messages": MESSAGES}}
    return {"seed": pick(st.integers(0, 10**6)), "stages": stages}


def check_chain(drawn):
    """Run a chain: every visit, its end, its faults and its time are those that were played."""
    seen, chain = observe(drawn["stages"], drawn["seed"]), Chain(topology_of(drawn["stages"], drawn["seed"]))
    for number in range(1, MESSAGES + 1):
        chain.play(message_id(drawn["seed"], "source", number))
    found = {
        (stage, record.arrival.message_id, record.arrival.visit): record
        for stage, records in seen.records.items()
        for record in records
    }
    assert set(found) == set(chain.visits)
    for key, played in chain.visits.items():
        record = found[key]
        assert (key, str(record.outcome), record.faults) == (key, played.outcome, played.faults)
        assert record.duration_seconds == pytest.approx(played.seconds, abs=1e-6), key
    return found


@pytest.mark.parametrize("part", range(2))
def test_every_visit_in_a_chain_is_the_one_of_the_seed(part):
    """Chains of one to six stages, every fault, timeouts and retries: each visit ends as and when it must."""
    check_many(chains(TIMEOUTS_AND_RETRIES), 300, check_chain)


@pytest.mark.parametrize("options", [TIMEOUTS, RETRIES], ids=["timeouts", "retries"])
def test_an_injected_fault_is_called_so_all_the_way_up(options):
    """Where only faults exhaust the patience of callers no stage, however far up, calls a failure genuine."""

    def check(drawn):
        assert not [key for key, record in check_chain(drawn).items() if record.outcome == "failed"]

    check_many(chains(options), 300, check)


def test_a_hidden_answer_is_not_the_excuse_of_a_slow_one():
    """Beside faults a stage that is slower than its caller's patience fails for real, message by message."""
    stages = {
        "source": {"role": "injector", "load": {"rate": "1/s", "messages": 1000}, "calls": ["middle"]},
        "middle": {"calls": [{"to": "last", "timeout": "100ms"}]},
        "last": {"role": "terminator", "delay": "uniform(50ms, 150ms)", "faults": ["hang(1s, 30%)"]},
    }
    seed = new_seed()
    outcomes = observe(stages, seed).outcomes("source")
    for message, outcome in outcomes.items():
        visit = next_visit(next_visit(FIRST_VISIT, "source/0", 1), "middle/0", 1)
        is_late = draw(seed, "last", message, visit, "delay") >= 0.5
        hangs = is_struck(seed, ("source", "middle", "last"), message, "hang", 0.3)
        assert outcome == ("failed" if is_late else "faulted" if hangs else "forwarded")


@pytest.mark.parametrize("fault", ["error(503, {}%)", "reset({}%)", "truncate({}%)"])
def test_the_share_of_a_fault(fault):
    """At every share the messages that a fault hits are those of the seed, and as many as the share says."""
    name, seed, messages = fault.partition("(")[0], new_seed(), 1000
    for share in (0, 5, 30, 60, 100):
        stage = {"role": "injector", "load": {"concurrency": 1, "messages": messages}, "calls": []}
        seen = observe({"stage": {**stage, "faults": [fault.format(share)]}}, seed)
        hit = {message for message, outcome in seen.outcomes("stage").items() if outcome == "faulted"}
        assert hit == {m for m in seen.outcomes("stage") if is_struck(seed, ("stage",), m, name, share / 100)}
        low, high = binomial_range(messages, share / 100, CERTAINTY)
        assert low <= len(hit) <= high and seen.count("stage") == messages


@pytest.mark.parametrize(("method", "slow_seconds"), [("GET", 20.0), ("HEAD", 0.0)])
def test_faults_of_an_answer_without_a_body(method, slow_seconds):
    """A truncated answer to HEAD is broken like any other, and one that is slow takes no time, as it has no body."""
    operations = {
        "cut": {"method": method, "path": "/cut", "faults": ["truncate(100%)"]},
        "slow": {"method": method, "path": "/slow", "faults": ["slow_body(20B/s, 100%)"]},
    }
    stages = {
        "source": {
            "role": "injector",
            "load": {"concurrency": 1, "messages": 1},
            "calls": [{"to": "leaf.slow", "timeout": "1h"}, "leaf.cut"],
        },
        "leaf": {"role": "terminator", "response_bytes": "400B", "operations": operations},
    }
    seen = observe(stages)
    slow, cut = seen.records["leaf"]
    assert (str(slow.outcome), slow.duration_seconds) == ("delivered", pytest.approx(slow_seconds))
    assert (str(cut.outcome), cut.duration_seconds) == ("faulted", 0.0)
    [injected] = seen.records["source"]
    assert [(str(call.outcome), call.injected) for call in injected.calls] == [("ok", False), ("broken", True)]
    assert str(injected.outcome) == "faulted"


def test_the_share_of_a_probability_and_of_a_choice():
    """At every share the messages that are sent on, and where to, are those of the seed, as many as the share says."""
    seed, messages = new_seed(), 1000
    for share in (0, 5, 30, 60, 100):
        choice = [{"to": "one", "weight": f"{share}%"}, {"to": "other", "weight": f"{100 - share}%"}]
        stages = {
            "router": {
                "role": "injector",
                "load": {"concurrency": 1, "messages": messages},
                "calls": [{"to": "perhaps", "probability": f"{share}%"}, {"choose": choice}],
            },
            **{name: {"role": "terminator"} for name in ("perhaps", "one", "other")},
        }
        seen = observe(stages, seed)
        drawn = {
            message: [draw(seed, "router", message, FIRST_VISIT, what) < share / 100 for what in PURPOSES]
            for message in seen.outcomes("router")
        }
        assert set(seen.outcomes("perhaps")) == {message for message, (perhaps, _) in drawn.items() if perhaps}
        assert set(seen.outcomes("one")) == {message for message, (_, one) in drawn.items() if one}
        assert set(seen.outcomes("one")) | set(seen.outcomes("other")) == set(drawn)
        assert seen.count("one") + seen.count("other") == messages
        for name in ("perhaps", "one"):
            low, high = binomial_range(messages, share / 100, CERTAINTY)
            assert low <= seen.count(name) <= high

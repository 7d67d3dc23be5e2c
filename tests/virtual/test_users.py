"""The closed model in virtual time: users who wait for answers, think, and walk through their sessions."""

import itertools
import math
from collections import defaultdict

import pytest

from simulator.behaviour.draws import draw, message_id
from tests.support.virtual import observe

SESSION = ["shop.browse", {"to": "shop.add", "times": 2}, "shop.pay"]


def system(delay="constant(20ms)", session=SESSION, **load):
    return {
        "visitors": {"role": "injector", "load": {"users": 3, "session": session, **load}},
        "shop": {
            "delay": delay,
            "operations": {name: {"method": "POST", "path": f"/{name}"} for name in ("browse", "add", "pay")},
        },
    }


def by_user(seen, users, messages):
    """Return the records of each user, in the order of its messages."""
    records = {record.arrival.message_id: record for record in seen.records["visitors"]}
    return {
        user: [records[ident] for n in range(1, messages + 1) if (ident := ident_of(user, n)) in records]
        for user in range(1, users + 1)
    }


def ident_of(user, number):
    return message_id(7, f"visitors/user {user}", number)


def thinking(user, number):
    return -math.log1p(-draw(7, "visitors", f"user {user}", "0", f"think {number}"))


def test_each_user_walks_through_its_session():
    """Every user makes the steps in order, over and over, each as a message of its own, one at a time."""
    seen = observe(system(think="constant(80ms)"), seconds=2.0)
    for records in by_user(seen, 3, 100).values():
        asked = [record.arrival.request for record in records]
        assert asked == list(itertools.islice(itertools.cycle(["shop.browse", "shop.add", "shop.pay"]), len(asked)))
        begun = [record.arrival.received_at for record in records]
        # 80 ms of thought, then 20 ms for each call, of which the second step has two.
        expected = list(
            itertools.islice(itertools.accumulate(itertools.cycle([0.1, 0.12, 0.1]), initial=0.08), len(begun))
        )
        assert begun == pytest.approx(expected, abs=1e-6)
        assert len(begun) >= 18


def test_what_a_user_does_is_drawn_for_it_alone():
    """Message n of a user is due after its answers so far and n thoughts, drawn by the user's number and n."""
    for delay in ("constant(20ms)", "constant(300ms)"):
        seen = observe(system(delay, ["shop.browse"], think="exponential(1s)"), seconds=20.0)
        for user, records in by_user(seen, 3, 100).items():
            due = 0.0
            for number, record in enumerate(records, 1):
                due += thinking(user, number)
                assert record.arrival.due_at == pytest.approx(due, abs=1e-6)
                due += record.duration_seconds


def test_the_steps_of_a_session_are_all_that_is_called():
    """Of three users with whole sessions each operation got what its steps have: browse 1, add 2, pay 1."""
    seen = observe(system(think="exponential(10ms)", messages=300))
    counts = defaultdict(int)
    for record in seen.records["shop"]:
        counts[record.arrival.operation] += 1
    assert seen.count("visitors") == 300
    assert abs(counts["browse"] - 100) <= 3
    assert abs(counts["add"] - 200) <= 6
    assert abs(counts["pay"] - 100) <= 3


def test_the_law_of_response_times():
    """N = X (R + Z): users are either waiting for an answer or thinking (Lazowska et al., 1984, section 3.5).

    With R = 1 s and exponential thought of mean Z = 1 s, a cycle has mean 2 s and deviation 1 s, so that n cycles are
    exact to 4.9 / (2 sqrt(n)); each user has one unfinished at the end.
    """
    seconds, users = 200.0, 50
    stages = system("constant(1s)", ["shop.browse"], think="exponential(1s)", users=users)
    messages = observe(stages, seconds=seconds).count("visitors")
    assert abs(messages * 2.0 / (users * seconds) - 1) < 4.9 / math.sqrt(messages) / 2 + users / messages


def test_users_without_a_session_make_the_calls_with_every_message():
    """Each message is the injector's calls, in order, as with a rate."""
    seen = observe(
        {
            "visitors": {"role": "injector", "load": {"users": 2, "messages": 10}, "calls": ["a", "b"]},
            "a": {"delay": "constant(10ms)"},
            "b": {"delay": "constant(20ms)"},
        }
    )
    assert (seen.count("visitors"), seen.count("a"), seen.count("b")) == (10, 10, 10)
    assert {round(record.duration_seconds, 6) for record in seen.records["visitors"]} == {0.03}


def test_two_injectors_each_have_their_own_load():
    """A paced one and one of users, side by side, each as if it were alone."""
    stages = system(think="constant(80ms)")
    stages["feed"] = {"role": "injector", "load": {"rate": "10/s", "arrivals": "constant"}, "calls": ["shop.browse"]}
    both, alone = observe(stages, seconds=10.0), observe(system(think="constant(80ms)"), seconds=10.0)
    assert both.count("visitors") == alone.count("visitors") > 250
    assert both.count("feed") == pytest.approx(100, abs=1)

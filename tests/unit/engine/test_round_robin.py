"""Round robin: each instance in turn, but for a while none that could not be reached."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from simulator.engine.round_robin import EJECTED_SECONDS, RoundRobin

URLS = ("a", "b", "c")


@given(count=st.integers(1, 8), picks=st.integers(0, 50))
def test_each_in_turn(count, picks):
    """Of n instances each gets every nth attempt."""
    urls = [f"http://s:{number}/" for number in range(count)]
    instances = RoundRobin(urls)
    assert [instances.pick(0.0) for _ in range(picks)] == [urls[number % count] for number in range(picks)]


def test_an_ejected_instance_is_passed_over_for_a_while():
    """An ejected instance is not in turn for five seconds, and then it is again."""
    instances = RoundRobin(URLS)
    assert instances.eject("b", 10.0) is True
    assert Counter(instances.pick(14.999) for _ in range(100)) == {"a": 50, "c": 50}
    assert Counter(instances.pick(10.0 + EJECTED_SECONDS) for _ in range(99)) == {"a": 33, "b": 33, "c": 33}


def test_an_instance_that_answers_is_back_at_once():
    """An instance that is restored is in turn again; to restore one that was not ejected changes nothing."""
    instances = RoundRobin(URLS)
    instances.eject("b", 0.0)
    assert (instances.restore("b"), instances.restore("b"), instances.restore("a")) == (True, False, False)
    assert {instances.pick(0.0) for _ in range(3)} == set(URLS)


def test_an_ejection_is_told_once():
    """An instance that is ejected again before it has answered was out already."""
    instances = RoundRobin(URLS)
    assert [instances.eject("a", now) for now in (0.0, 0.5, 1.0)] == [True, False, False]
    instances.restore("a")
    assert instances.eject("a", 2.0) is True


def test_a_single_instance_is_never_ejected():
    """Where there is one instance it gets every attempt."""
    instances = RoundRobin(("a",))
    assert instances.eject("a", 0.0) is False
    assert (instances.pick(0.0), instances.restore("a")) == ("a", False)


def test_when_all_are_out_the_first_to_come_back_is_tried():
    """Where every instance is ejected the one that is to come back first gets the attempt."""
    instances = RoundRobin(URLS)
    for now, url in ((2.0, "a"), (1.0, "b"), (3.0, "c")):
        instances.eject(url, now)
    assert instances.pick(4.0) == "b"


class RoundRobinMachine(RuleBasedStateMachine):
    """Instances that go and come back at any time, against a model of when each is back."""

    def __init__(self):
        super().__init__()
        self.instances, self.back_at, self.now = RoundRobin(URLS), {}, 0.0

    def those_in(self):
        return {url for url in URLS if self.back_at.get(url, 0.0) <= self.now}

    @rule(seconds=st.sampled_from([0.0, 0.5, 2.5, EJECTED_SECONDS]))
    def wait(self, seconds):
        self.now += seconds

    @rule(url=st.sampled_from(URLS))
    def eject(self, url):
        assert self.instances.eject(url, self.now) is (self.back_at.get(url, 0.0) <= self.now)
        self.back_at[url] = self.now + EJECTED_SECONDS

    @rule(url=st.sampled_from(URLS))
    def restore(self, url):
        assert self.instances.restore(url) is (self.back_at.pop(url, None) is not None)

    @rule()
    def pick(self):
        if self.those_in():
            assert self.instances.pick(self.now) in self.those_in()
        else:
            assert self.back_at[self.instances.pick(self.now)] == min(self.back_at.values())

    @rule()
    def go_round(self):
        """No instance is picked twice before every one that is in was picked once."""
        most = len(self.those_in())
        if most:
            assert {self.instances.pick(self.now) for _ in range(most)} == self.those_in()


TestRoundRobinMachine = RoundRobinMachine.TestCase

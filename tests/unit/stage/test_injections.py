"""What a stage knows of its own faults, and what it hears of those further down."""

from __future__ import annotations

import pytest

from simulator.stage.injections import PATH, Injections


def nobody(url, message_id, visit):
    raise AssertionError("nobody is to be asked")


def test_a_visit_that_was_struck():
    """A visit is on purpose when a fault struck it: this very visit of this very message, and nobody is asked."""
    injections = Injections()
    injections.strike("m-1", "a")
    assert injections.is_on_purpose("m-1", "a", nobody)
    assert not injections.is_on_purpose("m-1", "b", nobody)
    assert not injections.is_on_purpose("m-2", "a", nobody)


def test_only_so_many_are_remembered():
    """The last ten thousand visits are remembered, and the oldest forgotten first."""
    injections = Injections()
    for number in range(10_001):
        injections.strike(f"m-{number}", "0")
    assert not injections.is_on_purpose("m-0", "0", nobody)
    assert injections.is_on_purpose("m-1", "0", nobody)
    assert injections.is_on_purpose("m-10000", "0", nobody)
    for number in range(30_000):
        injections.strike(f"n-{number}", "0")
    assert len(injections._struck) == 10_000


def test_who_is_further_down_is_asked():
    """Where a visit waits for another stage that one is asked about the visit that it was caused; its word counts."""
    injections, asked = Injections(), []

    def ask(url, message_id, visit, seconds):
        asked.append((url, message_id, visit))
        return url == "http://b/"

    with injections.under_way("m-1", "a", "http://a/", "a1"):
        assert not injections.is_on_purpose("m-1", "a", ask)
        with injections.under_way("m-1", "a", "http://b/", "b1"):
            assert injections.is_on_purpose("m-1", "a", ask)
            assert not injections.is_on_purpose("m-1", "other", ask)
    assert set(asked) == {("http://a/", "m-1", "a1"), ("http://b/", "m-1", "b1")}


def test_what_has_ended_is_not_asked_about():
    """When the wait for a stage is over it is not asked any more, and nothing of it is kept."""
    injections = Injections()
    with pytest.raises(ZeroDivisionError), injections.under_way("m-1", "a", "http://a/", "a1"):
        raise ZeroDivisionError
    with injections.under_way("m-1", "a", "http://a/", "a1"), injections.under_way("m-1", "a", "http://a/", "a2"):
        pass
    assert not injections.is_on_purpose("m-1", "a", nobody)
    assert injections._under_way == {}


def test_the_answer_comes_through_stages_in_a_row():
    """A fault at the end of a chain is known at its beginning, through each stage in between."""
    chain = {f"http://s{number}/": Injections() for number in range(5)}
    stages = list(chain.values())

    def ask(url, message_id, visit, seconds):
        return chain[url].is_on_purpose(message_id, visit, ask)

    waits = [
        stages[number].under_way("m", f"v{number}", f"http://s{number + 1}/", f"v{number + 1}") for number in range(4)
    ]
    for wait in waits:
        wait.__enter__()
    assert not stages[0].is_on_purpose("m", "v0", ask)
    stages[4].strike("m", "v4")
    assert stages[0].is_on_purpose("m", "v0", ask)
    for wait in reversed(waits):
        wait.__exit__(None, None, None)
    assert not stages[0].is_on_purpose("m", "v0", ask)


def test_the_path_is_one_of_the_probes():
    """The question is answered beside the messages, by the probes."""
    from simulator.stage.probes import PATHS

    assert PATH in PATHS


def test_the_same_message_twice_at_the_same_time():
    """A client sent a message twice under one id: while one of the two still waits for a stage, that stage is asked."""
    injections = Injections()
    with injections.under_way("m-1", "a", "http://b/", "b1"):
        with injections.under_way("m-1", "a", "http://b/", "b1"):
            pass
        assert injections.is_on_purpose("m-1", "a", lambda url, message_id, visit, seconds: visit == "b1")
    assert injections._under_way == {}

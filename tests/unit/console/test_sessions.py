"""The sessions of browsers that may change something."""

import itertools

import pytest

from simulator.console.sessions import MAX_SESSIONS, Sessions


@pytest.mark.parametrize("given", ["", "wrong", "toke", "tokens", "é\udcff"])
def test_without_the_token_no_session_is_opened(given):
    """Any other text opens none, and neither does an empty one if there is no token."""
    assert Sessions("token").open(given) is None
    assert Sessions("").open(given) is None


def test_only_what_was_opened_is_a_session():
    """Neither the token, nor nothing, nor part of an id is one."""
    sessions = Sessions("token")
    opened = sessions.open("token")
    assert sessions.has(opened)
    assert not any(sessions.has(given) for given in ("", "token", opened[:-1], f"{opened}x", "é\udcff"))


def test_the_oldest_session_makes_room():
    """However often the address is opened, the sessions that are kept are bounded."""
    numbers = itertools.count()
    sessions = Sessions("token", lambda: f"session-{next(numbers)}")
    opened = [sessions.open("token") for _ in range(MAX_SESSIONS + 1)]
    assert [sessions.has(one) for one in opened] == [False] + [True] * MAX_SESSIONS

"""Looking up names: callers that ask at the same time share one look-up, whatever becomes of each of them."""

from __future__ import annotations

import socket

import gevent
import gevent.event
import pytest

from simulator.engine.runtime import TooSlow
from simulator.stage.gevent_runtime import GeventRuntime
from simulator.stage.lookups import Lookups

ADDRESSES = [(socket.AF_INET, ("127.0.0.1", 8080))]


class Names:
    """A name server that answers when a test says so; `asked` are the hosts that it was asked for."""

    def __init__(self):
        self.asked, self.answering = [], gevent.event.Event()

    def __call__(self, host, port):
        self.asked.append(host)
        self.answering.wait()
        if host == "gone":
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return ADDRESSES


@pytest.fixture
def names():
    return Names()


@pytest.fixture
def lookups(names):
    return Lookups(GeventRuntime(), names)


def asking(lookups, *hosts):
    """Look hosts up at the same time, each in a greenlet that has started to wait."""
    greenlets = [gevent.spawn(lookups, host, 8080) for host in hosts]
    gevent.idle()
    return greenlets


def test_one_look_up_for_all_who_ask_at_the_same_time(names, lookups):
    """Fifty callers of one name take one look-up, and another name has its own."""
    greenlets = asking(lookups, *["there"] * 50, "other")
    assert names.asked == ["there", "other"]
    names.answering.set()
    assert [greenlet.get() for greenlet in greenlets] == [ADDRESSES] * 51


def test_nothing_is_remembered(names, lookups):
    """Return a fresh answer to a caller that asks after the last one came: a container may have a new address."""
    names.answering.set()
    for _ in range(2):
        assert lookups("there", 8080) == ADDRESSES
    assert names.asked == ["there", "there"]


def test_a_name_that_is_gone_is_gone_for_all(names, lookups, capfd):
    """Each caller gets the error, and nothing is printed."""

    def look_up():
        with pytest.raises(socket.gaierror, match="no answer"):
            lookups("gone", 8080)
        return True

    greenlets = [gevent.spawn(look_up) for _ in range(3)]
    gevent.idle()
    names.answering.set()
    assert [greenlet.get() for greenlet in greenlets] == [True] * 3
    assert (names.asked, capfd.readouterr()) == (["gone"], ("", ""))


def test_who_gives_up_leaves_the_look_up_to_the_others(names, lookups):
    """The first caller runs out of time; the second, which shares its look-up, gets the addresses."""

    def impatient():
        with pytest.raises(TooSlow), gevent.Timeout(0.001, TooSlow):
            lookups("there", 8080)
        return True

    first = gevent.spawn(impatient)
    gevent.idle()
    (second,) = asking(lookups, "there")
    assert first.get()
    names.answering.set()
    assert (second.get(), names.asked) == (ADDRESSES, ["there"])

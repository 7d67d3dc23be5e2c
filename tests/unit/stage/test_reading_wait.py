"""Waiting until a socket can be read, again and again, each time with a deadline of its own."""

from __future__ import annotations

import contextlib
import time

import gevent
import gevent.socket
import pytest

from simulator.stage.reading_wait import ReadingWait

BRIEF_SECONDS, LONG_SECONDS = 0.05, 20.0


@pytest.fixture
def pair():
    ours, theirs = gevent.socket.socketpair()
    with ours, theirs, contextlib.closing(ReadingWait(ours.fileno())) as reading:
        yield reading, ours, theirs


def soon(seconds=BRIEF_SECONDS):
    return time.monotonic() + seconds


def test_what_has_arrived_is_not_waited_for(pair):
    """What is there already, or comes in time, or the end of the connection, ends the wait."""
    reading, ours, theirs = pair
    theirs.send(b"1")
    assert reading.until(soon(LONG_SECONDS))
    assert reading.until(soon(LONG_SECONDS))
    ours.recv(1)
    gevent.spawn(theirs.send, b"2")
    assert reading.until(soon(LONG_SECONDS))
    ours.recv(1)
    gevent.spawn(theirs.close)
    assert reading.until(soon(LONG_SECONDS))


def test_each_wait_has_its_own_deadline(pair):
    """A deadline that was extended, or brought forward, counts, and not those before."""
    reading, ours, theirs = pair
    for seconds in (LONG_SECONDS, BRIEF_SECONDS):
        theirs.send(b"1")
        assert reading.until(soon(seconds))
        ours.recv(1)
    for seconds in (2 * BRIEF_SECONDS, BRIEF_SECONDS, 0.0):
        deadline = soon(seconds)
        assert not reading.until(deadline)
        assert deadline <= time.monotonic() < deadline + LONG_SECONDS


def test_what_comes_while_nobody_waits(pair):
    """It is not lost, nor does it keep the loop busy."""
    reading, _, theirs = pair
    assert not reading.until(soon(0.0))
    theirs.send(b"1")
    gevent.sleep(BRIEF_SECONDS)
    assert not reading._watcher.active
    assert reading.until(soon(LONG_SECONDS))


def test_a_wait_that_is_broken_off(pair):
    """A time limit of the greenlet that waits ends the wait, and the next one is as good."""
    reading, _, theirs = pair
    with gevent.Timeout(BRIEF_SECONDS, False):
        reading.until(soon(LONG_SECONDS))
        raise AssertionError
    theirs.send(b"1")
    assert reading.until(soon(LONG_SECONDS))

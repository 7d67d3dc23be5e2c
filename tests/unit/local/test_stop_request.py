"""How a run is asked to end: in order first, at once when somebody is impatient, never by a terminal that is gone."""

from __future__ import annotations

import os
import signal

import pytest

from simulator.local.stop_request import StopRequest

LONG_SECONDS = 20.0


def test_the_second_request_is_impatient():
    """The first signal asks for an orderly end, the second breaks off, and afterwards signals are as before."""
    stop, before = StopRequest(), signal.getsignal(signal.SIGTERM)
    with stop.listening():
        assert not stop.made
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(LONG_SECONDS)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("first", [signal.SIGHUP, signal.SIGINT])
def test_a_terminal_that_closes_is_never_impatient(first):
    """SIGHUP asks for an orderly end and is no second request, however often it comes."""
    stop = StopRequest()
    with stop.listening():
        for number in (first, signal.SIGHUP, signal.SIGHUP):
            os.kill(os.getpid(), number)
        assert stop.made


def test_a_hangup_that_is_ignored_stays_ignored():
    """Under nohup a run goes on when its terminal closes."""
    stop, before = StopRequest(), signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop.listening():
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.made
    finally:
        signal.signal(signal.SIGHUP, before)

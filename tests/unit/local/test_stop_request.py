"""How a run is asked to end: in order first, at once when somebody is impatient, never by a terminal that is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

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


@pytest.mark.timeout(60)
@pytest.mark.parametrize("waits", [False, True])
def test_a_signal_may_come_at_any_step_of_taking_another(waits):
    """Wherever a signal meets the handler of another, or what waits for it, nothing waits for itself."""
    for moment in range(60):
        left = moment

        def interrupt(frame, event, argument):
            nonlocal left
            left -= 1
            if left == 0:
                sys.settrace(None)
                signal.raise_signal(signal.SIGTERM)
            return interrupt

        stop = StopRequest()
        with contextlib.suppress(KeyboardInterrupt), stop.listening():
            sys.settrace(interrupt)
            try:
                if waits:
                    stop.wait(0.001)
                signal.raise_signal(signal.SIGINT)
            finally:
                sys.settrace(None)
        assert stop.made


def test_a_request_that_does_not_raise_says_that_it_is_impatient():
    """Where nothing may be raised in the middle of what runs, the second signal is there to be asked for."""
    stop = StopRequest(raises=False)
    with stop.listening():
        for _ in range(2):
            assert not stop.is_impatient
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.made and stop.is_impatient

"""The stages of a process, with stages of the tests' own: who ends before whom, and what is told of it."""

from __future__ import annotations

from types import SimpleNamespace

import gevent
import pytest

from simulator.errors import StartError
from simulator.stage import hosting
from simulator.stage.hosting import Host


class Running:
    """A stage that notes what becomes of it; it ends after some turns of the event loop."""

    events: list[str]
    in_flight = 3

    def __init__(self, settings, surroundings, environment, shared):
        if settings.name == "broken":
            raise StartError("no room")
        self.settings = settings

    def begin(self):
        self.events.append(f"begin {self.settings.name}")

    def hurry(self):
        self.events.append(f"hurry {self.settings.name}")

    def shut_down(self, delay_seconds, wait_for_callers, is_circle_busy):
        self.events.append(f"drain {self.settings.name} {delay_seconds:g}")
        wait_for_callers()
        for _ in range(3):
            gevent.sleep(0)
        if self.settings.name == "failing":
            raise ZeroDivisionError
        self.events.append(f"ended {self.settings.name}")


@pytest.fixture
def events(monkeypatch):
    """Put stages of the tests' own in the place of real ones, and return the list of what becomes of them."""
    noted = []
    monkeypatch.setattr(hosting, "RunningStage", type("Noting", (Running,), {"events": noted}))
    monkeypatch.setattr(hosting, "Shared", lambda environment, turn: None)
    monkeypatch.setattr(hosting, "_settle_memory", lambda: None)
    monkeypatch.setattr(hosting, "RareCollection", Rare)
    return noted


class Rare:
    """In the place of the process's garbage collection, which is that of the tests, too."""

    def __init__(self, in_flight):
        self.in_flight = in_flight
        self.begun = 0

    def begin(self):
        self.begun += 1


def host_of(circle=(), **callers):
    """Return a host of stages, each with those that call it, and a shutdown delay of a second."""
    host = Host({})
    for name, names in callers.items():
        settings = SimpleNamespace(
            name=name,
            callers_stopped_before=tuple(names),
            circle=circle if name in circle else (),
            shutdown_delay_seconds=1.0,
        )
        host.add(name, settings, None)
    return host


def test_stages_begin_together(events):
    """What was added starts once, in its order."""
    host = host_of(a=[], b=["a"])
    assert (host.begin(), host.begin()) == (["a", "b"], [])
    assert events == ["begin a", "begin b"]
    assert not host.is_over


def test_garbage_is_looked_for_by_the_messages_of_all_stages(events):
    """From the first stage on it is known how many messages there are, also those of stages that come later."""
    host = host_of(a=[], b=[])
    rare = host._rare_collection
    assert (rare.begun, rare.in_flight()) == (0, 6)
    host.begin()
    host.add("c", SimpleNamespace(name="c"), None)
    assert (rare.begun, rare.in_flight()) == (1, 9)


def test_one_that_can_t_be_made_is_none(events):
    """A stage that can't be put together is not begun with the others."""
    host = host_of(a=[])
    with pytest.raises(StartError):
        host_of(broken=[])
    assert host.begin() == ["a"]


def test_callers_end_first(events):
    """At the end of the process each stage ends after those here that call it; callers elsewhere don't matter."""
    host = host_of(last=["middle", "elsewhere"], middle=["first"], first=[])
    told = []
    host.end_all(False, lambda label, code: told.append((label, code)))
    assert events[:3] == ["drain last 0", "drain middle 0", "drain first 0"]
    assert events[3:] == ["ended first", "ended middle", "ended last"]
    assert told == [("first", 0), ("middle", 0), ("last", 0)]
    assert host.is_over


def test_stages_in_a_circle_end_together(events):
    """They don't wait for each other's end, but for their callers outside; what is after the circle waits for it."""
    host = host_of(circle=("b", "c"), d=["c"], c=["b", "a"], b=["a"], a=[])
    host.end_all(False)
    assert events[:4] == ["drain d 0", "drain c 0", "drain b 0", "drain a 0"]
    assert (events[4], sorted(events[5:7]), events[7]) == ("ended a", ["ended b", "ended c"], "ended d")


def test_those_who_stop_a_container_may_still_send(events):
    """Where the end comes from an orchestrator all stages wait their shutdown delays, at the same time."""
    host_of(a=[], b=[]).end_all(True)
    assert events[:2] == ["drain a 1", "drain b 1"]


def test_one_stage_ends_by_itself(events):
    """A stage that is ended leaves the others running; it ends once, however often it is asked to."""
    host = host_of(a=[], b=[])
    told = []
    for _ in range(2):
        host.end("a", lambda label, code: told.append((label, code)))
    gevent.sleep(0.01)
    assert events == ["drain a 0", "ended a"]
    assert (told, host.is_over) == ([("a", 0)], False)
    host.end_all(False)
    assert events[2:] == ["drain b 0", "ended b"]
    assert host.is_over


def test_an_end_that_fails_is_told_and_keeps_nobody_waiting(events, capsys):
    """A stage whose end raises has ended with exit code 1, and those that it calls end all the same."""
    host = host_of(failing=[], b=["failing"])
    told = []
    host.end_all(False, lambda label, code: told.append((label, code)))
    assert told == [("failing", 1), ("b", 0)]
    assert host.has_failed
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_hurrying(events):
    """One stage or all of them are told to wait no longer; a name that nobody has is no trouble."""
    host = host_of(a=[], b=[])
    host.hurry("a")
    host.hurry("nobody")
    host.hurry_all()
    assert events == ["hurry a", "hurry a", "hurry b"]

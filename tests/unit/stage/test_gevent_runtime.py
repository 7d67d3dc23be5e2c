"""gevent as a runtime: tasks beside each other, given up without a trace; events, time limits and clocks."""

from __future__ import annotations

import contextvars
import time

import gevent
import pytest

from simulator.engine.runtime import Abandoned, StageStopped, TooSlow
from simulator.stage.gevent_runtime import GeventRuntime

NAME = contextvars.ContextVar("name", default="nobody")


def after(turns, value):
    """Return a function that lets others run so many times and then gives a value, or raises it."""

    def run():
        for _ in range(turns):
            gevent.sleep(0)
        if isinstance(value, BaseException):
            raise value
        return value

    return run


def test_tasks_run_beside_each_other():
    """Tasks take turns, and each gives what its function gave."""
    order, runtime = [], GeventRuntime()

    def work(name):
        for _ in range(3):
            order.append(name)
            gevent.sleep(0)
        return name.upper()

    started = [runtime.spawn(lambda name=name: work(name)) for name in "ab"]
    assert [task.result() for task in started] == ["A", "B"]
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert all(task.done for task in started)


def test_an_error_is_raised_where_the_result_is_asked_for(capfd):
    """What a task raises is raised by `result`, each time, and printed nowhere."""
    task = GeventRuntime().spawn(after(1, ZeroDivisionError("by nought")))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="by nought"):
            task.result()
    assert capfd.readouterr() == ("", "")


def test_a_task_sees_the_context_of_its_starter():
    """Context variables are those of the task that started this one, and what it sets is its own."""

    def work():
        seen = NAME.get()
        NAME.set("task")
        gevent.sleep(0)
        return seen, NAME.get()

    token = NAME.set("starter")
    try:
        task = GeventRuntime().spawn(work)
        NAME.set("changed")
        assert task.result() == ("starter", "task")
        assert NAME.get() == "changed"
    finally:
        NAME.reset(token)


def test_waiting_for_one():
    """The wait ends when one of the tasks has ended, whichever it is."""
    runtime = GeventRuntime()
    slow, quick = runtime.spawn(lambda: gevent.sleep(60)), runtime.spawn(after(2, "quick"))
    runtime.wait_any([slow, quick], None)
    assert (slow.done, quick.done, quick.result()) == (False, True, "quick")
    runtime.wait_any([slow, quick], None)  # one that has ended already ends the wait at once
    slow.abandon()


def test_waiting_for_a_while():
    """The wait ends with its time where none of the tasks has."""
    runtime = GeventRuntime()
    slow = runtime.spawn(lambda: gevent.sleep(60))
    runtime.wait_any([slow], 0.005)
    assert not slow.done
    slow.abandon()


def test_a_task_that_is_given_up(capfd):
    """Abandoned is raised where a task waits; it can clean up, and its result is that it was abandoned."""
    cleaned = []

    def work():
        try:
            gevent.sleep(60)
        finally:
            cleaned.append(True)

    task = GeventRuntime().spawn(work)
    gevent.sleep(0)
    task.abandon()
    assert (task.done, cleaned) == (True, [True])
    with pytest.raises(Abandoned):
        task.result()
    assert capfd.readouterr() == ("", "")


def test_a_task_that_is_given_up_may_still_say_something():
    """A task that takes Abandoned as its end gives its own result."""

    def work():
        try:
            gevent.sleep(60)
        except Abandoned:
            return "in time"

    task = GeventRuntime().spawn(work)
    gevent.sleep(0)
    task.abandon()
    assert task.result() == "in time"


def test_no_exception_handler_swallows_it():
    """Code that catches every Exception does not keep a task from being given up."""
    assert not issubclass(Abandoned, Exception)


def test_a_task_that_has_not_begun_is_given_up(capfd):
    """A task that is given up before it started never runs, and is abandoned too."""
    ran = []
    task = GeventRuntime().spawn(lambda: ran.append(True))
    task.abandon()
    with pytest.raises(Abandoned):
        task.result()
    assert (ran, task.done) == ([], True)
    assert capfd.readouterr() == ("", "")


def test_a_task_that_has_ended_can_t_be_given_up():
    """To abandon a task that has ended changes nothing."""
    task = GeventRuntime().spawn(after(0, "done"))
    assert task.result() == "done"
    task.abandon()
    assert task.result() == "done"


@pytest.mark.parametrize("still", [True, False])
def test_what_runs_is_stopped_where_it_waits(still):
    """StageStopped is raised in a greenlet that waits, unless it has moved on to something else by then."""
    runtime, running, raised = GeventRuntime(), [], []

    def work():
        running.append(runtime.current())
        try:
            gevent.sleep(0.02)
        except StageStopped as stopped:
            raised.append(stopped.injected)

    greenlet = gevent.spawn(work)
    gevent.sleep(0)
    runtime.stop(running[0], lambda: still)
    greenlet.join(20)
    assert raised == ([False] if still else [])


def test_an_event_lets_everything_go_on():
    """A task that waits for an event goes on when it is set, and one that waits later does not wait at all."""
    runtime, woken = GeventRuntime(), []
    event = runtime.event("a word")
    tasks = [runtime.spawn(lambda number=number: woken.append((number, event.wait()))) for number in range(3)]
    gevent.sleep(0)
    assert woken == []
    event.set()
    for task in tasks:
        task.result()
    assert woken == [(0, True), (1, True), (2, True)]
    assert (event.wait(), event.wait(0), event.wait(60.0)) == (True, True, True)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.01])
def test_an_event_that_does_not_happen_in_time(seconds):
    """The wait for an event ends with its time, not before, and says that it was not set."""
    runtime = GeventRuntime()
    begin = runtime.now()
    assert runtime.event("nothing").wait(seconds) is False
    assert max(0.0, seconds) <= runtime.now() - begin < 10.0


def test_an_event_that_happens_in_time():
    """A wait with a timeout ends when the event is set, and long before the timeout."""
    runtime = GeventRuntime()
    event = runtime.event("a word")
    task = runtime.spawn(lambda: event.wait(60.0))
    begin = runtime.now()
    gevent.sleep(0)
    event.set()
    assert task.result() is True
    assert runtime.now() - begin < 30.0


def test_a_wait_of_no_time_lets_others_run():
    """A timeout of 0 lets everything else run for one turn, in which the event may be set."""
    runtime = GeventRuntime()
    event = runtime.event("a word")
    runtime.spawn(event.set)
    assert event.wait(0) is True


def test_a_wait_for_an_event_that_is_broken_off():
    """Who is broken off while it waits is not waked by the event any more; the others are."""
    runtime, woken = GeventRuntime(), []
    event = runtime.event("a word")

    def wait(name):
        event.wait(60.0)
        woken.append(name)
        gevent.sleep(0.005)  # a second waking would end this wait early
        woken.append(f"{name} again")

    first, second = runtime.spawn(lambda: wait("first")), runtime.spawn(lambda: wait("second"))
    gevent.sleep(0)
    first.abandon()
    event.set()
    event.set()
    second.result()
    assert (first.done, woken) == (True, ["second", "second again"])


def test_an_event_and_its_timeout_at_once_wake_once():
    """An event that is set in the turn in which the wait for it ends does not disturb the next wait."""
    runtime = GeventRuntime()
    event = runtime.event("a word")
    task = runtime.spawn(lambda: (event.wait(0), runtime.now(), runtime.sleep(0.02), runtime.now()))
    runtime.spawn(event.set)
    is_set, before, _, after = task.result()
    assert (is_set, after - before >= 0.02) == (True, True)


def test_a_time_limit_ends_what_takes_longer():
    """When the time is up TooSlow is raised in the body, which no `except Exception` swallows; not after its end."""
    runtime, swallowed = GeventRuntime(), []

    def work():
        try:
            runtime.sleep(60.0)
        except Exception:  # noqa: BLE001 - that is what is tried
            swallowed.append(True)

    with pytest.raises(TooSlow), runtime.time_limit(0.005):
        work()
    with runtime.time_limit(0.005):
        pass
    runtime.sleep(0.02)
    assert swallowed == []


def test_the_clocks_are_the_machine_s():
    """The runtime reads the machine's two clocks; the one for durations goes on while somebody sleeps."""
    runtime = GeventRuntime()
    assert abs(runtime.unix_ns() - time.time_ns()) < 60e9
    begin = runtime.now()
    assert begin == pytest.approx(time.monotonic(), abs=60.0)
    runtime.sleep(0.01)
    assert 0.01 <= runtime.now() - begin < 10.0

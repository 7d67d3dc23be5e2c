"""Tasks as greenlets: beside each other, in the context of whoever started them, and given up without a trace."""

from __future__ import annotations

import contextvars

import gevent
import pytest

from simulator.stage.greenlets import Greenlets
from simulator.stage.tasks import Abandoned, StageStopped

NAME = contextvars.ContextVar("name", default="nobody")


def after(turns, value):
    """Give a function that lets others run so many times and then gives a value, or raises it."""

    def run():
        for _ in range(turns):
            gevent.sleep(0)
        if isinstance(value, BaseException):
            raise value
        return value

    return run


def test_tasks_run_beside_each_other():
    """Tasks take turns, and each gives what its function gave."""
    order, tasks = [], Greenlets()

    def work(name):
        for _ in range(3):
            order.append(name)
            gevent.sleep(0)
        return name.upper()

    started = [tasks.start(lambda name=name: work(name)) for name in "ab"]
    assert [task.result() for task in started] == ["A", "B"]
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert all(task.done for task in started)


def test_an_error_is_raised_where_the_result_is_asked_for(capfd):
    """What a task raises is raised by `result`, each time, and printed nowhere."""
    task = Greenlets().start(after(1, ZeroDivisionError("by nought")))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="by nought"):
            task.result()
    assert capfd.readouterr() == ("", "")


def test_a_task_sees_the_context_of_its_starter():
    """Context variables are those of whoever started the task, and what it sets is its own."""

    def work():
        seen = NAME.get()
        NAME.set("task")
        gevent.sleep(0)
        return seen, NAME.get()

    token = NAME.set("starter")
    try:
        task = Greenlets().start(work)
        NAME.set("changed")
        assert task.result() == ("starter", "task")
        assert NAME.get() == "changed"
    finally:
        NAME.reset(token)


def test_waiting_for_one():
    """The wait ends when one of the tasks has ended, whichever it is."""
    tasks = Greenlets()
    slow, quick = tasks.start(lambda: gevent.sleep(60)), tasks.start(after(2, "quick"))
    tasks.wait_for_one([slow, quick], None)
    assert (slow.done, quick.done, quick.result()) == (False, True, "quick")
    tasks.wait_for_one([slow, quick], None)  # one that has ended already ends the wait at once
    slow.abandon()


def test_waiting_for_a_while():
    """The wait ends with its time where none of the tasks has."""
    tasks = Greenlets()
    slow = tasks.start(lambda: gevent.sleep(60))
    tasks.wait_for_one([slow], 0.005)
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

    task = Greenlets().start(work)
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

    task = Greenlets().start(work)
    gevent.sleep(0)
    task.abandon()
    assert task.result() == "in time"


def test_no_exception_handler_swallows_it():
    """Code that catches every Exception does not keep a task from being given up."""
    assert not issubclass(Abandoned, Exception)


def test_a_task_that_has_not_begun_is_given_up(capfd):
    """A task that is given up before it began never runs, and is abandoned too."""
    ran = []
    task = Greenlets().start(lambda: ran.append(True))
    task.abandon()
    with pytest.raises(Abandoned):
        task.result()
    assert (ran, task.done) == ([], True)
    assert capfd.readouterr() == ("", "")


def test_a_task_that_has_ended_can_t_be_given_up():
    """To abandon a task that has ended changes nothing."""
    task = Greenlets().start(after(0, "done"))
    assert task.result() == "done"
    task.abandon()
    assert task.result() == "done"


@pytest.mark.parametrize("still", [True, False])
def test_what_runs_is_stopped_where_it_waits(still):
    """StageStopped is raised in a greenlet that waits, unless it has moved on to something else by then."""
    tasks, running, raised = Greenlets(), [], []

    def work():
        running.append(tasks.current())
        try:
            gevent.sleep(0.02)
        except StageStopped as stopped:
            raised.append(stopped.injected)

    greenlet = gevent.spawn(work)
    gevent.sleep(0)
    tasks.stop(running[0], lambda: still)
    greenlet.join(20)
    assert raised == ([False] if still else [])

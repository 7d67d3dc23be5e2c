"""The kernel: virtual time, tasks that run one at a time, and always in the same order."""

from __future__ import annotations

import contextvars
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.runtime import Abandoned, StageStopped, TooSlow
from simulator.virtual.kernel import DeadlockError, Kernel

NAME = contextvars.ContextVar("name", default="nobody")
START_NS = 1_700_000_000 * 10**9


@pytest.fixture
def kernel():
    return Kernel(START_NS)


def run(kernel, *functions):
    """Run functions as tasks to their ends; return what they returned."""
    return [task.result() for task in [kernel.spawn(function) for function in functions]]


def test_time_passes_by_sleeping_alone(kernel):
    """Time starts at 0, and what is slept is what passes, on both clocks, to the nanosecond."""
    assert (kernel.now(), kernel.unix_ns()) == (0.0, START_NS)
    kernel.sleep(0.25)
    kernel.sleep(1000.0)
    assert (kernel.now(), kernel.unix_ns()) == (1000.25, START_NS + 1_000_250_000_000)


@pytest.mark.parametrize("seconds", [0.0, -3.0])
def test_a_sleep_of_no_time_lets_others_run(kernel, seconds):
    """A task that sleeps for no time, or for less, goes on after all that can go on already, at the same time."""
    order = []

    def work(name):
        for _ in range(3):
            order.append(name)
            kernel.sleep(seconds)

    run(kernel, lambda: work("a"), lambda: work("b"))
    assert (order, kernel.now()) == (["a", "b"] * 3, 0.0)


def test_sleepers_wake_in_the_order_of_time(kernel):
    """Whatever the order in which they started, sleepers wake at their times, each at exactly its own."""
    woken = []

    def sleep(seconds):
        kernel.sleep(seconds)
        woken.append((seconds, kernel.now()))

    run(kernel, *[lambda seconds=seconds: sleep(seconds) for seconds in (3.0, 1.0, 2.0, 0.5)])
    assert woken == [(0.5, 0.5), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]


def test_simultaneous_events_happen_in_the_order_in_which_they_were_made(kernel):
    """Of what is due at the same time the first that was made happens first, whether it is a sleep or a timeout."""
    order, event = [], kernel.event("nothing")

    def sleep(name, first, then):
        kernel.sleep(first)
        kernel.sleep(then)
        order.append(name)

    def wait(name):
        event.wait(2.0)
        order.append(name)

    run(
        kernel,
        lambda: wait("timeout"),
        lambda: sleep("later", 1.5, 0.5),
        lambda: sleep("sooner", 0.5, 1.5),
        lambda: sleep("first", 0.25, 1.75),
    )
    # Each of the second sleeps was made when the first had ended.
    assert order == ["timeout", "first", "sooner", "later"]


def test_what_goes_on_now_comes_before_what_is_due_now(kernel):
    """Tasks that may go on already do so before another event of the same time happens."""
    order = []

    def first():
        kernel.sleep(1.0)
        order.append("first")
        kernel.spawn(lambda: order.append("its task"))

    def second():
        kernel.sleep(1.0)
        order.append("second")

    run(kernel, first, second)
    assert order == ["first", "its task", "second"]


def test_a_result_and_an_error(kernel):
    """A task gives what its function returned, or raises what it raised, each time that it is asked."""

    def fail():
        kernel.sleep(1.0)
        raise ZeroDivisionError("by nought")

    good, bad = kernel.spawn(lambda: "good"), kernel.spawn(fail)
    assert (good.done, bad.done) == (False, False)
    assert good.result() == good.result() == "good"
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="by nought"):
            bad.result()
    assert (good.done, bad.done, kernel.now()) == (True, True, 1.0)


def test_an_error_that_nobody_asks_for_disturbs_nobody(kernel):
    """A task that fails, and whose result is not wanted, ends alone."""
    kernel.spawn(lambda: 1 / 0)
    kernel.sleep(1.0)
    assert kernel.now() == 1.0


def test_a_task_sees_the_context_of_whoever_spawned_it(kernel):
    """Context variables are those of the spawning task, and what a task sets is its own, whatever runs meanwhile."""

    def work():
        seen = NAME.get()
        NAME.set("task")
        kernel.sleep(1.0)
        return seen, NAME.get()

    token = NAME.set("starter")
    try:
        task = kernel.spawn(work)
        NAME.set("changed")
        assert task.result() == ("starter", "task")
        assert NAME.get() == "changed"
    finally:
        NAME.reset(token)


def test_waiting_for_one_of_several(kernel):
    """The wait ends when the first of the tasks has ended, whichever it is, or at once where one has already."""
    slow, quick = kernel.spawn(lambda: kernel.sleep(60.0)), kernel.spawn(lambda: kernel.sleep(2.0))
    kernel.wait_any([slow, quick], None)
    assert (slow.done, quick.done, kernel.now()) == (False, True, 2.0)
    kernel.wait_any([slow, quick], None)
    assert kernel.now() == 2.0


def test_waiting_for_one_of_several_for_a_while(kernel):
    """The wait ends with its time where none of the tasks has ended, and leaves nothing with them."""
    slow = kernel.spawn(lambda: kernel.sleep(60.0))
    for _ in range(5):
        kernel.wait_any([slow, slow], 0.5)
    assert (slow.done, kernel.now(), slow.waiting) == (False, 2.5, [])


def test_an_event(kernel):
    """A task that waits for an event goes on when it is set, in the order in which they came; later nobody waits."""
    event, woken = kernel.event("a word"), []

    def wait(name):
        woken.append((name, event.wait(), kernel.now()))

    tasks = [kernel.spawn(lambda name=name: wait(name)) for name in "ab"]
    kernel.sleep(2.0)
    event.set()
    event.set()
    for task in tasks:
        task.result()
    assert woken == [("a", True, 2.0), ("b", True, 2.0)]
    assert (event.wait(), event.wait(0.0), event.wait(5.0), kernel.now()) == (True, True, True, 2.0)


def test_an_event_that_does_not_happen_in_time(kernel):
    """The wait ends with its time and says that the event is not set; nothing of it is kept with the event."""
    event = kernel.event("a word")
    for _ in range(1000):
        assert event.wait(0.5) is False
    assert (kernel.now(), event._waiting) == (500.0, [])
    event.set()
    assert event.wait(0.5) is True


def test_an_event_in_the_very_moment_of_the_timeout(kernel):
    """A timeout of no time lets the others run, and the event may be set in that turn."""
    event = kernel.event("a word")
    kernel.spawn(event.set)
    assert event.wait(0.0) is True


def test_a_task_that_is_abandoned(kernel):
    """Abandoned is raised where a task waits; it can clean up, which is waited for, and its result is that it was."""
    story = []

    def work():
        try:
            kernel.sleep(60.0)
        finally:
            kernel.sleep(2.0)
            story.append("cleaned up")

    task = kernel.spawn(work)
    kernel.sleep(1.0)
    task.abandon()
    assert (task.done, story, kernel.now()) == (True, ["cleaned up"], 3.0)
    with pytest.raises(Abandoned):
        task.result()


def test_a_reason_of_one_s_own(kernel):
    """What is raised in an abandoned task may be told, and is what its result raises."""
    reason = StageStopped()
    task = kernel.spawn(lambda: kernel.sleep(60.0))
    kernel.sleep(1.0)
    task.abandon(reason)
    with pytest.raises(StageStopped) as raised:
        task.result()
    assert raised.value is reason


def test_a_task_that_is_abandoned_may_still_say_something(kernel):
    """A task that takes Abandoned as its end gives its own result."""

    def work():
        try:
            kernel.sleep(60.0)
        except Abandoned:
            return "in time"

    task = kernel.spawn(work)
    kernel.sleep(1.0)
    task.abandon()
    assert task.result() == "in time"


def test_a_task_that_is_abandoned_before_it_begins(kernel):
    """It never runs, and is abandoned too."""
    ran = []
    task = kernel.spawn(lambda: ran.append(True))
    task.abandon()
    assert task.done
    kernel.sleep(1.0)
    with pytest.raises(Abandoned):
        task.result()
    assert ran == []


def test_a_task_that_has_ended_can_t_be_abandoned(kernel):
    """To abandon a task that has ended changes nothing."""
    task = kernel.spawn(lambda: "done")
    assert task.result() == "done"
    task.abandon()
    assert task.result() == "done"


@pytest.mark.parametrize("waits_for", ["an event", "its turn"])
def test_a_task_that_may_go_on_is_abandoned_all_the_same(kernel, waits_for):
    """A task whose wait has just ended, and that has not had its turn, goes no further."""
    event, story = kernel.event("a word"), []

    def work():
        if waits_for == "an event":
            event.wait()
        else:
            kernel.sleep(0.0)
        story.append("went on")
        kernel.sleep(60.0)

    task = kernel.spawn(work)
    kernel.sleep(0.0)
    event.set()
    task.abandon()
    assert (task.done, kernel.now()) == (True, 0.0)
    with pytest.raises(Abandoned):
        task.result()
    assert story == []


def test_what_is_broken_off_is_not_waked_again(kernel):
    """What somebody waited for when it was broken off does not end the next thing that it waits for."""
    event, story = kernel.event("a word"), []

    def work():
        try:
            event.wait(5.0)
        except StageStopped:
            kernel.sleep(100.0)
            story.append(kernel.now())

    task = kernel.spawn(work)
    kernel.sleep(1.0)
    kernel.interrupt(task.greenlet, StageStopped())
    kernel.sleep(1.0)
    event.set()
    task.result()
    assert story == [101.0]


@pytest.mark.parametrize("still", [True, False])
def test_what_runs_is_stopped_where_it_waits(kernel, still):
    """StageStopped is raised in what waits, unless it has moved on to something else by then."""
    running = []

    def work():
        running.append(kernel.current())
        try:
            kernel.sleep(60.0)
        except StageStopped as stopped:
            return stopped.injected

    task = kernel.spawn(work)
    kernel.sleep(1.0)
    kernel.stop(running[0], lambda: still)
    assert task.result() is (False if still else None)
    assert kernel.now() == (1.0 if still else 60.0)


def test_to_interrupt_what_does_not_wait_changes_nothing(kernel):
    """What runs, or has ended, can't be interrupted."""
    task = kernel.spawn(lambda: "done")
    task.result()
    kernel.interrupt(task.greenlet, StageStopped())
    kernel.interrupt(kernel.current(), StageStopped())
    kernel.sleep(1.0)
    assert task.result() == "done"


def test_a_time_limit_ends_what_takes_longer(kernel):
    """When the time is up TooSlow is raised in the body; after the end of the body it has no effect."""
    with pytest.raises(TooSlow), kernel.time_limit(2.0):
        kernel.sleep(5.0)
    assert kernel.now() == 2.0
    with kernel.time_limit(2.0):
        kernel.sleep(1.0)
    kernel.sleep(10.0)
    assert kernel.now() == 13.0


def test_a_time_limit_is_a_task_s_own(kernel):
    """A time limit ends what its own task waits for, and no other task, nor what its body has spawned."""
    inner = []

    def limited():
        inner.append(kernel.spawn(lambda: (kernel.sleep(5.0), "inner")[1]))
        with pytest.raises(TooSlow), kernel.time_limit(2.0):
            inner[0].result()
        return kernel.now()

    assert run(kernel, limited, lambda: (kernel.sleep(3.0), "other")[1]) == [2.0, "other"]
    assert inner[0].result() == "inner"


@pytest.mark.parametrize(("outer", "inner", "ended_at"), [(2.0, 5.0, "outer"), (5.0, 2.0, "inner")])
def test_time_limits_within_each_other(kernel, outer, inner, ended_at):
    """Of two nested time limits the shorter one ends the body, outer or inner."""
    story = []
    try:
        with kernel.time_limit(outer):
            try:
                with kernel.time_limit(inner):
                    kernel.sleep(60.0)
            except TooSlow:
                story.append("inner" if kernel.now() >= inner else "outer")
                raise
    except TooSlow:
        story.append(kernel.now())
    assert story == [ended_at, 2.0]


def test_an_answer_at_the_very_end_of_its_time_is_too_late(kernel):
    """Where the time limit was set before what is waited for was, it is up first."""
    with pytest.raises(TooSlow), kernel.time_limit(2.0):
        kernel.sleep(2.0)


def test_to_be_abandoned_beats_being_too_slow(kernel):
    """A task that is abandoned in the moment in which its time is up is an abandoned one."""

    def work():
        with kernel.time_limit(2.0):
            kernel.sleep(60.0)

    task = kernel.spawn(work)
    kernel.sleep(1.0)
    kernel.interrupt(task.greenlet, TooSlow())
    task.abandon()
    with pytest.raises(Abandoned):
        task.result()


def test_a_deadlock_names_what_is_waited_for(kernel):
    """Where nothing can happen any more, the main task is told who waits for what, the most common first."""
    for _ in range(3):
        kernel.spawn(kernel.event("a worker").wait)
    kernel.spawn(kernel.event("a word").wait)
    kernel.sleep(2.5)
    with pytest.raises(DeadlockError) as raised:
        kernel.event("the end").wait()
    assert str(raised.value) == (
        "nothing can happen any more at 2.500000 s, and tasks wait: 3 for a worker; 1 for a word; 1 for the end"
    )


def test_a_deadlock_of_tasks(kernel):
    """Two tasks that wait for each other are a deadlock, and named as such."""
    tasks = []

    def wait_for(number):
        return tasks[number].result()

    tasks += [kernel.spawn(lambda other=other: wait_for(other)) for other in (1, 0)]
    with pytest.raises(DeadlockError, match="3 for the end of a task"):
        tasks[0].result()


def test_after_a_deadlock_time_goes_on(kernel):
    """Who was told of a deadlock may set things right and go on."""
    event = kernel.event("a word")
    task = kernel.spawn(event.wait)
    with pytest.raises(DeadlockError):
        task.result()
    event.set()
    assert task.result() is True
    kernel.sleep(1.0)
    assert kernel.now() == 1.0


def story_of(seed, count):
    """Let tasks do anything with each other, as a seed says; return what happened, in order."""
    kernel, dice, story = Kernel(), random.Random(seed), []
    events = [kernel.event(f"event {number}") for number in range(3)]
    tasks = []

    def note(what):
        story.append((round(kernel.now(), 9), what))

    def live(number):
        for step in range(dice.randrange(6)):
            choice = dice.randrange(6)
            seconds = dice.choice([0.0, 0.5, 1.0, dice.random()])
            if choice == 0:
                kernel.sleep(seconds)
            elif choice == 1:
                note((number, step, dice.choice(events).wait(seconds)))
            elif choice == 2:
                dice.choice(events).set()
            elif choice == 3:
                kernel.wait_any([task for task in tasks if task is not tasks[number]][:3], seconds)
            elif choice == 4:
                try:
                    with kernel.time_limit(seconds):
                        kernel.sleep(0.7)
                except TooSlow:
                    note((number, step, "too slow"))
            else:
                others = [task for task in tasks if task is not tasks[number]]
                if others and number % 3 == 0:
                    victim = dice.choice(others)
                    kernel.interrupt(victim.greenlet, StageStopped())
            note((number, step, choice))
        return number

    for number in range(count):
        tasks.append(kernel.spawn(lambda number=number: live(number)))
    for task in tasks:
        try:
            note(("result", task.result()))
        except Abandoned as reason:
            note(("result", type(reason).__name__))
    return story, kernel.now()


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_a_run_is_the_same_every_time(seed, count):
    """Whatever tasks do with each other, they do it in the same order and at the same times in every run."""
    first = story_of(seed, count)
    assert story_of(seed, count) == first
    moments = [moment for moment, _ in first[0]]
    assert moments == sorted(moments)


def test_many_tasks(kernel):
    """Ten thousand tasks may wait at the same time."""
    ended = []
    tasks = [kernel.spawn(lambda n=n: (kernel.sleep(n % 100 + 1.0), ended.append(n))) for n in range(10_000)]
    for task in tasks:
        task.result()
    assert (len(ended), kernel.now()) == (10_000, 100.0)
    assert ended == sorted(range(10_000), key=lambda n: (n % 100, n))


def test_what_drives_it_lets_it_run_for_a_time(kernel):
    """`run` ends at its time, whatever waits longer, and says whether anything is left that could happen."""
    ends = []
    kernel.spawn(lambda: (kernel.sleep(1.5), ends.append(kernel.now())))
    assert (kernel.run(1.0), kernel.now(), ends) == (True, 1.0, [])
    assert (kernel.run(1.0), kernel.now(), ends) == (False, 1.5, [1.5])


def test_a_task_lets_it_pause(kernel):
    """Where a task says so, `run` ends before time goes on; what happens at the same time still does."""
    done = []
    kernel.spawn(lambda: (kernel.sleep(1.0), kernel.pause(), done.append("one")))
    kernel.spawn(lambda: (kernel.sleep(1.0), done.append("other")))
    kernel.spawn(lambda: (kernel.sleep(2.0), done.append("later")))
    assert kernel.run(10.0)
    assert (kernel.now(), done) == (1.0, ["one", "other"])


def test_a_deadlock_is_told_to_what_drives_it(kernel):
    """Where a task waits and nothing is left that could wake it, `run` raises, however much time it had."""
    kernel.spawn(kernel.event("a word").wait)
    with pytest.raises(DeadlockError, match="1 for a word"):
        kernel.run(10.0)

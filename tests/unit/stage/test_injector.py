"""The injector: its schedule is kept whatever becomes of the answers, and its end is told."""

from __future__ import annotations

import json
import math
import threading
from itertools import accumulate

import pytest

from simulator.behaviour.draws import message_id
from simulator.behaviour.schedules import ConstantArrivals, PoissonArrivals, arrival_draw
from simulator.errors import DownstreamFailed, InjectedFault, KeepingFailed, Rejected
from simulator.stage.injector import Draft, made_up
from simulator.telemetry.record import Clock, Via
from tests.support.injecting import LONG_SECONDS, START_NS, STEP, Rig, Threads, Time, dues, running


def test_messages_are_sent_when_they_are_due():
    """At a constant rate each message is due one gap after the one before, and is begun at that time, not before."""
    rig = Rig(time=Time(STEP))
    rig.injector.run_paced(made_up(5), ConstantArrivals(256.0))
    assert dues(rig) == [round(number / 256, 6) for number in range(1, 6)]
    # Each wait ends at the very reading of the clock that is the due time; the lag is the reading after it.
    assert rig.watcher.lags == [STEP] * 5


def test_a_random_schedule_is_kept_too():
    """With Poisson arrivals the due times are the sums of the gaps, however late a message before was begun."""
    rig = Rig(time=Time(STEP))
    rig.injector.run_paced(made_up(20), PoissonArrivals(500.0))
    draws = (arrival_draw(7, "injector", number) for number in range(1, 21))
    expected = list(accumulate(-math.log1p(-u) / 500 for u in draws))
    assert dues(rig) == pytest.approx(expected, abs=2e-6)
    assert all(0 <= lag < 20 * STEP for lag in rig.watcher.lags)


def test_a_schedule_that_is_late_is_caught_up_with():
    """After a standstill all that was due is sent at once, each message with its own lag and its own due time."""
    readings = iter([0.0])
    time = Time()
    time.now = 10.0
    time.clock = Clock(lambda: next(readings, 10.0), lambda: START_NS + 10 * 10**9)
    rig = Rig(time=time)
    rig.injector.run_paced(made_up(5), ConstantArrivals(1.0))
    assert rig.watcher.lags == [9.0, 8.0, 7.0, 6.0, 5.0]
    assert dues(rig) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [root[:2] for root in rig.roots] == [[START_NS + number * 10**9, 10.0 - number] for number in range(1, 6)]


def test_the_schedule_never_waits_for_answers():
    """Messages are begun when they are due although none before has been answered."""
    together, threads = threading.Barrier(8), Threads()
    rig = Rig(lambda message: together.wait(LONG_SECONDS), threads, Time(STEP))
    rig.injector.run_paced(made_up(8), ConstantArrivals(512.0))
    threads.join()
    assert not together.broken
    assert len(rig.messages) == 8


def test_the_due_time_is_the_schedule_s():
    """A message that is begun late because the process was busy was due, all the same, when the schedule says."""
    waiting, rig = [], None

    def drafts():
        yield Draft(1, b"1")
        rig.time.now += 0.5  # the process does something else first
        waiting.pop()()

    rig = Rig(spawn=waiting.append, time=Time(STEP))
    rig.injector.run_paced(drafts(), ConstantArrivals(256.0))
    assert dues(rig) == [round(1 / 256, 6)]


def test_no_room_is_a_miss():
    """A due message that is rejected counts as missed; one that fails in another way does not."""
    errors = [
        Rejected("full"),
        DownstreamFailed("x"),
        InjectedFault("error", 503),
        KeepingFailed("x"),
        Rejected("full"),
    ]

    def handle(_):
        if errors:
            raise errors.pop(0)

    rig = Rig(handle)
    rig.injector.run_closed(made_up(7), 1)
    assert (len(rig.messages), rig.watcher.missed_count, rig.watcher.ends) == (7, 2, 1)


def test_an_unknown_exception_ends_one_message_only():
    """A message whose handling breaks does not keep the others from being sent, nor the end from being told."""
    flown = []

    def catching(run):
        try:
            run()
        except ZeroDivisionError as error:
            flown.append(error)

    def handle(message):
        if len(rig.messages) == 2:
            raise ZeroDivisionError

    rig = Rig(handle, catching)
    rig.injector.run_closed(made_up(4), 2)
    assert (len(rig.messages), len(flown), rig.watcher.ends, rig.watcher.missed_count) == (4, 1, 1, 0)


def test_a_made_up_message():
    """A message of the injector's own bears the id of its number, its due time and a body of JSON that says both."""
    rig = Rig(time=Time(STEP))
    rig.injector.run_paced(made_up(2), ConstantArrivals(256.0))
    for number, message in enumerate(rig.messages, 1):
        assert message.message_id == message_id(7, "injector", number)
        assert (message.visit, message.caller, message.via) == ("0", "outside", "schedule")
        assert (message.content_type, message.body_bytes) == ("application/json", len(message.read()))
        assert json.loads(message.read()) == {
            "number": number,
            "message_id": message.message_id,
            "created": f"2023-11-14T22:13:20.{round(number / 256 * 1e6):06d}Z",
        }


def test_a_message_from_the_input():
    """A message that was read keeps its body, and its id is that of its line."""
    rig = Rig(via=Via.INPUT)
    rig.injector.run_closed(iter([Draft(3, b'{"a":  1}')]), 1)
    (message,) = rig.messages
    assert (message.read(), message.body_bytes, message.via) == (b'{"a":  1}', 9, "input")
    assert message.message_id == message_id(7, "injector", 3)


def test_the_root_span_covers_the_handling():
    """Each message is handled inside its root span, which is opened with its due time and lag."""
    rig = Rig(time=Time(STEP))
    rig.injector.run_paced(made_up(2), ConstantArrivals(256.0))
    assert rig.roots == [
        [START_NS + round(10**9 / 256), STEP, 0, 1],
        [START_NS + round(2 * 10**9 / 256), STEP, 1, 2],
    ]


def test_a_closed_loop_keeps_exactly_so_many_under_way():
    """With a concurrency of 4 there are four messages under way at a time: no fewer, and never more."""
    together, lock, threads = threading.Barrier(4), threading.Lock(), Threads()
    at_once_now, most = [0], [0]

    def handle(_):
        with lock:
            at_once_now[0] += 1
            most[0] = max(most[0], at_once_now[0])
        together.wait(LONG_SECONDS)  # passes only when four have come
        with lock:
            at_once_now[0] -= 1

    rig = Rig(handle, threads)
    rig.injector.run_closed(made_up(40), 4)
    threads.join()
    assert not together.broken
    assert (most[0], len(rig.messages), rig.watcher.lags) == (4, 40, [0.0] * 40)


def test_the_end_is_told_once_when_all_are_answered():
    """The end is told when the last message has been answered, once, and not before."""
    waiting, begun, ended, messages_at_end = [], threading.Event(), threading.Event(), []

    def drafts():
        yield from made_up(3)
        begun.set()

    def finished():
        messages_at_end.append(len(rig.messages))
        ended.set()

    rig = Rig(spawn=waiting.append)
    rig.watcher.finished = finished
    with running(rig.injector.run_closed, drafts(), 3):
        assert begun.wait(LONG_SECONDS)
        for run in waiting:
            assert not ended.wait(0.02)  # long enough for one who does not wait for the answers
            run()
    assert messages_at_end == [3]


def test_an_empty_load_has_an_end_too():
    """A load of no messages is finished at once."""
    rig = Rig()
    rig.injector.run_paced(made_up(0), ConstantArrivals(1.0))
    rig.injector.run_closed(made_up(0), 4)
    assert (rig.messages, rig.watcher.lags, rig.watcher.ends) == ([], [], 2)

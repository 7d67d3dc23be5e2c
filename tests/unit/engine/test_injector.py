"""The injector: its schedule is kept whatever becomes of the answers, and its end is told."""

from __future__ import annotations

import json
import math
from itertools import accumulate

import pytest

from simulator.behaviour.arrivals import arrival_draw
from simulator.behaviour.draws import message_id
from simulator.engine.drafts import Draft, generated
from simulator.telemetry.record import Outcome, Via
from tests.support.injecting import START_NS, Rig, at_random, dues, steady


def test_messages_are_sent_when_they_are_due():
    """At a constant rate each message is due one gap after the one before, and starts at that time."""
    rig = Rig()
    rig.injector.run_paced(generated(5), steady(256.0))
    assert rig.moments == [number / 256 for number in range(1, 6)]
    assert dues(rig) == [round(number / 256, 6) for number in range(1, 6)]
    assert rig.watcher.lags == [0.0] * 5


def test_a_random_schedule_is_kept_too():
    """With Poisson arrivals the due times are the sums of the gaps, however late a message before started."""
    rig = Rig()
    rig.injector.run_paced(generated(20), at_random(500.0))
    draws = (arrival_draw(7, "injector", number) for number in range(1, 21))
    expected = list(accumulate(-math.log1p(-u) / 500 for u in draws))
    assert rig.moments == pytest.approx(expected, abs=1e-12)
    assert dues(rig) == pytest.approx(expected, abs=1e-6)
    assert all(0 <= lag < 1e-12 for lag in rig.watcher.lags)


def late_drafts(rig, count, seconds):
    """Yield drafts, of which the first comes after a standstill."""
    rig.time.advance(seconds)
    yield from generated(count)


def test_a_schedule_that_is_late_is_caught_up_with():
    """After a standstill all that was due is sent at once, each message with its own lag and its own due time."""
    rig = Rig()
    rig.injector.run_paced(late_drafts(rig, 5, 10.0), steady(1.0))
    assert rig.watcher.lags == [9.0, 8.0, 7.0, 6.0, 5.0]
    assert dues(rig) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [root[:2] for root in rig.roots] == [[START_NS + number * 10**9, 10.0 - number] for number in range(1, 6)]


def test_the_schedule_never_waits_for_answers():
    """Messages start when they are due although none before has been answered."""
    rig = Rig(lambda message: rig.time.sleep(100.0))
    rig.injector.run_paced(generated(8), steady(512.0))
    assert rig.moments == [number / 512 for number in range(1, 9)]
    assert rig.time.now() == 100.0 + 8 / 512


def test_the_due_time_is_the_schedule_s():
    """A message that starts late because the process was busy was due, all the same, when the schedule says."""
    rig = Rig()

    def drafts():
        yield Draft(1, b"1")
        rig.time.advance(0.5)  # the process does something else before the message that it has started

    rig.injector.run_paced(drafts(), steady(256.0))
    assert (dues(rig), rig.moments) == ([round(1 / 256, 6)], [0.5 + 1 / 256])
    assert rig.messages[0].due.at == 1 / 256


def test_no_room_is_a_miss():
    """A due message that is rejected counts as missed; one that ends in another way does not."""
    outcomes = iter([Outcome.REJECTED, Outcome.FAILED, Outcome.FAULTED, Outcome.BROKEN_OFF, Outcome.REJECTED])
    rig = Rig(lambda message: next(outcomes, Outcome.DELIVERED))
    rig.injector.run_closed(generated(7), 1)
    assert (len(rig.messages), rig.watcher.missed_count, rig.watcher.ends) == (7, 2, 1)


def test_an_unknown_exception_ends_one_message_only(caplog):
    """A message whose handling breaks is logged; the others are sent, and the load ends."""

    def handle(message):
        if len(rig.messages) == 2:
            raise ZeroDivisionError

    rig = Rig(handle)
    rig.injector.run_closed(generated(4), 2)
    assert (len(rig.messages), rig.watcher.ends, rig.watcher.missed_count) == (4, 1, 0)
    assert [record.getMessage() for record in caplog.records] == ["message 2 of the load could not be handled"]


def test_a_made_up_message():
    """A message of the injector's own has the id of its number, its due time and a body of JSON that says both."""
    rig = Rig()
    rig.injector.run_paced(generated(2), steady(256.0))
    for number, message in enumerate(rig.messages, 1):
        assert message.message_id == message_id(7, "injector", number)
        assert (message.visit, message.caller, message.via) == ("0", "outside", "schedule")
        assert message.begins_here
        assert message.received_at == message.due.at
        assert message.received_unix_ns == START_NS + round(number / 256 * 1e9)
        body = message.exchange.read()
        assert (message.content_type, message.body_bytes) == ("application/json", len(body))
        assert json.loads(body) == {
            "number": number,
            "message_id": message.message_id,
            "created": f"2023-11-14T22:13:20.{round(number / 256 * 1e6):06d}Z",
        }


def test_a_message_from_the_input():
    """A message that was read keeps its body, and its id is that of its line."""
    rig = Rig(via=Via.INPUT)
    rig.injector.run_closed(iter([Draft(3, b'{"a":  1}')]), 1)
    (message,) = rig.messages
    assert (message.exchange.read(), message.body_bytes, message.via) == (b'{"a":  1}', 9, "input")
    assert message.message_id == message_id(7, "injector", 3)


def test_the_root_span_covers_the_handling():
    """Each message is handled inside its root span, which is opened with its due time and lag."""
    rig = Rig()
    rig.injector.run_paced(generated(2), steady(256.0))
    assert rig.roots == [
        [START_NS + round(10**9 / 256), 0.0, 0, 1],
        [START_NS + round(2 * 10**9 / 256), 0.0, 1, 2],
    ]


def test_a_closed_loop_keeps_exactly_so_many_under_way():
    """With a concurrency of 4 there are four messages in flight at a time: no fewer, and never more."""
    in_flight, seen = [0], []

    def handle(message):
        in_flight[0] += 1
        rig.time.sleep(1.0 + len(rig.messages) % 3)
        seen.append(in_flight[0])
        in_flight[0] -= 1

    rig = Rig(handle)
    rig.injector.run_closed(generated(40), 4)
    assert (seen[:-3], seen[-3:]) == ([4] * 37, [3, 2, 1])
    assert (len(rig.messages), rig.watcher.lags) == (40, [0.0] * 40)


def test_the_end_is_told_once_when_all_are_answered():
    """The end is told when the last message has been answered, once, and not before."""
    ends = []

    def handle(message):
        rig.time.sleep(float(len(rig.messages)))
        ends.append((rig.time.now(), rig.watcher.ends))

    rig = Rig(handle)
    rig.watcher.finished = lambda: ends.append((rig.time.now(), "finished"))
    rig.injector.run_closed(generated(3), 3)
    assert ends == [(1.0, 0), (2.0, 0), (3.0, 0), (3.0, "finished")]


@pytest.mark.parametrize("paced", [True, False])
def test_an_empty_load_has_an_end_too(paced):
    """A load of no messages is finished at once."""
    rig = Rig()
    if paced:
        rig.injector.run_paced(generated(0), steady(1.0))
    else:
        rig.injector.run_closed(generated(0), 4)
    assert (rig.messages, rig.watcher.lags, rig.watcher.ends) == ([], [], 1)


def test_nobody_waits_for_a_message_of_the_injector_s_own():
    """The exchange of such a message has nobody to answer, to warn or to wait for."""
    rig = Rig()
    rig.injector.run_closed(generated(1), 1)
    exchange = rig.messages[0].exchange
    assert exchange.waited_seconds == 0.0
    assert (exchange.withhold(), exchange.answer(None), exchange.release()) == (None, None, None)

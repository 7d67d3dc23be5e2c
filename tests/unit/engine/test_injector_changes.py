"""An injector that is stopped, or told another pace, while it runs."""

from __future__ import annotations

import itertools
import math

import pytest

from simulator.behaviour.arrivals import arrival_draw
from simulator.engine.drafts import generated
from tests.support.injecting import Rig, at_random, dues, steady

AN_HOUR = 1 / 3600


def running(rig, run, *arguments):
    """Start a load; it runs until it waits for the first time."""
    return rig.time.start(lambda: run(*arguments))


def test_stop_ends_the_wait_for_the_next_message():
    """An injector that is stopped while it waits for a due time ends at once, and tells of no end of the load."""
    rig = Rig()
    load = running(rig, rig.injector.run_paced, generated(None), steady(AN_HOUR))
    rig.time.pass_time(60.0)
    rig.injector.stop()
    load.result()
    assert (rig.messages, rig.watcher.lags, rig.watcher.ends, rig.time.now()) == ([], [], 0, 60.0)


def stuck(rig, schedule, messages=math.inf, seconds=10.0, drafts=None):
    """Run a load whose process does nothing for a time after the third message, and is stopped then."""

    def standing_still():
        for draft in drafts or generated(None if messages == math.inf else messages):
            if draft.number == 4:
                rig.time.advance(seconds)
                rig.injector.stop()
            yield draft

    rig.injector.run_paced(standing_still(), schedule, messages)
    return rig.watcher.unstarted_told


def test_what_was_due_when_the_load_was_stopped_is_missed():
    """After 3 messages at 4/s and 10 s of standstill, 40 more were due, of which the last one was not late yet."""
    rig = Rig()
    assert stuck(rig, steady(4.0)) == [(39, 9.75)]
    assert (len(rig.messages), rig.watcher.ends) == (3, 0)


def test_a_load_that_is_kept_misses_nothing():
    """What is due as the load is stopped, or less than a tenth of a second before, is no message of it."""
    rig = Rig()
    assert stuck(rig, steady(256.0), seconds=0.0625) == []


@pytest.mark.parametrize(("messages", "missed"), [(3, []), (5, [(2, 9.75)])])
def test_no_more_messages_are_missed_than_there_are(messages, missed):
    """The load had so many messages, however long it was behind."""
    rig = Rig()
    load = running(rig, rig.injector.run_paced, slow_after(rig, generated(messages), 3), steady(4.0), messages)
    rig.time.pass_time(0.75)
    load.result()
    assert rig.watcher.unstarted_told == missed


def slow_after(rig, drafts, number):
    for draft in drafts:
        yield draft
        if draft.number == number:
            rig.time.advance(10.0)
            rig.injector.stop()


def test_only_a_line_that_was_read_can_be_missed():
    """What an input would still have had, nobody knows: with a message in hand it is that one, else none."""
    assert stuck(Rig(), steady(4.0), 0, drafts=generated(9)) == []
    rig = Rig()
    load = running(rig, rig.injector.run_paced, generated(9), steady(4.0), 0)
    rig.time.advance(10.0)
    rig.injector.stop()
    load.result()
    assert rig.watcher.unstarted_told == [(1, 9.75)]


def test_poisson_messages_are_missed_as_they_were_due():
    """The very messages of the seed are counted, up to a tenth of a second before the stop."""
    due = list(itertools.accumulate(-math.log1p(-arrival_draw(7, "injector", n)) / 50.0 for n in range(1, 2000)))
    rig = Rig()
    [(missed, oldest)] = stuck(rig, at_random(50.0))
    stopped = due[2] + 10.0
    assert missed == sum(at <= stopped - 0.1 for at in due[3:])
    assert oldest == pytest.approx(stopped - due[3])


def test_more_than_can_be_counted_one_by_one_are_missed_as_expected():
    """At a million a second for 10 s nobody waits for ten million draws: the rest is their expected number."""
    [(missed, _)] = stuck(Rig(), steady(1e6))
    assert missed == pytest.approx(9.9e6, abs=2)
    [(missed, _)] = stuck(Rig(), at_random(1e6))
    # What is expected of the rest is exact to the deviation of that many.
    assert abs(missed - 9.9e6) < 4.9 * math.sqrt(9.9e6)


def test_another_pace_drops_nothing_quietly():
    """What was due on the old schedule and had not started is missed when another takes its place."""
    rig = Rig()
    load = running(rig, rig.injector.run_paced, generated(2), steady(4.0), 2)
    rig.time.advance(10.0)
    rig.injector.repace(steady(8.0))
    load.result()
    assert rig.watcher.unstarted_told == [(2, 9.75)]
    assert rig.watcher.lags == [0.0, 0.0]


def test_stop_waits_for_what_was_begun():
    """A stopped closed loop starts nothing more, and ends when all that it had started are answered."""
    rig = Rig(lambda message: rig.time.sleep(5.0))
    load = running(rig, rig.injector.run_closed, generated(None), 2)
    rig.time.pass_time(1.0)
    rig.injector.stop()
    rig.time.pass_time(3.0)
    assert not load.done
    load.result()
    assert (len(rig.messages), rig.watcher.ends, rig.time.now()) == (2, 0, 5.0)


def test_a_stopped_injector_sends_nothing():
    """After `stop` neither loop sends a message."""
    rig = Rig()
    rig.injector.stop()
    rig.injector.run_paced(generated(None), steady(1000.0))
    rig.injector.run_closed(generated(None), 2)
    assert (rig.messages, rig.watcher.ends) == ([], 0)


def test_another_pace_from_now_on():
    """After `repace` what was left of the old gap is forgotten: the next message is due one new gap from then."""
    rig = Rig()

    def drafts():
        for draft in generated(6):
            if draft.number == 4:
                rig.injector.repace(steady(64.0))
            yield draft

    rig.injector.run_paced(drafts(), steady(256.0))
    gaps = [later - earlier for earlier, later in zip([0.0, *rig.moments], rig.moments, strict=False)]
    assert gaps == [1 / 256] * 3 + [1 / 64] * 3


def test_another_pace_ends_the_wait_for_a_message():
    """An injector that waits an hour for its next message sends it soon where it is told to be quicker."""
    rig = Rig()
    load = running(rig, rig.injector.run_paced, generated(2), steady(AN_HOUR))
    rig.time.pass_time(10.0)
    rig.injector.repace(steady(4.0))
    load.result()
    assert rig.moments == dues(rig) == [10.25, 10.5]
    assert rig.watcher.lags == [0.0, 0.0]


@pytest.mark.parametrize("arrivals", [steady, at_random])
def test_a_rate_of_0_is_a_pause(arrivals):
    """At a rate of 0 no message is ever due; another rate starts the load, and 0 pauses it again."""
    rig = Rig()
    load = running(rig, rig.injector.run_paced, generated(3), arrivals(0.0))
    rig.time.pass_time(10 * 24 * 3600.0)
    assert rig.messages == []
    rig.injector.repace(steady(4.0))
    rig.time.pass_time(0.6)
    assert len(rig.messages) == 2
    rig.injector.repace(arrivals(0.0))
    rig.time.pass_time(3600.0)
    assert len(rig.messages) == 2
    rig.injector.repace(steady(4.0))
    load.result()
    assert (len(rig.messages), rig.watcher.lags, rig.watcher.ends) == (3, [0.0] * 3, 1)


def test_a_paused_injector_stops_at_once():
    """Nothing is waited for."""
    rig = Rig()
    load = running(rig, rig.injector.run_paced, generated(3), steady(0.0))
    rig.time.pass_time(5.0)
    rig.injector.stop()
    load.result()
    assert (rig.messages, rig.time.now()) == ([], 5.0)


def test_a_wait_of_any_length_is_kept():
    """A message that is due in a month is sent then."""
    rig = Rig()
    rig.injector.run_paced(generated(1), steady(1 / (30 * 24 * 3600)))
    assert rig.moments == [30 * 24 * 3600]


def test_the_pace_may_be_changed_again_and_again():
    """Of several changes before the next message the last one counts."""
    rig = Rig()

    def drafts():
        for draft in generated(2):
            for rate in (1.0, AN_HOUR, 256.0):
                rig.injector.repace(steady(rate))
            yield draft

    rig.injector.run_paced(drafts(), steady(AN_HOUR))
    assert (rig.moments, rig.watcher.ends) == ([1 / 256, 2 / 256], 1)


def test_a_stop_beats_another_pace():
    """An injector that is told to be quicker and to stop sends nothing more."""
    rig = Rig()
    load = running(rig, rig.injector.run_paced, generated(None), steady(AN_HOUR))
    rig.injector.repace(steady(1 / 7200))
    rig.injector.stop()
    load.result()
    assert rig.messages == []


def test_only_a_rate_is_a_pace():
    """An injector is paced when it sends at a rate, and not before nor with a number of messages at a time."""
    rig = Rig()
    assert rig.injector.is_paced is False
    rig.injector.run_closed(generated(1), 1)
    assert rig.injector.is_paced is False
    rig.injector.run_paced(generated(1), steady(256.0))
    assert rig.injector.is_paced is True


@pytest.mark.parametrize("rate", [1.0, 1e6])
def test_a_schedule_that_can_t_be_kept_lets_others_run(rate):
    """An injector that is behind its schedule sends while it catches up, and can be stopped."""
    rig = Rig(lambda message: rig.injector.stop())

    def drafts():
        rig.time.advance(10_000.0)
        yield from generated(5000)

    rig.injector.run_paced(drafts(), steady(rate))
    assert 1 <= len(rig.messages) < 10

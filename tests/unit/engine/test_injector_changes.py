"""An injector that is stopped, or told another pace, while it runs."""

from __future__ import annotations

import pytest

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

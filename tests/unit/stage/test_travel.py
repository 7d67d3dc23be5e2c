"""When a message's way was to start, from one stage to the next: no wall clock makes a duration of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.stage.travel import Due, clock_id, due_text, read_due

NOW, WALL = 5_000.0, 1_700_000_000.0
DAY = 24 * 3600.0


def elapsed(text, clock="c1", wall=WALL):
    due = read_due(text, clock, NOW, wall)
    return None if due.at is None else pytest.approx(NOW - due.at, abs=1e-5)


def test_what_is_written_is_read():
    """The next stage of the same host has the very same instant, to a microsecond."""
    text = due_text(Due(WALL - 2.5, NOW - 2.5), "c1", NOW - 1.0)
    assert text == "1699999997.500000;4997.500000;c1;1.500000"
    assert read_due(text, "c1", NOW, WALL) == Due(WALL - 2.5, NOW - 2.5)


@pytest.mark.parametrize("jump", [-1e9, -6 * DAY, -3600.0, -1.0, 0.0, 1.0, 3600.0, 6 * DAY, 1e9])
def test_a_jump_of_the_wall_clock_is_no_duration(jump):
    """Where both read one monotonic clock, whatever the wall clock does in between is no part of the duration."""
    text = due_text(Due(WALL, NOW - 2.5), "c1", NOW - 1.0)
    assert elapsed(text, wall=WALL + 2.5 + jump) == 2.5


@pytest.mark.parametrize(
    ("skew", "seconds"),
    [(0.0, 2.0), (1.0, 3.0), (-0.5, 1.5), (-0.6, 1.5), (9.4, 11.4), (9.6, 1.5), (-1e9, 1.5), (1e9, 1.5)],
)
def test_another_host_s_wall_clock_is_heard_where_it_may_be_right(skew, seconds):
    """What had passed at sending, 1.5 s, is certain; wall clocks add the way here, unless it can't be that."""
    text = due_text(Due(WALL - 2.0, 77.0), "another", 78.5)
    assert elapsed(text, wall=WALL + skew) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0.0),
        ("soon", 0.0),
        (repr(WALL - 2.0), 2.0),
        (repr(WALL + 0.001), None),
        (repr(WALL - 6 * DAY), None),
        (f"{WALL - 2.0};4998.0;c1", 2.0),  # not all parts: the wall clocks are all there is
        (f"{WALL - 2.0};4998.0;c1;-3", None),
        (f"{WALL - 2.0};4998.0;c1;nan", 2.0),
        (f"{WALL - 2.0};4998.0;c1;1e9", None),
        (f"{WALL - 2.0};5001.0;c1;0.5", 2.0),  # due in the future by a clock that is said to be shared
        (f"{WALL - 2.0};-1e12;c1;0.5", 2.0),
        (f"{WALL - 2.0};4998.0;;0.5", 2.0),
    ],
)
def test_what_may_be_said(text, seconds):
    """Nothing, or no number: its way starts now. What can't be true has no duration."""
    assert elapsed(text) == seconds


def test_an_unknown_clock_is_shared_with_nobody():
    """Where a host says nothing of its clock, two readings are not compared."""
    assert elapsed(due_text(Due(WALL - 2.0, NOW - 700.0), "", NOW - 699.0), clock="") == 2.0


def test_what_has_no_duration_has_none_at_the_next_stage_either():
    """It is counted where the message ends its way, and not made up on the way there."""
    due = read_due(repr(WALL - 6 * DAY), "c1", NOW, WALL)
    assert read_due(due_text(due, "c1", NOW), "c1", NOW + 1.0, WALL + 1.0).at is None


@given(st.lists(st.floats().map(repr) | st.sampled_from(["", "c1", "x", "5000", "1700000000"])).map(";".join))
def test_no_text_makes_a_duration_negative_or_endless(text):
    """Whatever is sent, a duration is from nothing to a week, or unknown."""
    due = read_due(text, "c1", NOW, WALL)
    assert due.at is None or 0.0 <= NOW - due.at <= 7 * DAY


def test_this_host_s_clock():
    """All processes of this host agree on whose monotonic clock they read."""
    assert clock_id() == clock_id() and len(clock_id()) in (0, 8)

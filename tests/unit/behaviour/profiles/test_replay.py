"""Recorded arrivals: their file, its mistakes, and when its messages are due."""

import pytest

from simulator.behaviour.profiles import recording
from simulator.behaviour.profiles.recording import read_recording
from simulator.behaviour.profiles.registry import parse_profile


def replay(lines, text="replay(x.csv)"):
    return parse_profile(text, lambda path: (path, read_recording(lines)))


def times(profile):
    return [profile.time_of(number) for number in range(1, int(profile.messages) + 1)]


def test_messages_are_due_when_they_were():
    """A row of one message is due at its very seconds, also if several came at the same time."""
    profile = replay(["seconds\n", "# from the log of 1 May\n", "0\n", "0.25\n", "0.25\n", "\n", "2\n"])
    assert times(profile) == [0.0, 0.25, 0.25, 2.0]
    assert (profile.messages, profile.duration_seconds) == (4, 2.0)


def test_a_row_can_stand_for_several_messages():
    """They are spread evenly over the time since the row before: 60 in a minute are one a second."""
    profile = replay(["seconds,messages", "60,60", "120,0", "180,120"])
    found = times(profile)
    assert found[:60] == pytest.approx(range(1, 61))
    assert found[60:] == pytest.approx([120 + n / 2 for n in range(1, 121)])


def test_a_replay_can_be_faster():
    """At ten times the speed all of it takes a tenth of the time, and its highest rate is ten times as high."""
    lines = [str(n / 10) for n in range(1, 101)]
    slow, fast = replay(lines), replay(lines, "replay(x.csv, speed=10)")
    assert times(fast) == pytest.approx([at / 10 for at in times(slow)])
    assert (slow.highest_rate_per_second, fast.highest_rate_per_second) == (pytest.approx(10), pytest.approx(100))
    assert str(fast) == "replay(x.csv, speed=10)"


def test_the_expected_number_is_that_of_the_rows_until_then():
    """At a row it is the number of rows up to there, and between two rows in between."""
    profile = replay(["1", "2", "2", "4"])
    assert [profile.expected(at) for at in (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 9.0)] == [0, 0.5, 1, 3, 3.5, 4, 4]


def test_the_highest_rate_is_that_of_the_fullest_second():
    """Ten arrivals in the second after 5, one in each of the others; and 600 that a row spreads over a minute."""
    lines = ["1", "2", "3", "4", "5", *(f"5.{n}" for n in range(1, 10)), "6", "7"]
    assert replay(lines).highest_rate_per_second == pytest.approx(10)
    assert replay(["60,600", "120,60"]).highest_rate_per_second == pytest.approx(10)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["1", "2", "1.5"], "line 3: 1.5 comes after 2: the rows must be in order of their seconds"),
        (["seconds", "1", "seconds"], "line 3: 'seconds' is not a duration"),
        (["time", "1"], "line 1: 'time' is not a duration"),
        (["-1"], "line 1: '-1' is not a number of seconds from 0 to 31622400"),
        (["nan"], "line 1: 'nan' is not a number of seconds"),
        (["1e99"], "line 1: '1e99' is not a number of seconds"),
        (["1_0"], "line 1: '1_0' is not a number of seconds"),
        (["1,2,3"], "line 1: 3 values in a row: write seconds, or seconds,messages"),
        (["1,-2"], "line 1: '-2' is not a whole number of messages from 0 to 1000000000"),
        (["1,2.5"], "line 1: '2.5' is not a whole number of messages"),
        ([], "it has no arrivals"),
        (["seconds"], "it has no arrivals"),
        (["5,0"], "it has no arrivals"),
    ],
)
def test_a_malformed_recording(lines, reason):
    """It is refused with the number of the line, and the name of the file."""
    with pytest.raises(ValueError) as raised:
        replay(lines)
    assert f"replay(x.csv) can't be used: {reason}" in str(raised.value)


def test_durations_with_units_are_read_too():
    """A row may have a unit, as everywhere."""
    assert times(replay(["250ms", "1m"])) == [0.25, 60.0]


def test_a_recording_has_a_bound(monkeypatch):
    """A file with more rows than are held is refused, and what to do instead is said."""
    monkeypatch.setattr(recording, "MAX_ROWS", 3)
    with pytest.raises(ValueError, match="line 4: it has more than 3 rows: let a row stand for several messages"):
        replay(["1", "2", "3", "4"])

"""What was due in each second, as rows of the truth."""

from __future__ import annotations

import json

from simulator.telemetry.due_seconds import DueSeconds


class Time:
    """A clock that stands where a test puts it."""

    def __init__(self):
        self.unix_seconds = 1000.0

    def now(self):
        """Return nothing that is used."""
        raise AssertionError

    def unix_ns(self):
        """Return the time of day."""
        return int(self.unix_seconds * 10**9)


def rows_after(*events):
    """Return (second, due, missed, max lag) of each row, after (unix seconds, lag) pairs; a lag of None is missed."""
    clock, lines = Time(), []
    seconds = DueSeconds("injector", 1, clock, lines.append)
    for unix_seconds, lag_seconds in events:
        clock.unix_seconds = unix_seconds
        if lag_seconds is None:
            seconds.missed()
        else:
            seconds.due(lag_seconds)
    seconds.close()
    rows = [json.loads(line) for line in lines]
    assert all((row["kind"], row["stage"], row["instance"]) == ("second", "injector", 1) for row in rows)
    return [(row["second"], row["due"], row["missed"], row["max_lag_seconds"]) for row in rows]


def test_a_message_counts_in_the_second_in_which_it_was_due():
    """However late it starts, a message is counted where the schedule had it, and the row has the greatest lag."""
    assert rows_after((1000.5, 0.25), (1000.75, 0.0), (1001.5, 0.0), (1003.5, 0.75)) == [
        (1000, 2, 0, 0.25),
        (1001, 1, 0, 0.0),
        (1002, 1, 0, 0.75),
    ]


def test_the_rows_add_up_to_what_was_due_and_missed():
    """Missed messages have rows, too, also if nothing else is in their second, and no second has two rows."""
    rows = rows_after((1000.5, 0.0), (1000.75, None), (1000.875, 0.5), (1002.0, 0.0), (1002.5, None))
    assert rows == [(1000, 2, 1, 0.5), (1002, 1, 1, 0.0)]


def test_a_time_of_day_that_is_set_back_makes_no_second_row():
    """A second that is over is never opened again."""
    assert rows_after((1000.5, 0.0), (990.0, 0.0), (1001.5, 0.0)) == [(1000, 2, 0, 0.0), (1001, 1, 0, 0.0)]


def test_a_load_without_messages_has_no_rows():
    """Nothing due, nothing written; a message that was missed before any was due has its own second."""
    assert rows_after() == []
    assert rows_after((1000.5, None)) == [(1000, 0, 1, 0.0)]

"""A client that waits for its answers measures a stall once for each connection, whatever was due meanwhile."""

from __future__ import annotations

from simulator.proof.report.waiting_client import measured_by_waiting


def stalled(seconds=20, rate=100, stall=(10.0, 11.0)):
    """Return when messages are sent and answered: in 10 ms, and those that arrive during the stall after its end."""
    sent = [number / rate for number in range(seconds * rate)]
    return [(at, (stall[1] if stall[0] <= at < stall[1] else at) + 0.0099) for at in sent]


def test_one_connection_measures_one_message_of_a_stall():
    """Of 100 messages due in a second of stall it sends the first, and the next when that is answered."""
    messages = stalled()
    places = measured_by_waiting(messages, 1)
    in_the_stall = [place for place in places if 10.0 <= messages[place][0] < 11.0]
    assert in_the_stall == [1000]
    # Answered at 11.0099, so that of 11.00 and 11.01 it sends the later one.
    assert len(places) == 2000 - 99 - 1


def test_enough_connections_measure_everything():
    assert measured_by_waiting(stalled(), 200) == list(range(2000))


def test_two_connections_measure_two():
    messages = stalled()
    assert sum(10.0 <= messages[place][0] < 11.0 for place in measured_by_waiting(messages, 2)) == 2


def test_without_messages_there_is_nothing():
    assert measured_by_waiting([], 3) == []

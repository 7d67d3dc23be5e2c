"""Lines that a message doesn't wait for: they come soon, in their order, and with their own times."""

from __future__ import annotations

import json

import pytest

from simulator.telemetry.late_lines import LateLines
from simulator.telemetry.logs import LogSink, make_logger
from tests.support.log_lines import Log, arrival, call, record

NOON_NS = 1_763_640_000 * 10**9


class Loop:
    """An event loop whose turns are made by hand, a clock, and the log of a stage."""

    def __init__(self, level="info"):
        self.raw, self.due, self.unix_ns = [], [], NOON_NS
        self.late = LateLines(self.due.append, lambda: self.unix_ns)
        self.logger = make_logger(self.late.before(self.raw.append), level, lambda: self.unix_ns)
        self.sink = LogSink(self.logger, self.late)

    def turn(self):
        due, self.due[:] = tuple(self.due), ()
        for function in due:
            function()

    @property
    def told(self):
        return [(line["event"], line["timestamp"][17:26]) for line in map(json.loads, self.raw)]


def test_a_line_is_made_at_the_next_turn_with_the_time_of_its_event():
    """A message that has arrived is in the log before it is handled, however long that takes."""
    loop = Loop()
    loop.sink.received(arrival())
    assert loop.raw == []
    loop.unix_ns += 5_000_000
    loop.turn()
    assert loop.told == [("message.received", "00.000000")]
    loop.turn()
    assert len(loop.raw) == 1


def test_no_line_overtakes_another():
    """Any other line comes after those that wait, so that the order is that of what happened."""
    loop = Loop()
    loop.sink.received(arrival())
    loop.unix_ns += 1_000_000
    loop.sink.sent(arrival(), call())
    loop.unix_ns += 1_000_000
    loop.sink.handled(record())
    loop.logger.warning("stage.draining")
    expected = [
        ("message.received", "00.000000"),
        ("message.sent", "00.001000"),
        ("message.handled", "00.002000"),
        ("stage.draining", "00.002000"),
    ]
    assert loop.told == expected
    loop.turn()
    assert loop.told == expected
    loop.sink.received(arrival())
    loop.turn()
    assert len(loop.told) == 5


def test_the_lines_are_the_same():
    """Late or not, a line says the same."""
    loop, log = Loop(), Log()
    for sink in (loop.sink, log.sink):
        sink.received(arrival())
        sink.sent(arrival(), call(attempts=2))
    loop.turn()
    late, own = ([{**json.loads(raw), "timestamp": ""} for raw in lines] for lines in (loop.raw, log.raw))
    identity = {"service": "parse", "stage": "parse", "role": "processor"}
    assert [line | identity for line in late] == own


def test_a_level_above_leaves_them_out():
    """Lines that nobody wants are not made."""
    loop = Loop("error")
    loop.sink.received(arrival())
    loop.turn()
    assert loop.raw == []


def test_a_line_that_can_t_be_made_keeps_no_other_back():
    """What comes after it is logged at the next turn, or before the next line."""
    loop = Loop()

    def fail(unix_ns):
        raise LookupError("no such line")

    loop.late(fail)
    loop.sink.received(arrival())
    with pytest.raises(LookupError, match="no such line"):
        loop.turn()
    assert loop.raw == []
    loop.turn()
    loop.logger.info("stage.started")
    assert [event for event, _ in loop.told] == ["message.received", "stage.started"]

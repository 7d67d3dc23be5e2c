"""Lines of files and of OTLP as one list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.console.logs.line import ShownLine
from simulator.console.logs.merging import merged

STAGES = {"parse": "parse", "a.b.1": "a.b", "a.b.2": "a.b"}


def line(at, event="message.sent", label="parse", span="aa"):
    return ShownLine("", at, "info", event, label, {"span_id": span})


def test_a_line_that_a_stage_writes_and_sends_is_shown_once():
    """It is the same if stage, event, span and time are, whichever instance wrote it."""
    written = [line(1.0, label="a.b.1"), line(2.0, label="a.b.2")]
    received = [line(2.0000004, label="a.b"), line(1.0, label="a.b"), line(3.0, label="a.b")]
    assert merged(written, received, STAGES) == [*written, received[2]]


def test_lines_that_differ_are_all_shown():
    """By a millisecond, by event, by span, by service."""
    written = [line(1.0)]
    received = [line(1.002), line(1.0, "message.handled"), line(1.0, span="bb"), line(1.0, label="bank")]
    assert len(merged(written, received, STAGES)) == 5


def test_each_written_line_has_one_double():
    """Two that were sent at the same time as one that was written are two lines."""
    assert len(merged([line(1.0)], [line(1.0), line(1.0)], STAGES)) == 2
    assert len(merged([line(1.0), line(1.0)], [line(1.0), line(1.0)], STAGES)) == 2


@given(st.lists(st.integers(0, 20)), st.lists(st.integers(0, 20)))
def test_all_are_in_the_order_of_their_times(written, received):
    """None of them is lost, whatever order they come in."""
    shown = merged([line(at / 1000) for at in written], [line(at / 1000) for at in received], STAGES)
    times = [one.unix_seconds for one in shown]
    assert times == sorted(times)
    doubles = sum(min(written.count(at), received.count(at)) for at in set(written))
    assert len(shown) == len(written) + len(received) - doubles

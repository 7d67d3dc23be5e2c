"""What logs and traces lack is told at the end of a run."""

from __future__ import annotations

import pytest

from simulator.local.losses import reported_losses, spans_not_forwarded
from simulator.local.supervisor import Result
from simulator.telemetry.run_files import RunFiles
from simulator.telemetry.tally import SPANS_FORWARDED, SPANS_OFFERED, Tally


@pytest.fixture
def files(tmp_path):
    return RunFiles(tmp_path)


def told(files, **losses):
    return list(reported_losses(Result(ledger=None, latencies={}, whole=None, seconds=1.0, **losses), files))


def passing(files, offered, passed_on):
    """Count as a console does that was killed after this."""
    tally = Tally.create(files.console_tally, [SPANS_OFFERED, SPANS_FORWARDED])
    tally.add(SPANS_OFFERED, offered)
    tally.add(SPANS_FORWARDED, passed_on)


def test_where_nothing_was_lost_nothing_is_said(files):
    """Counts of nought are not told, with a console that passes spans on or without."""
    assert told(files, spans_dropped={"parse": 0}, log_lines_dropped={"parse": 0}, log_lines_deleted={"parse": 0}) == []
    passing(files, 7, 7)
    assert told(files) == []


def test_spans_that_stages_lost_are_told_in_a_line(files):
    """The sum is told, and the processes that lost most."""
    (line,) = told(files, spans_dropped={"parse": 168, "enrich": 3000, "price": 0})
    assert line.startswith("3,168 spans did not arrive where spans go (enrich 3,000, parse 168)")
    (line,) = told(files, spans_dropped={f"s{number}": number for number in range(9)})
    assert "(s8 8, s7 7, s6 6, s5 5, s4 4, and 3 more processes)" in line
    (line,) = told(files, spans_dropped={"parse": 1})
    assert line.startswith("1 span did not")


def test_other_signals_that_stages_lost_are_told_in_a_line_each(files):
    """Log records and data points that did not arrive are told like spans, and of nothing lost nothing is said."""
    records, points = told(files, log_records_dropped={"parse": 2, "price": 0}, data_points_dropped={"price": 1})
    assert records.startswith("2 log records did not arrive where they are exported to (parse 2): the logs in")
    assert points.startswith("1 data point did not arrive where they are exported to (price 1)")
    assert told(files, log_records_dropped={"parse": 0}) == []


def test_spans_that_the_console_did_not_pass_on(files):
    """What reached the console and not the collector behind it is told, also of a console that was killed."""
    passing(files, 1500, 300)
    assert spans_not_forwarded(files) == 1200
    assert told(files) == [f"1,200 spans reached the console, but not your collector: see {files.console_log}"]


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_a_count_that_can_t_be_read(files, content):
    """A console that did not come as far as counting is no trouble."""
    files.console_tally.write_bytes(content)
    assert spans_not_forwarded(files) == 0


def test_log_lines(files):
    """Lines that could not be written and lines that gave way are told by process."""
    assert told(files, log_lines_dropped={"parse": 1}, log_lines_deleted={"enrich": 2000}) == [
        "parse: 1 log line could not be written and were dropped",
        "enrich: the oldest 2,000 log lines were deleted; --log-limit keeps more",
    ]

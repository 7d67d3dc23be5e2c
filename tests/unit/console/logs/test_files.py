"""The stages' logs, read from their files."""

import json
import os
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.logs.files import last_lines, lines_of_trace, read_line

BEGAN = 1_795_400_000.0


def trace_id(number):
    return f"{number:032x}"


def line(seconds, trace=None, event="message.handled", **fields):
    """Return a line as a stage writes it, so many seconds after the start."""
    now = datetime.fromtimestamp(BEGAN + seconds, UTC).isoformat(timespec="microseconds")
    ids = {} if trace is None else {"trace_id": trace_id(trace)}
    content = {"timestamp": f"{now[:-6]}Z", "level": "info", "event": event, "stage": "parse", **ids, **fields}
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


@pytest.fixture
def log(tmp_path):
    """Write a log and return its path."""

    def write(*lines, name="parse.jsonl"):
        path = tmp_path / name
        path.write_bytes(b"".join(lines))
        return path

    return write


def found_in(path, number, start, end, **options):
    return lines_of_trace({"parse": path}, trace_id(number), BEGAN + start, BEGAN + end, **options)


def test_a_line_is_read():
    """Time, level and event are separate, everything else is in the fields."""
    found = read_line(line(0.25, 7, duration_seconds=0.5), "parse.1")
    assert (found.timestamp, found.unix_seconds) == ("2026-11-23T02:13:20.250000Z", BEGAN + 0.25)
    assert (found.level, found.event, found.label) == ("info", "message.handled", "parse.1")
    assert found.fields == {"stage": "parse", "trace_id": trace_id(7), "duration_seconds": 0.5}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Traceback (most recent call last):",
        b"[1, 2]",
        b"17",
        b'{"event": "no time"}',
        b'{"timestamp": 17}',
        b'{"timestamp": "yesterday"}',
        line(0)[:-20],
        line(0, text="x" * 40_000),
        b"\xff\xfe",
        b"\0" * 100,
    ],
)
def test_what_is_not_a_line_of_a_log_is_passed_over(raw):
    """Text, other JSON, half a line and an endless one are not lines."""
    assert read_line(raw, "parse") is None


def test_the_lines_of_a_trace_are_found_in_all_files(log):
    """The lines of every stage come in the order of time, each with its writer."""
    parse = log(line(1, 1, "message.received"), line(1.5, 2), line(2, 1, "message.handled"))
    archive = log(line(1.2, 1, "message.kept"), name="archive.jsonl")
    files = {"parse.2": parse, "archive": archive}
    found = lines_of_trace(files, trace_id(1), BEGAN + 1, BEGAN + 2)
    assert [(entry.label, entry.event) for entry in found] == [
        ("parse.2", "message.received"),
        ("archive", "message.kept"),
        ("parse.2", "message.handled"),
    ]


def test_only_the_trace_itself_counts(log):
    """A line that has the id in another field is not a line of the trace."""
    path = log(line(1, 2, linked=trace_id(1)), line(1, 1))
    assert [entry.fields["trace_id"] for entry in found_in(path, 1, 1, 1)] == [trace_id(1)]
    assert lines_of_trace({"parse": path}, "", BEGAN, BEGAN) == []


def test_of_a_large_file_only_the_time_of_the_trace_is_read(log, monkeypatch):
    """In ten megabytes the lines of a trace are found although less than a tenth is read."""
    path = log(*(line(number / 100, number // 2, text="x" * 400) for number in range(20_000)))
    read = []
    pread = os.pread

    def counted(descriptor, length, offset):
        found = pread(descriptor, length, offset)
        read.append(len(found))
        return found

    monkeypatch.setattr(os, "pread", counted)
    for number in (0, 1, 4_321, 9_999):
        assert len(found_in(path, number, number / 50, number / 50)) == 2
    assert sum(read) / 4 < path.stat().st_size / 10


def test_lines_a_little_out_of_order_are_found(log):
    """Concurrent requests write when they end: a line may be among ones of a second later."""
    lines = [line(number / 100, number) for number in range(5_000)]
    early = lines.pop(2_000)
    lines.insert(2_100, early)
    assert len(found_in(log(*lines), 2_000, 20.0, 20.0)) == 1


def test_as_many_lines_as_wanted_the_earliest_first(log):
    """A trace with more lines than can be shown gives the first ones."""
    path = log(*(line(number / 1000, 1, number=number) for number in range(50)))
    assert [entry.fields["number"] for entry in found_in(path, 1, 0, 1, limit=3)] == [0, 1, 2]


@pytest.mark.parametrize("rubbish", [b"x" * 50_000, b"x" * 50_000 + b"\n", b"\n\n", b"\0" * 9_000, b"{\n", b"\xff\n"])
def test_other_text_in_a_file_hides_nothing_around_it(log, rubbish):
    """Other text between the lines, even overlong lines, costs at most the next line."""
    before = [line(number / 100, number) for number in range(400)]
    after = [line(4 + number / 100, 400 + number) for number in range(400)]
    path = log(*before, rubbish, *after)
    assert [len(found_in(path, number, number / 100, number / 100)) for number in (0, 200, 399, 401, 799)] == [1] * 5
    assert len(last_lines(path, 1000)) >= 799


def test_half_a_line_at_the_end_is_not_there_yet(log):
    """A line that is being written is skipped, and is there when it is complete."""
    path = log(line(1, 1), line(2, 1)[:-30])
    assert len(found_in(path, 1, 1, 2)) == len(last_lines(path, 9)) == 1
    path.write_bytes(line(1, 1) + line(2, 1))
    assert len(found_in(path, 1, 1, 2)) == len(last_lines(path, 9)) == 2


def test_files_that_are_gone_or_empty_have_no_lines(log, tmp_path):
    """A stage that has not logged yet, and a log that was removed, do no harm."""
    assert found_in(tmp_path / "none.jsonl", 1, 0, 9) == last_lines(tmp_path / "none.jsonl", 9) == []
    assert found_in(tmp_path, 1, 0, 9) == last_lines(tmp_path, 9) == []
    empty = log()
    assert found_in(empty, 1, 0, 9) == last_lines(empty, 9) == []


@pytest.mark.parametrize("seconds", [-1e12, 1e12])
def test_a_trace_at_an_impossible_time_has_no_lines(log, seconds):
    """The times of an external trace are those that its client sends."""
    assert lines_of_trace({"parse": log(line(1, 1))}, trace_id(9), seconds, seconds) == []


def test_the_last_lines(log):
    """The last ones are given, the oldest of them first, with the file's name or the label given."""
    path = log(*(line(number, number, number=number) for number in range(2_000)), name="parse.1.jsonl")
    found = last_lines(path, 3)
    assert [(entry.label, entry.fields["number"]) for entry in found] == [("parse.1", n) for n in (1997, 1998, 1999)]
    assert [entry.label for entry in last_lines(path, 1, "other")] == ["other"]
    assert [entry.fields["number"] for entry in last_lines(path, 5_000)] == list(range(2_000))
    assert last_lines(path, 0) == []


def test_the_search_for_last_lines_has_a_bound(log):
    """A file that ends in megabytes of other text is not read in full."""
    path = log(line(1, 1), b"x" * 5 * 2**20)
    assert last_lines(path, 1) == []


@given(st.data())
def test_every_line_is_found_wherever_it_is(tmp_path_factory, data):
    """For lines of any lengths and times in order, those of any trace within its time are found, and no others."""
    lengths = data.draw(st.lists(st.integers(0, 3_000), min_size=1, max_size=60))
    gaps = data.draw(st.lists(st.floats(0, 5), min_size=len(lengths), max_size=len(lengths)))
    traces = data.draw(st.lists(st.integers(1, 5), min_size=len(lengths), max_size=len(lengths)))
    path = tmp_path_factory.mktemp("logs") / "parse.jsonl"
    moments, now = [], 0.0
    for gap in gaps:
        now += gap
        moments.append(round(now, 6))
    rows = zip(moments, traces, lengths, strict=True)
    path.write_bytes(b"".join(line(at, trace, text="x" * length) for at, trace, length in rows))
    wanted = data.draw(st.sampled_from(traces))
    own = [at for at, trace in zip(moments, traces, strict=True) if trace == wanted]
    found = found_in(path, wanted, own[0], own[-1])
    assert [round(entry.unix_seconds - BEGAN, 5) for entry in found] == [pytest.approx(at, abs=2e-5) for at in own]


def test_lines_are_found_across_a_log_that_was_full(log):
    """The last lines, and those of a trace, are read from the older log too if the newer one has too few."""
    lines = [line(number, 7, n=number) for number in range(8)]
    log(*lines[:5], name="parse.jsonl.1")
    path = log(*lines[5:])
    assert [found.fields["n"] for found in last_lines(path, 6)] == [2, 3, 4, 5, 6, 7]
    assert [found.fields["n"] for found in last_lines(path, 2)] == [6, 7]
    assert [found.fields["n"] for found in found_in(path, 7, 0, 8)] == list(range(8))
    path.unlink()
    assert [found.fields["n"] for found in last_lines(path, 6)] == [0, 1, 2, 3, 4]

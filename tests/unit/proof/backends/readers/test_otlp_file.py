"""Reading files of OTLP in JSON Lines."""

from __future__ import annotations

import json
import os

import pytest

from simulator.proof.backends.held import BackendError
from simulator.proof.backends.readers import lines
from simulator.proof.backends.readers.otlp_file import read_otlp_files
from simulator.telemetry.otlp_signal import Signal
from tests.support.otlp_content import attributes, metric, point, span, spans


def write(path, *requests):
    path.write_text("".join(json.dumps(request) + "\n" for request in requests))
    return path


def test_spans_have_their_ids_times_service_and_attributes(tmp_path):
    """As OTLP has them in JSON: numbers as texts, ids in hexadecimal."""
    one = span(1, parentSpanId="00000000000000aa", status={"code": 2}, attributes=attributes(a="x", b=3, c=0.5, d=True))
    held = read_otlp_files(write(tmp_path / "traces.jsonl", spans("page", one)))
    [found] = held.spans
    assert (found.trace_id, found.span_id, found.parent_id) == (f"{1:032x}", f"{1:016x}", f"{0xAA:016x}")
    assert (found.service, found.kind, found.is_error) == ("page", 2, True)
    assert found.end_unix_ns - found.start_unix_ns == 10**6
    assert found.attributes == {"a": "x", "b": 3, "c": 0.5, "d": True}
    assert held.signals == {Signal.TRACES}


def test_other_ways_to_write_the_same_are_read(tmp_path):
    """Numbers as numbers, names of enums, base64 for ids, zeros for no parent."""
    one = span(
        1,
        traceId="AAAAAAAAAAAAAAAAAAAAAQ==",
        kind="SPAN_KIND_CLIENT",
        startTimeUnixNano=5,
        parentSpanId="0" * 16,
        status={"code": "STATUS_CODE_ERROR"},
    )
    [found] = read_otlp_files(write(tmp_path / "traces.jsonl", spans("page", one))).spans
    assert (found.trace_id, found.kind, found.start_unix_ns, found.parent_id) == (f"{1:032x}", 3, 5, "")
    assert found.is_error


def test_torn_and_foreign_lines_are_counted(tmp_path):
    """A file that ends in the middle of a line, has text in it, or objects that are nothing of OTLP."""
    path = write(tmp_path / "traces.jsonl", spans("page", span(1)), {"hello": "world"}, [1])
    with path.open("a") as file:
        file.write("not JSON\n\n" + json.dumps(spans("page", span(2)))[:40])
    held = read_otlp_files(path)
    assert len(held.spans) == 1
    assert held.unreadable == {"lines": 4}


def test_an_endless_line_is_not_kept_in_memory(tmp_path, monkeypatch):
    """It is skipped, counted once, and what follows is read."""
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 2000)
    path = tmp_path / "traces.jsonl"
    path.write_text("x" * 9000 + "\n" + json.dumps(spans("page", span(1))) + "\n")
    held = read_otlp_files(path)
    assert (len(held.spans), held.unreadable) == (1, {"lines": 1})


@pytest.mark.parametrize(
    "request_",
    [
        {"resourceSpans": {"a": 1}},
        {"resourceSpans": [1, {"scopeSpans": [None]}]},
        {"resourceSpans": [{"resource": 7, "scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]},
        spans("page", span(1, attributes=[{"key": "a", "value": {"intValue": "x"}}])),
        spans("page", span(1, startTimeUnixNano=True)),
    ],
)
def test_malformed_requests_are_counted_and_nothing_is_raised(tmp_path, request_):
    """Any JSON whatever may be in a file."""
    held = read_otlp_files(write(tmp_path / "traces.jsonl", request_))
    assert not held.spans
    assert sum(held.unreadable.values()) >= 1


def test_a_folder_has_all_three_signals_and_earlier_files(tmp_path):
    """As `run --telemetry DIR` writes them, with what was rotated."""
    write(tmp_path / "traces.jsonl", spans("page", span(2)))
    write(tmp_path / "traces.jsonl.1", spans("page", span(1)))
    record = {
        "eventName": "message.handled",
        "traceId": f"{1:032x}",
        "spanId": f"{1:016x}",
        "attributes": attributes(stage="page", message_id="m-1", outcome="delivered"),
    }
    write(tmp_path / "logs.jsonl", {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    write(tmp_path / "metrics.jsonl", metric("simulator.messages", point(1, 5, stage="page")))
    held = read_otlp_files(tmp_path)
    assert len(held.spans) == 2
    assert held.signals == set(Signal)
    [line] = held.lines
    assert (line.stage, line.event, line.message_id, line.span_id) == ("page", "message.handled", "m-1", f"{1:016x}")
    assert [(one.name, one.labels, one.count) for one in held.counts] == [
        ("simulator_messages_total", {"stage": "page"}, 5)
    ]


def test_cumulative_points_count_by_the_last_and_delta_points_by_their_sum(tmp_path):
    """A point that was delivered twice counts once, and a restart does not lose what was counted before."""
    cumulative = [point(1, 5), point(2, 9), point(2, 9), point(3, 2)]
    held = read_otlp_files(write(tmp_path / "metrics.jsonl", metric("simulator.messages", *cumulative)))
    assert held.counts[0].count == 11
    deltas = [point(2, 4), point(1, 5), point(2, 4)]
    held = read_otlp_files(write(tmp_path / "metrics.jsonl", metric("simulator.messages", *deltas, delta=True)))
    assert held.counts[0].count == 9
    waits = {"timeUnixNano": "1", "count": "7", "attributes": []}
    held = read_otlp_files(write(tmp_path / "metrics.jsonl", metric("simulator.queue_wait", waits, kind="histogram")))
    assert [(one.name, one.count) for one in held.counts] == [("simulator_queue_wait_seconds", 7)]


def test_an_empty_file_holds_nothing_of_its_signal(tmp_path):
    """What a pipeline leaves that drops everything: the file's name says of which signal."""
    (tmp_path / "logs.jsonl").touch()
    assert read_otlp_files(tmp_path / "logs.jsonl").signals == {Signal.LOGS}
    (tmp_path / "out.json").touch()
    assert read_otlp_files(tmp_path / "out.json").signals == {Signal.TRACES}


def test_what_is_not_there_is_told(tmp_path):
    """A path that does not exist, a folder without such files, a file that can't be read."""
    with pytest.raises(BackendError, match="does not exist"):
        read_otlp_files(tmp_path / "nowhere")
    with pytest.raises(BackendError, match=r"has no file \*.jsonl"):
        read_otlp_files(tmp_path)
    if os.geteuid():
        (tmp_path / "a.jsonl").touch(mode=0)
        with pytest.raises(BackendError, match="can't be read"):
            read_otlp_files(tmp_path / "a.jsonl")

"""Reading the lines of stages' logs as log shippers keep them."""

from __future__ import annotations

import json

import pytest

from simulator.proof.backends.readers.log_file import read_log_files

LINE = {"timestamp": "2026-01-01T00:00:00.000000Z", "event": "message.handled", "stage": "page", "message_id": "m-1"}
TRACED = {**LINE, "trace_id": f"{1:032x}", "span_id": f"{2:016x}"}


@pytest.mark.parametrize(
    "shipped",
    [
        TRACED,
        {"log": json.dumps(TRACED) + "\n", "stream": "stdout", "time": "x"},
        {"message": json.dumps(TRACED), "kubernetes": {"pod": "page-1"}},
        {"@timestamp": "x", "body": TRACED},
    ],
    ids=["as it is", "docker", "a shipper", "an object"],
)
def test_a_line_is_found_inside_that_of_a_shipper(tmp_path, shipped):
    """Container engines and shippers put the line into one of their own, as a text or as an object."""
    (tmp_path / "page.jsonl").write_text(json.dumps(shipped) + "\n")
    held = read_log_files(tmp_path)
    [line] = held.lines
    assert (line.stage, line.event, line.message_id) == ("page", "message.handled", "m-1")
    assert (line.trace_id, line.span_id) == (f"{1:032x}", f"{2:016x}")
    assert not held.unreadable


def test_a_line_without_its_event_is_held_by_its_message(tmp_path):
    """A shipper that renames keys leaves something to compare."""
    line = {key: value for key, value in TRACED.items() if key != "event"} | {"name": "message.handled"}
    (tmp_path / "a.log").write_text(json.dumps(line) + "\n")
    assert read_log_files(tmp_path / "a.log").lines[0].event == ""


def test_what_is_no_line_of_a_stage_is_counted(tmp_path):
    """Text, arrays, and objects of other programs."""
    (tmp_path / "a.log").write_text('Traceback:\n[1]\n{"msg": "x"}\n{"log": "{broken"}\n' + json.dumps(LINE))
    held = read_log_files(tmp_path / "a.log")
    assert (len(held.lines), held.unreadable) == (1, {"lines": 4})

"""What is found wrong with the lines of logs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.proof.backends.expectation.log_lines import expected_lines
from simulator.proof.backends.held import HeldLine
from simulator.proof.backends.judging.lines import judge_lines
from tests.support.held_spans import rows_of_messages, topology_of

LINES_PER_MESSAGE = 8  # three that arrived, three that were handled, two that were sent


@pytest.fixture
def expected(tmp_path):
    return list(expected_lines(rows_of_messages(topology_of(tmp_path), 100, failing=[7])))


@pytest.fixture
def held(expected):
    assert len(expected) == 100 * LINES_PER_MESSAGE
    return [
        HeldLine(
            stage=one.stage,
            event=one.event,
            message_id=one.message_id,
            trace_id=one.keys["trace_id"],
            span_id=one.span_id,
            keys=dict(one.keys),
        )
        for one in expected
    ]


def judged(expected, held):
    messages = {one.message_id for one in expected}
    return {found.name: found for check in judge_lines(expected, held, messages) for found in check.findings}


def only(findings, name):
    assert list(findings) == [name], findings
    return findings[name]


def test_nothing_is_found_where_nothing_was_touched(expected, held):
    """Neither by lines of other runs' messages, nor by other events, nor by the order."""
    others = [replace(held[0], message_id="m-other"), replace(held[0], event="stage.started", message_id="")]
    assert judged(expected, [*reversed(held), *others]) == {}


def test_missing_and_doubled_lines_are_counted_by_stage_and_event(expected, held):
    """One of each."""
    found = only(judged(expected, held[1:]), "lines missing")
    assert found.count == 1 and "start message.received 1" in found.meaning
    assert only(judged(expected, [*held, held[5]]), "lines doubled").count == 1


def test_a_shipper_that_was_down_is_a_gap(expected, held):
    """Three of the ten seconds."""
    times = {id(line): one.at_unix_ns for one, line in zip(expected, held, strict=True)}
    begin = min(times.values())
    kept = [line for line in held if not 3 * 10**9 <= times[id(line)] - begin < 6 * 10**9]
    assert only(judged(expected, kept), "gap in time").count == len(held) - len(kept)


def test_keys_that_were_dropped_renamed_or_changed_are_named(expected, held):
    """Of the lines of one event, whose values the truth has."""

    def with_keys(change):
        return [replace(line, keys=change(dict(line.keys))) for line in held]

    def renamed(keys):
        if "outcome" in keys:
            keys["result"] = keys.pop("outcome")
        return keys

    found = only(judged(expected, with_keys(renamed)), "attribute renamed")
    assert found.meaning.startswith("outcome is result there")
    found = only(
        judged(expected, with_keys(lambda keys: {k: v for k, v in keys.items() if k != "code"})), "attribute dropped"
    )
    assert found.meaning.startswith("code is missing")
    found = only(
        judged(expected, with_keys(lambda keys: keys | ({"duration_seconds": 0.0} if "body_bytes" in keys else {}))),
        "attribute changed",
    )
    assert found.count == 300


def test_a_line_that_lost_its_span_is_found_by_its_message(expected, held):
    """It is there, without its ids."""
    bare = [
        replace(
            line, span_id="", trace_id="", keys={k: v for k, v in line.keys.items() if k not in ("trace_id", "span_id")}
        )
        for line in held
    ]
    findings = judge_lines(expected, bare, {one.message_id for one in expected})
    assert sorted(found.meaning.partition(" ")[0] for check in findings for found in check.findings) == [
        "span_id",
        "trace_id",
    ]

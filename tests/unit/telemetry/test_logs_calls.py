"""What the log says of calls and their attempts."""

from __future__ import annotations

import pytest

from simulator.telemetry.record import CallOutcome
from tests.support.log_lines import LEAD, Log, arrival, call
from tests.support.records import attempt, called


def test_message_sent():
    """`message.sent` says whom, how it ended, after how many attempts and how long it took."""
    log = Log()
    log.sink.sent(arrival(), call(attempts=3))
    (line,) = log.lines
    assert list(line) == [*LEAD, "downstream", "outcome", "code", "attempts", "duration_seconds"]
    assert line["event"] == "message.sent"
    assert [line[key] for key in ("downstream", "outcome", "code", "attempts")] == ["enrich", "ok", 200, 3]
    assert (line["level"], line["duration_seconds"]) == ("info", 0.5)


@pytest.mark.parametrize(
    ("outcome", "code", "level"),
    [
        (CallOutcome.OK, 204, "info"),
        (CallOutcome.ERROR_STATUS, 302, "warning"),
        (CallOutcome.ERROR_STATUS, 404, "warning"),
        (CallOutcome.ERROR_STATUS, 500, "warning"),
        (CallOutcome.TIMEOUT, None, "warning"),
        (CallOutcome.UNREACHABLE, None, "warning"),
        (CallOutcome.BREAKER_OPEN, None, "warning"),
        (CallOutcome.EXPIRED, None, "warning"),
    ],
)
def test_the_level_and_error_of_a_call(outcome, code, level):
    """A call that did not end well is a warning and says why."""
    log = Log()
    log.sink.sent(arrival(), call(outcome, code, "why it failed"))
    (line,) = log.lines
    assert (line["level"], line["outcome"], line["code"]) == (level, str(outcome), code)
    assert line["error"] == "why it failed"


@pytest.mark.parametrize(("injected", "more"), [(False, []), (True, ["injected"])])
def test_a_try_that_is_not_the_last_is_a_line(injected, more):
    """An attempt after which there is another is recorded by its number, how it ended and when the next one follows."""
    log = Log()
    failed = attempt(CallOutcome.ERROR_STATUS, 503, 0.1234567, injected=injected, error="it answered 503", number=2)
    log.sink.attempted(arrival(), "enrich", failed, 0.0345678)
    (line,) = log.lines
    keys = ["downstream", "attempt", "outcome", "code", "duration_seconds", "retry_in_seconds", "error", *more]
    assert list(line) == [*LEAD, *keys]
    assert {key: line[key] for key in ("level", "event", "message_id", *keys)} == {
        "level": "warning",
        "event": "attempt.failed",
        "message_id": "m-1",
        "downstream": "enrich",
        "attempt": 2,
        "outcome": "error_status",
        "code": 503,
        "duration_seconds": 0.123457,
        "retry_in_seconds": 0.034568,
        "error": "it answered 503",
        **({"injected": True} if injected else {}),
    }


@pytest.mark.parametrize("outcome", [CallOutcome.OK, CallOutcome.TIMEOUT, CallOutcome.ABANDONED])
def test_the_last_try_is_no_line(outcome):
    """An attempt after which there is none is silent, however it ended: the call's own line says it all."""
    log = Log("debug")
    log.sink.attempted(arrival(), "enrich", attempt(outcome, None), None)
    assert log.raw == []


def test_a_try_that_is_made_again_at_once_is_a_line():
    """An attempt that is made again without a pause, at another instance, is told too: 0 is not none."""
    log = Log()
    log.sink.attempted(arrival(), "enrich", attempt(CallOutcome.UNREACHABLE, None, 0.0, error="refused"), 0.0)
    (line,) = log.lines
    assert (line["event"], line["code"], line["retry_in_seconds"]) == ("attempt.failed", None, 0.0)


def test_a_call_and_its_tries_are_a_line_each():
    """A call that succeeds at its third attempt has two lines of failed attempts and one of its own, by level."""
    log, whole = Log(), call(attempts=3)
    for each in whole.attempts:
        log.sink.sending("enrich")
        log.sink.attempted(arrival(), "enrich", each, 0.5 if each.number < 3 else None)
    log.sink.sent(arrival(), whole)
    assert [(line["event"], line["level"]) for line in log.lines] == [
        ("attempt.failed", "warning"),
        ("attempt.failed", "warning"),
        ("message.sent", "info"),
    ]
    assert [line["attempt"] for line in log.lines[:2]] == [1, 2]
    assert (log.lines[2]["attempts"], log.lines[2]["outcome"]) == (3, "ok")


def test_a_call_without_a_try_is_a_line_too():
    """A call that was given up before its first attempt has a line with no attempts and no code."""
    log = Log()
    log.sink.sent(arrival(), called(outcome=CallOutcome.BREAKER_OPEN, code=None, error="the breaker is open"))
    (line,) = log.lines
    assert (line["outcome"], line["attempts"], line["code"]) == ("breaker_open", 0, None)
    assert (line["error"], line["level"]) == ("the breaker is open", "warning")


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({}, []),
        ({"injected": True}, ["injected"]),
        ({"forgiven": True}, ["forgiven"]),
        ({"injected": True, "forgiven": True}, ["injected", "forgiven"]),
    ],
)
def test_what_is_on_purpose_or_forgiven_is_said(changes, more):
    """A call that failed by an injected fault says so, as does one after which the message goes on; others do not."""
    log = Log()
    log.sink.sent(arrival(), call(CallOutcome.ERROR_STATUS, 503, "it answered 503", **changes))
    (line,) = log.lines
    assert list(line)[len(LEAD) + 6 :] == more
    assert [line[key] for key in more] == [True] * len(more)


def test_a_try_that_begins_is_no_line():
    """The beginning of an attempt is silent, because its end says it all."""
    log = Log("debug")
    log.sink.sending("enrich")
    assert log.raw == []

"""What a client sees of a stage that answers before the work."""

from __future__ import annotations

import json

import pytest
from werkzeug.test import EnvironBuilder

from simulator.behaviour.distributions import Constant
from simulator.stage.exchange import HANG_UP, RESET
from simulator.telemetry.record import Outcome
from tests.support.posting import JSON, TRACE_ID, assert_problem, post
from tests.support.stage_rig import worker


def test_the_answer_comes_at_once(make_web):
    """A message is answered with 202 and a receipt before the work, which then goes on to its end."""
    web = make_web(forward="accept", delay=Constant(5.0), calls=["enrich"])
    answer = post(web, X_Message_Id="order-7")
    assert (answer.status_code, answer.content_type) == (202, JSON)
    assert json.loads(answer.data) == {
        "message_id": "order-7",
        "stage": "parse",
        "outcome": "accepted",
        "trace_id": TRACE_ID,
    }
    assert (answer.headers["X-Message-Id"], answer.headers["X-Trace-Id"]) == ("order-7", TRACE_ID)
    assert (web.rig.time.seconds, web.rig.sink.records) == (0.0, [])
    web.rig.time.pass_time(10.0)
    assert (web.rig.record.outcome, web.rig.record.code) == (Outcome.FORWARDED, 202)


def test_a_body_is_held_until_the_work_is_done(make_web):
    """What came of a message that has its answer already still counts, as long as the work goes on."""
    web = make_web(forward="accept", delay=Constant(5.0))
    assert post(web, b"x" * 1000, "text/plain").status_code == 202
    assert web.held.bytes == 1000
    web.rig.time.pass_time(5.0)
    assert (web.held.bytes, web.rig.kept.messages) == (0, [(b"x" * 1000, "text/plain")])


def test_what_is_not_taken_in_is_a_problem(make_web):
    """A message that is bad, or for which there is no room, is answered as by a stage that does the work first."""
    web = make_web(forward="accept", workers=1, queue=0)
    assert_problem(post(web, b"{"), 400, "Invalid message", message_id="made-1", trace_id=TRACE_ID)
    with worker(web.rig.capacity):
        answer = post(web)
    assert_problem(answer, 503, "No room", message_id="made-2", trace_id=TRACE_ID)
    assert answer.headers["Retry-After"] == "1"
    assert [record.outcome for record in web.rig.sink.records] == [Outcome.INVALID, Outcome.REJECTED]


@pytest.mark.parametrize("fault", ["truncate(100%)", "slow_body(1B/s, 100%)", "reset(100%)", "error(503, 100%)"])
def test_no_fault_acts_on_the_receipt(make_web, fault):
    """The receipt of a message that was taken in comes whole, at once and without the mark of a fault."""
    web = make_web(forward="accept", faults=[fault], response_bytes="10KB")
    environ, answers, body = EnvironBuilder("/messages", method="POST", data=b"x").get_environ(), [], []

    def start_response(status, headers):
        answers.append((status, dict(headers)))
        return body.append

    assert list(web.app(environ, start_response)) == []
    ((status, headers),) = answers
    assert (status, json.loads(b"".join(body))["outcome"]) == ("202 ACCEPTED", "accepted")
    assert not {HANG_UP, RESET} & set(environ)
    assert "X-Simulator-Injected" not in headers
    assert web.rig.time.seconds == 0.0
    web.rig.time.pass_time(1.0)
    assert web.rig.record.code == 202


def test_a_mistake_of_ours_before_the_answer(make_web, caplog):
    """An unforeseen error is answered with 500 and the message's ids, and is in the log once with its traceback."""
    web = make_web(forward="accept", calls=["enrich"])
    web.held.take = None
    answer = post(web, X_Message_Id="order-7")
    assert_problem(answer, 500, "Internal Server Error", message_id="order-7", trace_id=TRACE_ID)
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_a_stage_that_waits_hears_nothing_of_it(make_web):
    """A stage that does the work first answers 200, and its record has no earlier answer."""
    web = make_web(delay=Constant(1.0))
    assert post(web).status_code == 200
    assert web.rig.record.answer_seconds is None


def test_a_change_to_accepting_holds_for_the_next_message(make_web):
    """Whether a stage answers before the work is asked for each message."""
    web = make_web(delay=Constant(1.0))
    accepting = make_web(forward="accept").rig.handling.behaviour
    assert post(web).status_code == 200
    web.rig.handling.behaviour = accepting
    assert post(web).status_code == 202

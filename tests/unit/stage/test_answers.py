"""The answers of a stage as HTTP responses: receipts, and errors as RFC 9457 problem details."""

from __future__ import annotations

import json

import pytest
from flask import Response

from simulator.engine.encodings import UnknownEncoding
from simulator.engine.message import Answer
from simulator.errors import (
    BrokenOff,
    DeadlinePassed,
    DownstreamFailed,
    DownstreamTooSlow,
    InjectedFault,
    InvalidMessage,
    OutputFailed,
    RateLimited,
    Rejected,
    ShuttingDown,
    Unforeseen,
)
from simulator.stage.answers import farewell, wire_answer
from simulator.telemetry.record import Outcome
from tests.support.posting import JSON, PROBLEM, TRACE_ID
from tests.support.serving import answers_of


def respond(trace_id=TRACE_ID, **answer):
    status, headers, body = wire_answer(Answer(**answer), "parse", "m-1", trace_id)
    return Response(body, status, headers)


@pytest.mark.parametrize(
    ("error", "status", "title", "injected", "retry_after"),
    [
        (InvalidMessage("the body is empty"), 400, "Invalid message", False, None),
        (InvalidMessage("too much", 413, "Content too large"), 413, "Content too large", False, None),
        (UnknownEncoding("br"), 415, "Unsupported media type", False, None),
        (Rejected("full"), 503, "No room", False, "1"),
        (RateLimited("5/s and no more", 7), 429, "Too many messages", False, "7"),
        (DeadlinePassed("nobody waits for it"), 504, "Deadline passed", False, None),
        (ShuttingDown(), 503, "Shutting down", False, "1"),
        (InjectedFault("error", 503), 503, "Injected fault", True, None),
        (InjectedFault("error", 418), 418, "Injected fault", True, None),
        (DownstreamFailed("enrich: it answered 500"), 502, "Downstream failed", False, None),
        (DownstreamFailed("enrich: it answered 503", injected=True), 502, "Downstream failed", True, None),
        (DownstreamTooSlow("enrich"), 504, "Downstream too slow", False, None),
        (OutputFailed("full"), 500, "Message not kept", False, None),
        (BrokenOff(), 503, "Broken off", False, None),
        (BrokenOff(injected=True), 503, "Broken off", True, None),
        (Unforeseen(), 500, "Internal Server Error", False, None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_error_s_answer(error, status, title, injected, retry_after):
    """Every error of the tree is answered with its status, title and text; `injected` only where it is true."""
    answer = respond(error=error)
    body = json.loads(answer.data)
    assert (answer.status_code, body["status"], answer.content_type) == (status, status, PROBLEM)
    assert (body["title"], body["detail"], body["stage"], body["message_id"]) == (title, str(error), "parse", "m-1")
    assert (answer.headers["X-Message-Id"], answer.headers["X-Trace-Id"]) == ("m-1", TRACE_ID)
    assert body["trace_id"] == TRACE_ID
    assert body.get("injected") is (True if injected else None)
    assert answer.headers.get("X-Simulator-Injected") == ("true" if injected else None)
    assert answer.headers.get("Retry-After") == retry_after


@pytest.mark.parametrize(
    ("error", "said"), [(ShuttingDown(), "refused"), (Rejected("full"), None), (BrokenOff(), None)], ids=str
)
def test_who_was_turned_away_by_the_end_of_a_stage_may_go_elsewhere(error, said):
    """A stage that shuts down says that it has read the message and not taken it, and no other refusal says so."""
    assert respond(error=error).headers.get("X-Simulator-Draining") == said


def test_what_can_be_unpacked_is_told():
    """Where a compressed body can't be decompressed the answer says what could be."""
    assert respond(error=UnknownEncoding("br")).headers["Accept-Encoding"] == "gzip, deflate"


def test_a_receipt():
    """A message that was handled is answered with 200 and what became of it."""
    answer = respond(outcome=Outcome.FORWARDED, duration_seconds=1 / 3)
    assert (answer.status_code, answer.content_type) == (200, JSON)
    assert json.loads(answer.data) == {
        "message_id": "m-1",
        "stage": "parse",
        "outcome": "forwarded",
        "trace_id": TRACE_ID,
        "duration_seconds": 0.333333,
    }
    assert "X-Simulator-Injected" not in answer.headers


def test_a_receipt_before_the_work():
    """A message that was only taken in is answered with 202 and a receipt without a duration."""
    answer = respond(accepted=True)
    assert (answer.status_code, answer.content_type) == (202, JSON)
    assert json.loads(answer.data) == {
        "message_id": "m-1",
        "stage": "parse",
        "outcome": "accepted",
        "trace_id": TRACE_ID,
    }


@pytest.mark.parametrize("answer", [{"truncated": True}, {"bytes_per_second": 20.0}])
def test_an_answer_that_a_fault_acts_on_says_so_and_is_whole(answer):
    """The response has the mark of a fault, and is whole: what the fault does to it is done when it is sent."""
    response = respond(outcome=Outcome.DELIVERED, size_bytes=1000, **answer)
    assert response.headers["X-Simulator-Injected"] == "true"
    assert (len(response.get_data()), response.headers["Content-Length"]) == (1000, "1000")


@pytest.mark.parametrize(
    "answer", [{"outcome": Outcome.DELIVERED}, {"accepted": True}, {"error": Rejected("full")}], ids=str
)
def test_without_a_trace_none_is_named(answer):
    """Where there are no spans an answer has no trace's id, rather than zeros."""
    response = respond(trace_id="", **answer)
    assert "X-Trace-Id" not in response.headers
    assert "trace_id" not in json.loads(response.data)


def test_the_last_word_on_an_idle_connection():
    """What a stage that ends says on an idle connection is a whole answer, which says that nothing was read."""
    (answer,) = answers_of(farewell())
    assert (answer.status, answer.headers["connection"], answer.headers["retry-after"]) == (503, "close", "1")
    assert answer.headers["x-simulator-draining"] == "unread"
    assert answer.json()["title"] == "Shutting down"

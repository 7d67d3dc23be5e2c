"""Errors as RFC 9457 problem details."""

from __future__ import annotations

import json

import pytest

from simulator.errors import (
    DownstreamFailed,
    DownstreamTooSlow,
    InjectedFault,
    InvalidMessage,
    KeepingFailed,
    Rejected,
)
from simulator.stage.problems import message_problem, problem


def test_a_problem_s_members():
    """A problem bears type, title, status and detail, and whatever else it was given, as problem+json."""
    answer = problem(404, "Not Found", "there is nothing here", stage="parse")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert json.loads(answer.data) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is nothing here",
        "stage": "parse",
    }
    assert answer.data.endswith(b"}\n")


@pytest.mark.parametrize(("status", "title"), [(404, "Not Found"), (503, "Service Unavailable"), (599, "Error")])
def test_a_problem_always_has_a_title(status, title):
    """Where no title is given it is HTTP's own name of the status."""
    assert json.loads(problem(status, "", "why").data)["title"] == title


def test_a_long_detail_is_cut():
    """A detail takes 500 characters at most."""
    assert json.loads(problem(400, "Bad", "é" * 5000).data)["detail"] == "é" * 500


@pytest.mark.parametrize(
    ("error", "status", "title", "injected", "retry_after"),
    [
        (InvalidMessage("the body is empty"), 400, "Invalid message", False, None),
        (InvalidMessage("too much", 413, "Content too large"), 413, "Content too large", False, None),
        (Rejected("full"), 503, "No room", False, "1"),
        (InjectedFault("error", 503), 503, "Injected fault", True, None),
        (InjectedFault("error", 418), 418, "Injected fault", True, None),
        (DownstreamFailed("enrich: it answered 500"), 502, "Downstream failed", False, None),
        (DownstreamFailed("enrich: it answered 503", injected=True), 502, "Downstream failed", True, None),
        (DownstreamTooSlow("enrich"), 504, "Downstream too slow", False, None),
        (KeepingFailed("full"), 500, "Message not kept", False, None),
    ],
)
def test_each_error_s_answer(error, status, title, injected, retry_after):
    """Every error of the tree is answered with its status, title and text; `injected` only where it is true."""
    answer = message_problem(error, stage="parse", message_id="m-1")
    body = json.loads(answer.data)
    assert answer.status_code == body["status"] == status
    assert (body["title"], body["detail"], body["stage"], body["message_id"]) == (title, str(error), "parse", "m-1")
    assert body.get("injected", False) is injected
    assert ("injected" in body) is injected
    assert answer.headers.get("X-Simulator-Injected") == ("true" if injected else None)
    assert answer.headers.get("Retry-After") == retry_after

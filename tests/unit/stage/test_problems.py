"""Errors of messages as RFC 9457 problem details."""

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
from simulator.stage.problems import message_problem


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

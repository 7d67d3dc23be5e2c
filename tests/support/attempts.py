"""Calls under a clock of the test's own: what they are answered, and what became of their attempts."""

from __future__ import annotations

from contextlib import suppress

from simulator.behaviour.draws import next_visit
from simulator.errors import MessageError
from simulator.telemetry.record import CallOutcome

INJECTED = {"X-Simulator-Injected": "true"}
OK, ERROR, TIMEOUT = CallOutcome.OK, CallOutcome.ERROR_STATUS, CallOutcome.TIMEOUT
UNREACHABLE, ABANDONED = CallOutcome.UNREACHABLE, CallOutcome.ABANDONED


def in_turn(*answers):
    """Answer each request with the next of these: a status, (seconds, status), or either with headers at the end.

    An exception in the place of the status is raised. The last one is for all that follow.
    """
    left = iter(answers)
    last = [None]

    def answer(_):
        last[0] = next(left, last[0])
        given = last[0] if isinstance(last[0], tuple) else (last[0],)
        headers = given[-1] if isinstance(given[-1], dict) else {}
        *seconds, status = given[:-1] if isinstance(given[-1], dict) else given
        return (*seconds, status, headers, b"")

    return answer


def calling(make_stage, *answers, to="price", **call):
    """Make a stage with a single call; give its rig."""
    return make_stage(calls=[{"to": to, **call}], answer=in_turn(*answers))


def handle_all(rig, make_message, count):
    """Handle messages whatever becomes of them; return how their calls ended."""
    for _ in range(count):
        with suppress(MessageError):
            rig.handle(make_message())
    return [record.calls[0].outcome for record in rig.sink.records[-count:]]


def visit(attempt):
    return next_visit("0", "parse/0", attempt)


def visits(rig):
    return [request.headers["X-Simulator-Visit"] for request in rig.adapter.requests]

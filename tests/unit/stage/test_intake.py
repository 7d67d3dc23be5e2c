"""Bodies are bounded one by one and all together, and nobody's is read where there is no room for it."""

from __future__ import annotations

from io import BytesIO

import pytest

from simulator.errors import Rejected
from simulator.stage.intake import HeldBodies
from simulator.telemetry.record import Outcome
from tests.support.posting import TRACE_ID, assert_problem, post, post_announcing
from tests.support.stage_rig import worker

MAX_BODY = 100_000


def test_as_much_is_held_as_may_be_and_no_more():
    """What is too much is refused, and not held; the bound is that of now."""
    bounds = [100]
    held = HeldBodies(lambda: bounds[0])
    held.take(60)
    held.take(40)
    with pytest.raises(Rejected, match="100 bytes"):
        held.take(1)
    assert held.bytes == 100
    held.release(60)
    held.take(60)
    bounds[0] = 200
    held.take(100)
    assert held.bytes == 200


def test_a_full_stage_reads_no_body(make_web):
    """Where all workers are busy and the queue is full a message is rejected before its body is read."""
    web = make_web(workers=1, queue=0, max_body_bytes=MAX_BODY)
    body = BytesIO(b"x" * 1000)
    with worker(web.rig.capacity):
        answer = post_announcing(web, 1000, body)
    assert_problem(answer, 503, "No room", message_id="made-1", trace_id=TRACE_ID)
    assert (body.tell(), answer.headers["Retry-After"]) == (0, "1")
    assert (web.rig.record.outcome, web.rig.record.arrival.body_bytes) == (Outcome.REJECTED, 1000)


def test_a_body_for_which_there_is_no_memory_is_turned_away(make_web):
    """Where other bodies take all that may be held, a message is rejected as soon as that is seen."""
    web = make_web(max_body_bytes=MAX_BODY, max_held_bytes=MAX_BODY)
    web.held.take(MAX_BODY - 50_000)
    body = BytesIO(b"x" * MAX_BODY)
    answer = post_announcing(web, MAX_BODY, body)
    assert_problem(answer, 503, "No room", message_id="made-1", trace_id=TRACE_ID)
    assert 50_000 < body.tell() < 80_000
    assert web.rig.record.outcome is Outcome.REJECTED
    assert web.held.bytes == MAX_BODY - 50_000


def test_a_body_is_held_until_its_message_is_done(make_web):
    """While a message is forwarded its body counts, and afterwards it does not, whatever became of it."""
    seen = []

    def answer(_):
        seen.append(web.held.bytes)
        return (200 if len(seen) == 1 else 503), {}, b""

    web = make_web(calls=("enrich",), answer=answer, max_body_bytes=MAX_BODY)
    assert post(web, b"x" * 1000, "text/plain").status_code == 200
    assert post(web, b"x" * 60_000, "text/plain").status_code == 502
    assert post(web, b"{", "application/json").status_code == 400
    assert post_announcing(web, 10, BytesIO(b"abc")).status_code == 400
    assert (seen, web.held.bytes) == ([1000, 60_000], 0)

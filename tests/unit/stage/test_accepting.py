"""A stage that answers when it has taken a message in, and does the work afterwards."""

from __future__ import annotations

import json
import logging
import threading

import pytest

from simulator.behaviour.distributions import Constant
from simulator.errors import DeadlinePassed, InvalidMessage, RateLimited, Rejected
from simulator.stage.answers import HANG_UP, RESET
from simulator.telemetry.record import Outcome

LONG_SECONDS = 20.0


def post(web, body=b'{"n": 1}', **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.client.post("/messages", data=body, content_type="application/json", headers=names)


def test_the_answer_comes_at_once(make_web):
    """A message is answered with 202 and a receipt before the work, which then goes on to its end."""
    web = make_web(forward="accept", delay=Constant(5.0), calls=["enrich"])
    answer = post(web, X_Message_Id="order-7")
    assert (answer.status_code, answer.content_type) == (202, "application/json")
    assert json.loads(answer.data)["outcome"] == "accepted"
    assert answer.headers["X-Message-Id"] == json.loads(answer.data)["message_id"] == "order-7"
    assert web.rig.time.seconds == 0.0
    assert (web.rig.adapter.requests, web.rig.hearer.records, web.rig.capacity.busy) == ([], [], 1)
    web.rig.time.sleep(10.0)
    assert web.rig.adapter.moments == [5.0]
    record = web.rig.record
    assert (record.outcome, record.code, record.answer_seconds) == (Outcome.FORWARDED, 202, 0.0)
    assert (record.duration_seconds, web.rig.capacity.inside) == (5.0, 0)
    assert [span.name for span in web.rig.spans] == ["accepted"]


def test_the_caller_s_deadline_ends_with_the_answer(make_web):
    """Who has its answer waits no longer, so that its deadline can't end the work that comes afterwards."""
    web = make_web(forward="accept", delay=Constant(5.0), calls=["enrich"])
    assert post(web, X_Simulator_Deadline="2.0").status_code == 202
    web.rig.time.sleep(10.0)
    assert web.rig.record.outcome is Outcome.FORWARDED


def test_what_fails_after_the_answer_is_only_recorded(make_web):
    """A call that fails after the answer makes the message a failed one; the client has its 202."""
    web = make_web(forward="accept", delay=Constant(1.0), calls=["enrich"], answer=lambda _: (500, {}, b""))
    assert post(web).status_code == 202
    web.rig.time.sleep(2.0)
    record = web.rig.record
    assert (record.outcome, record.code, record.answer_seconds) == (Outcome.FAILED, 202, 0.0)
    assert record.error == "enrich: it answered 500"


@pytest.mark.parametrize("fault", ["error(503, 100%)", "reset(100%)"])
def test_a_fault_after_the_answer(make_web, fault):
    """A fault that ends the handling can't take the answer back: it is recorded, with the 202 that was given."""
    web = make_web(forward="accept", delay=Constant(1.0), faults=[fault])
    assert post(web).status_code == 202
    web.rig.time.sleep(2.0)
    assert (web.rig.record.outcome, web.rig.record.code) == (Outcome.FAULTED, 202)


def test_faults_of_the_answer_have_no_answer_to_act_on(make_web):
    """The receipt of a message that was taken in is neither cut nor slow, nor filled."""
    web = make_web(forward="accept", faults=["truncate(100%)", "slow_body(1B/s, 100%)"], response_bytes="10KB")
    answer = post(web)
    assert json.loads(answer.data)["outcome"] == "accepted"
    assert not {HANG_UP, RESET} & set(answer.request.environ)
    assert "X-Simulator-Injected" not in answer.headers
    assert (web.rig.record.outcome, web.rig.record.faults) == (Outcome.DELIVERED, ())


def test_an_unforeseen_error_after_the_answer_is_logged(make_web, caplog):
    """What nobody foresaw goes to the log with its traceback, and the message counts as failed."""
    web = make_web(forward="accept", delay=Constant(1.0))
    web.rig.kept.error = ZeroDivisionError("by nought")
    with caplog.at_level(logging.ERROR):
        assert post(web).status_code == 202
        web.rig.time.sleep(2.0)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["by nought"]
    assert (web.rig.record.outcome, web.rig.record.code) == (Outcome.FAILED, 202)
    assert web.rig.capacity.inside == 0


def test_an_unforeseen_error_before_the_answer_is_a_500(make_stage, make_message):
    """What breaks before a message was taken in is raised to whoever wants to answer it."""

    def read():
        raise ZeroDivisionError

    rig = make_stage(forward="accept")
    with pytest.raises(ZeroDivisionError):
        rig.handling.accept(make_message(read=read))
    assert (rig.record.code, rig.record.answer_seconds) == (500, None)


def test_a_bad_message_is_refused_before(make_stage, make_message):
    """What is wrong with a message is told in the answer, as by a stage that does the work first."""
    rig = make_stage(forward="accept")
    with pytest.raises(InvalidMessage):
        rig.handling.accept(make_message(b"{"))
    assert (rig.record.outcome, rig.record.code, rig.record.answer_seconds) == (Outcome.INVALID, 400, None)


def test_no_room_no_limit_and_no_time_are_told_before(make_stage, make_message):
    """A message for which there is no room, no token or no time left is turned away in the answer."""
    rig = make_stage(forward="accept", workers=1, queue=0, rate_limit="limit(1/s, burst=2)")
    with rig.capacity.worker(), pytest.raises(Rejected):
        rig.handling.accept(make_message())
    with pytest.raises(DeadlinePassed):
        rig.handling.accept(make_message(deadline_seconds=0.0))
    with pytest.raises(RateLimited):
        rig.handling.accept(make_message())
    assert [(record.outcome, record.code) for record in rig.hearer.records] == [
        (Outcome.REJECTED, 503),
        (Outcome.REJECTED, 504),
        (Outcome.REJECTED, 429),
    ]
    assert all(record.answer_seconds is None for record in rig.hearer.records)


def test_the_room_bounds_what_is_taken_in(make_web):
    """While the work of `workers` messages goes on, and none may wait, the next one is told that there is no room."""
    web = make_web(forward="accept", delay=Constant(5.0), workers=2, queue=0)
    assert [post(web).status_code for _ in range(3)] == [202, 202, 503]
    web.rig.time.sleep(5.0)
    assert post(web).status_code == 202


class Threads:
    """Tasks in threads."""

    def __init__(self):
        self.started = []

    def start(self, function):
        outcome = {}

        def run():
            try:
                outcome["value"] = function()
            except Exception as error:  # noqa: BLE001 - it is raised again by whoever asks for the result
                outcome["error"] = error

        thread = threading.Thread(target=run)
        thread.start()
        self.started.append(thread)
        return _Thread(thread, outcome)

    def current(self):
        return threading.current_thread()


class _Thread:
    def __init__(self, thread, outcome):
        self._thread, self._outcome = thread, outcome

    def result(self):
        self._thread.join(LONG_SECONDS)
        assert not self._thread.is_alive()
        if "error" in self._outcome:
            raise self._outcome["error"]
        return self._outcome["value"]


def test_a_message_that_waits_for_a_worker_is_answered_all_the_same(make_stage, make_message, wait_for):
    """The answer comes when there is room to wait, not when there is a worker; the wait is in the record."""
    threads = Threads()
    rig = make_stage(forward="accept", workers=1, queue=1, tasks=threads)
    with rig.capacity.worker():
        rig.handling.accept(make_message())
        wait_for(lambda: rig.capacity.waiting == 1)
        assert rig.hearer.records == []
        with pytest.raises(Rejected):
            rig.handling.accept(make_message())
    for thread in threads.started:
        thread.join(LONG_SECONDS)
        assert not thread.is_alive()
    assert [(record.outcome, record.code) for record in rig.hearer.records] == [
        (Outcome.REJECTED, 503),
        (Outcome.DELIVERED, 202),
    ]


def test_a_stage_that_waits_hears_nothing_of_it(make_web):
    """A stage that does the work first answers 200, and its record has no earlier answer."""
    web = make_web(delay=Constant(1.0))
    assert post(web).status_code == 200
    assert web.rig.record.answer_seconds is None

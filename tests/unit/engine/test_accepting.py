"""A stage that answers when it has taken a message in, and does the work afterwards."""

from __future__ import annotations

import logging

import pytest

from simulator.behaviour.distributions import Constant
from simulator.engine.message import Answer
from simulator.errors import BrokenOff, DeadlinePassed, InvalidMessage, RateLimited, Rejected, ShuttingDown, Unforeseen
from simulator.telemetry.record import Outcome
from tests.support.stage_rig import RecordingSink, worker

ACCEPTED = Answer(accepted=True)


def accepted(rig, message):
    """Let a stage take a message in; return the only answer to it."""
    rig.handling.accept(message)
    (answer,) = message.exchange.answers
    return answer


def refused(rig, message):
    """Let a stage turn a message away; give why."""
    error = accepted(rig, message).error
    assert error is not None
    return error


def test_the_answer_comes_at_once(make_stage, make_message):
    """A message is answered before the work, which then goes on to its end, in a span of its own."""
    rig = make_stage(delay=Constant(5.0), calls=["enrich"])
    message = make_message()
    assert accepted(rig, message) == ACCEPTED
    assert rig.time.seconds == 0.0
    assert (rig.adapter.requests, rig.sink.records, rig.capacity.busy) == ([], [], 1)
    rig.time.pass_time(10.0)
    assert rig.adapter.moments == [5.0]
    assert (rig.record.outcome, rig.record.code, rig.record.answer_seconds) == (Outcome.FORWARDED, 202, 0.0)
    assert (rig.record.duration_seconds, rig.capacity.inside) == (5.0, 0)
    assert (rig.tracing.names, message.exchange.answers) == (["accepted"], [ACCEPTED])


def test_the_time_to_the_answer_ends_when_it_left(make_stage, make_message):
    """What happens before the stage runs again is no part of it."""

    def leaving(_):
        rig.time.pass_time(2.0)
        return 0.5

    rig = make_stage()
    rig.handling.accept(make_message(leaving=leaving))
    rig.time.pass_time(0.0)
    (record,) = rig.sink.records
    assert (record.answer_seconds, record.duration_seconds) == (0.5, 2.0)


def test_the_worker_is_held_while_the_answer_leaves(make_stage, make_message):
    """A client that takes its time with the answer keeps the message's worker, and the work starts after it."""
    rig = make_stage(delay=Constant(5.0), workers=1)
    busy = []

    def leaving(answer):
        rig.time.pass_time(2.0)
        busy.append(rig.capacity.busy)

    rig.handling.accept(make_message(leaving=leaving))
    assert (rig.time.seconds, busy) == (2.0, [1])
    rig.time.pass_time(10.0)
    assert (rig.record.answer_seconds, rig.record.duration_seconds) == (2.0, 5.0)


def test_the_caller_s_deadline_ends_with_the_answer(make_stage, make_message):
    """A client that has its answer no longer waits, so that its deadline can't end the work that comes afterwards."""
    rig = make_stage(delay=Constant(5.0), calls=["enrich"])
    assert accepted(rig, make_message(deadline_seconds=2.0)) == ACCEPTED
    rig.time.pass_time(10.0)
    assert rig.record.outcome is Outcome.FORWARDED


def test_what_fails_after_the_answer_is_only_recorded(make_stage, make_message):
    """A call that fails after the answer makes the message a failed one; the client has its answer."""
    rig = make_stage(delay=Constant(1.0), calls=["enrich"], answer=lambda _: (500, {}, b""))
    message = make_message()
    assert accepted(rig, message) == ACCEPTED
    rig.time.pass_time(2.0)
    assert (rig.record.outcome, rig.record.code, rig.record.answer_seconds) == (Outcome.FAILED, 202, 0.0)
    assert (rig.record.error, message.exchange.answers) == ("enrich: it answered 500", [ACCEPTED])


@pytest.mark.parametrize("fault", ["error(503, 100%)", "reset(100%)"])
def test_a_fault_after_the_answer(make_stage, make_message, fault):
    """A fault that ends the handling can't take the answer back: it is recorded, with the 202 that was given."""
    rig = make_stage(delay=Constant(1.0), faults=[fault])
    message = make_message()
    assert accepted(rig, message) == ACCEPTED
    rig.time.pass_time(2.0)
    assert (rig.record.outcome, rig.record.code) == (Outcome.FAULTED, 202)
    assert message.exchange.answers == [ACCEPTED]


def test_faults_of_the_answer_have_no_answer_to_act_on(make_stage, make_message):
    """The receipt of a message that was taken in is neither truncated nor slow, nor filled."""
    rig = make_stage(faults=["truncate(100%)", "slow_body(1B/s, 100%)"], response_bytes="10KB")
    assert accepted(rig, make_message()) == ACCEPTED
    rig.time.pass_time(1.0)
    assert (rig.record.outcome, rig.record.faults) == (Outcome.DELIVERED, ())


def test_an_unforeseen_error_after_the_answer_is_logged(make_stage, make_message, caplog):
    """An unforeseen error goes to the log with its traceback, once, and the message counts as failed."""
    rig = make_stage(delay=Constant(1.0))
    rig.kept.error = ZeroDivisionError("by nought")
    message = make_message()
    with caplog.at_level(logging.ERROR):
        assert accepted(rig, message) == ACCEPTED
        rig.time.pass_time(2.0)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["by nought"]
    assert (rig.record.outcome, rig.record.code) == (Outcome.FAILED, 202)
    assert (rig.capacity.inside, message.exchange.answers) == (0, [ACCEPTED])


def test_an_unforeseen_error_before_the_answer_is_answered(make_stage, make_message, caplog):
    """What breaks before a message is admitted is answered as an internal error, and logged once."""

    def read():
        raise ZeroDivisionError("by nought")

    rig = make_stage()
    assert isinstance(refused(rig, make_message(read=read)), Unforeseen)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["by nought"]
    assert (rig.record.outcome, rig.record.code, rig.record.answer_seconds) == (Outcome.FAILED, 500, None)
    assert rig.record.error == "ZeroDivisionError: by nought"


def test_a_bad_message_is_refused_before(make_stage, make_message):
    """What is wrong with a message is recorded in the answer, as by a stage that does the work first."""
    rig = make_stage()
    assert isinstance(refused(rig, make_message(b"{")), InvalidMessage)
    assert (rig.record.outcome, rig.record.code, rig.record.answer_seconds) == (Outcome.INVALID, 400, None)


def test_no_room_no_limit_and_no_time_are_told_before(make_stage, make_message):
    """A message for which there is no room, no token or no time left is rejected in the answer."""
    rig = make_stage(workers=1, queue=0, rate_limit="limit(1/s, burst=2)")
    with worker(rig.capacity):
        assert isinstance(refused(rig, make_message()), Rejected)
    assert isinstance(refused(rig, make_message(deadline_seconds=0.0)), DeadlinePassed)
    assert isinstance(refused(rig, make_message()), RateLimited)
    assert [(record.outcome, record.code) for record in rig.sink.records] == [
        (Outcome.REJECTED, 503),
        (Outcome.REJECTED, 504),
        (Outcome.REJECTED, 429),
    ]
    assert all(record.answer_seconds is None for record in rig.sink.records)


def test_a_message_for_which_the_room_is_gone_when_it_has_come(make_stage, make_message):
    """Where others took the room while a body was read, the answer says that there is none, and nothing is accepted."""
    rig = make_stage(workers=1, queue=0, delay=Constant(5.0))

    def read():
        rig.time.pass_time(1.0)
        return b'{"n": 1}'

    slow, quick = make_message(read=read), make_message()
    task = rig.time.start(lambda: rig.handling.accept(slow))
    assert accepted(rig, quick) == ACCEPTED
    task.result()
    assert [type(answer.error) for answer in slow.exchange.answers] == [Rejected]
    rig.time.pass_time(10.0)
    assert [(record.outcome, record.code) for record in rig.sink.records] == [
        (Outcome.REJECTED, 503),
        (Outcome.DELIVERED, 202),
    ]


def test_the_room_bounds_what_is_taken_in(make_stage, make_message):
    """While the work of `workers` messages goes on, and none may wait, the next one is told that there is no room."""
    rig = make_stage(delay=Constant(5.0), workers=2, queue=0)
    answers = [accepted(rig, make_message()) for _ in range(3)]
    assert answers[:2] == [ACCEPTED] * 2
    assert isinstance(answers[2].error, Rejected)
    rig.time.pass_time(5.0)
    assert accepted(rig, make_message()) == ACCEPTED


def test_a_message_that_waits_for_a_worker_is_answered_all_the_same(make_stage, make_message):
    """The answer comes when there is room to wait, not when there is a worker; the wait is in the record."""
    rig = make_stage(workers=1, queue=1)
    with worker(rig.capacity):
        assert accepted(rig, make_message()) == ACCEPTED
        rig.time.pass_time(2.0)
        assert (rig.capacity.waiting, rig.sink.records) == (1, [])
        assert isinstance(refused(rig, make_message()), Rejected)
    rig.time.pass_time(0.0)
    assert [(record.outcome, record.code, record.queue_wait_seconds) for record in rig.sink.records] == [
        (Outcome.REJECTED, 503, None),
        (Outcome.DELIVERED, 202, 2.0),
    ]


def test_what_was_accepted_is_done_when_the_stage_closes(make_stage, make_message):
    """A stage that shuts down rejects new messages and finishes what it has answered for."""
    rig = make_stage(delay=Constant(5.0))
    assert accepted(rig, make_message()) == ACCEPTED
    rig.capacity.close()
    assert isinstance(refused(rig, make_message()), ShuttingDown)
    rig.time.pass_time(5.0)
    assert rig.record.outcome is Outcome.DELIVERED


def test_what_was_accepted_is_broken_off_without_another_answer(make_stage, make_message):
    """The work that the end of the stage breaks off is recorded as such; the client has its answer."""
    rig = make_stage(delay=Constant(60.0))
    message = make_message()
    assert accepted(rig, message) == ACCEPTED
    rig.time.pass_time(2.0)
    assert rig.handling.in_flight == 1
    assert rig.handling.break_off() == 1
    rig.time.pass_time(0.0)
    assert (rig.record.outcome, rig.record.code, rig.record.duration_seconds) == (Outcome.BROKEN_OFF, 202, 2.0)
    assert (message.exchange.answers, rig.capacity.inside, rig.handling.in_flight) == ([ACCEPTED], 0, 0)


def test_a_message_that_the_end_breaks_off_before_it_was_accepted(make_stage, make_message):
    """Where the stage ends while a body still comes, its client is told so."""
    rig = make_stage()
    message = make_message(read=lambda: rig.time.pass_time(60.0))
    task = rig.time.start(lambda: rig.handling.accept(message))
    rig.time.pass_time(2.0)
    assert rig.handling.break_off() == 1
    task.result()
    assert [type(answer.error) for answer in message.exchange.answers] == [BrokenOff]
    assert (rig.record.outcome, rig.record.code) == (Outcome.BROKEN_OFF, 503)


def test_an_answer_that_the_end_breaks_off_is_not_given_twice(make_stage, make_message):
    """A client that has not taken its answer when the stage ends gets no other one after it."""
    rig = make_stage()
    message = make_message(leaving=lambda answer: rig.time.pass_time(60.0))
    task = rig.time.start(lambda: rig.handling.accept(message))
    rig.time.pass_time(2.0)
    assert rig.handling.break_off() == 1
    task.result()
    assert message.exchange.answers == [ACCEPTED]
    assert rig.record.outcome is Outcome.BROKEN_OFF


def test_what_breaks_the_telling_is_not_swallowed(make_stage, make_message):
    """An error outside of a message's own handling is raised to the caller of `accept`."""

    class Broken(RecordingSink):
        def received(self, arrival):
            raise ZeroDivisionError

    rig = make_stage(sinks=[Broken()])
    message = make_message()
    with pytest.raises(ZeroDivisionError):
        rig.handling.accept(message)
    assert message.exchange.answers == []

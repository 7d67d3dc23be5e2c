"""The instances of a called stage: they take turns, and those that can't be reached are ejected."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
import requests

from simulator.errors import DownstreamFailed, MessageError
from simulator.stage.transport import Unreachable
from simulator.telemetry.record import CallOutcome, Outcome
from tests.support.attempts import OK, UNREACHABLE, visit, visits


def reaching(rig, down, seconds=0.0):
    """Let these instances of a rig's downstream be unreachable, by their ports."""
    rig.adapter.answer = lambda request: (
        (seconds, Unreachable("no"), {}, b"") if port(request) in down else (200, {}, b"")
    )
    return rig


def port(request):
    return requests.utils.urlparse(request.url).port


def ports(rig):
    return [port(request) for request in rig.adapter.requests]


def test_instances_take_turns(make_stage, make_message):
    """The attempts at a stage of several instances go to each in turn."""
    rig = make_stage(calls=["price"], instances={"price": 3})
    for _ in range(7):
        rig.handle(make_message())
    assert ports(rig) == [8080, 8081, 8082, 8080, 8081, 8082, 8080]


def test_an_instance_that_can_t_be_reached_costs_no_retry(make_stage, make_message):
    """If an instance can't be reached, another one is attempted at once, although the call has no retries."""
    rig = reaching(make_stage(calls=["price"], instances={"price": 3}), {8080, 8081})
    record = rig.handle(make_message())
    assert (ports(rig), record.outcome) == ([8080, 8081, 8082], Outcome.FORWARDED)
    assert [retry for _, _, retry in rig.sink.attempts] == [0.0, 0.0, None]
    assert (rig.sleeps, visits(rig)) == ([], [visit(1), visit(2), visit(3)])
    assert [attempt.outcome for attempt in record.calls[0].attempts] == [UNREACHABLE, UNREACHABLE, OK]


def test_instances_that_can_t_be_reached_are_passed_over_for_a_while(make_stage, make_message):
    """For five seconds an instance that could not be reached gets no attempt; then it is retried, and is back."""
    rig = reaching(make_stage(calls=["price"], instances={"price": 2}), {8080})
    for _ in range(3):
        rig.handle(make_message())
    assert ports(rig) == [8080, 8081, 8081, 8081]
    rig.time.advance(4.9)
    rig.handle(make_message())
    assert ports(rig)[4:] == [8081]
    rig.time.advance(0.1)
    reaching(rig, set())
    for _ in range(2):
        rig.handle(make_message())
    assert sorted(ports(rig)[5:]) == [8080, 8081]
    url = "http://price:8080/messages"
    assert rig.ejections == [("price", url, True), ("price", url, False)]


def test_all_instances_are_down(make_stage, make_message):
    """Each instance is attempted once, and then the call fails; with retries it goes on with the first that is back."""
    rig = reaching(make_stage(calls=["price"], instances={"price": 3}), {8080, 8081, 8082})
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert ports(rig) == [8080, 8081, 8082]
    assert rig.record.calls[0].outcome is UNREACHABLE
    rig = make_stage(calls=[{"to": "price", "retries": 2}], instances={"price": 2})
    with pytest.raises(DownstreamFailed):
        reaching(rig, {8080, 8081}).handle(make_message())
    assert ports(rig) == [8080, 8081, 8080, 8081]
    assert len(rig.sleeps) == 2


def test_an_instance_that_is_passed_over_is_tried_before_a_call_fails(make_stage, make_message):
    """One instance restarts after the other: the first is there again, although it is still ejected."""
    rig = reaching(make_stage(calls=["price"], instances={"price": 2}), {8080})
    rig.handle(make_message())
    rig.time.advance(1.0)
    record = reaching(rig, {8081}).handle(make_message())
    assert (ports(rig), record.outcome) == ([8080, 8081, 8081, 8080], Outcome.FORWARDED)
    rig.handle(make_message())
    assert ports(rig)[4:] == [8080]
    assert [(requests.utils.urlparse(url).port, ejected) for _, url, ejected in rig.ejections] == [
        (8080, True),
        (8081, True),
        (8080, False),
    ]


def test_a_single_instance_that_can_t_be_reached(make_stage, make_message):
    """A stage of one instance is never ejected, and another attempt at it takes a retry."""
    rig = reaching(make_stage(calls=["price"]), {8080})
    for _ in range(2):
        with pytest.raises(DownstreamFailed):
            rig.handle(make_message())
    assert (ports(rig), rig.ejections) == ([8080, 8080], [])


def test_instances_that_are_slow_to_be_unreachable(make_stage, make_message):
    """Also where it takes longer to find an instance unreachable than it is ejected, a call has an end."""
    rig = reaching(make_stage(calls=["price"], instances={"price": 2}), {8080, 8081}, seconds=6.0)
    plain, attempts = rig.adapter.answer, itertools.count(1)

    def bounded(request):
        assert next(attempts) <= 20, "there is no end to it"
        return plain(request)

    rig.adapter.answer = bounded
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert len(rig.adapter.requests) <= 3


@pytest.mark.parametrize("answer", [503, requests.ReadTimeout(), requests.ConnectionError("reset")])
def test_only_who_can_t_be_reached_is_passed_over(make_stage, make_message, answer):
    """An instance that answers badly, or not at all, has seen the message: that costs a retry, and ejects none."""
    rig = make_stage(
        calls=[{"to": "price", "retries": 1}], instances={"price": 2}, answer=lambda _: (0.0, answer, {}, b"")
    )
    with pytest.raises(MessageError):
        rig.handle(make_message())
    assert (ports(rig), rig.ejections, len(rig.sleeps)) == ([8080, 8081], [], 1)


@pytest.mark.parametrize("how", ["timeout", "abandoned"])
def test_only_an_answer_brings_an_instance_back(make_stage, make_message, how):
    """An attempt that ends without an answer does not bring back an instance that could not be reached."""
    rig = reaching(make_stage(calls=[{"to": "price", "hedge": "1s"}], instances={"price": 2}), {8080})
    rig.handle(make_message())
    rig.time.advance(10.0)
    first = (60.0, requests.ReadTimeout(), {}, b"") if how == "abandoned" else (0.5, requests.ReadTimeout(), {}, b"")
    rig.adapter.answer = lambda request: first if port(request) == 8080 else (0.0, 200, {}, b"")
    for _ in range(2):
        with suppress(MessageError):
            rig.handle(make_message())
    assert 8080 in ports(rig)[2:]
    assert [ejected for _, _, ejected in rig.ejections] == [True]


def shutting_down(rig, down, said, times=99):
    """Let the instances at these ports say that they shut down, so many times."""
    left = [times]

    def answer(request):
        if port(request) not in down or not left[0]:
            return 200, {}, b""
        left[0] -= 1
        return 503, {"X-Simulator-Draining": said}, b""

    rig.adapter.answer = answer
    return rig


@pytest.mark.parametrize(("said", "outcome"), [("unread", UNREACHABLE), ("refused", CallOutcome.ERROR_STATUS)])
@pytest.mark.parametrize("breaker", [None, "breaker(failures=1, reset=1h)"])
def test_a_message_goes_to_another_instance_where_one_shuts_down(make_stage, make_message, said, outcome, breaker):
    """It is sent again at once and at no cost of retries or breakers, and the next ones go elsewhere."""
    calls = [{"to": "price", **({"breaker": breaker} if breaker else {})}]
    rig = shutting_down(make_stage(calls=calls, instances={"price": 2}, calls_stages=True), {8080}, said)
    record = rig.handle(make_message())
    assert (ports(rig), record.outcome) == ([8080, 8081], Outcome.FORWARDED)
    assert [attempt.outcome for attempt in record.calls[0].attempts] == [outcome, OK]
    rig.handle(make_message())
    assert (ports(rig)[2:], rig.sleeps) == ([8081], [])


@pytest.mark.parametrize(("times", "wanted"), [(1, Outcome.FORWARDED), (2, Outcome.FAILED)])
def test_a_message_goes_once_more_to_a_stage_of_one_instance_that_shuts_down(make_stage, make_message, times, wanted):
    """Another process may have its address by then; once, and no more."""
    rig = shutting_down(make_stage(calls=["price"], calls_stages=True), {8080}, "unread", times)
    with suppress(MessageError):
        rig.handle(make_message())
    assert (len(ports(rig)), rig.record.outcome) == (2, wanted)


def test_an_external_service_is_not_believed_to_be_a_stage(make_stage, make_message):
    """What only a stage of ours says means nothing from elsewhere: nothing is sent twice."""
    rig = shutting_down(make_stage(calls=["price"]), {8080}, "unread", 1)
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert len(ports(rig)) == 1

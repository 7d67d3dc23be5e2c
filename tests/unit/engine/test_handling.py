"""The story of one message in one stage, told in full."""

from __future__ import annotations

import contextlib

import pytest
import requests
from opentelemetry import baggage

import simulator
from simulator.behaviour.distributions import Constant
from simulator.behaviour.draws import draw, next_visit
from simulator.engine.identity import Identity
from simulator.engine.injection import Behaviour
from simulator.errors import DownstreamFailed, DownstreamTooSlow, MessageError, Unforeseen
from simulator.telemetry.record import CallOutcome, Outcome, Via
from simulator.topology.model import Stage
from tests.support.attempts import INJECTED
from tests.support.calls import host

BINARY = bytes(range(256)) * 3


def answering(status, headers=None, body=b""):
    return lambda _: (status, headers or {}, body)


def raising(error):
    def answer(_):
        raise error

    return answer


def test_a_message_that_ends_here(make_stage, make_message):
    """A terminator processes a message for its delay, keeps it untouched and delivers it."""
    rig = make_stage(delay=Constant(0.25))
    record = rig.handle(make_message(BINARY, "application/octet-stream"))
    assert rig.kept.messages == [(BINARY, "application/octet-stream")]
    assert rig.sleeps == [0.25]
    assert (record.outcome, record.code) == (Outcome.DELIVERED, 200)
    assert (record.queue_wait_seconds, record.processing_seconds, record.duration_seconds) == (0.0, 0.25, 0.25)
    assert record.pipeline_seconds is None  # which is measured where it began
    assert rig.sink.records == [record]


def test_a_message_that_begins_here_is_a_request(make_stage, make_message):
    """It asks for the stage, or for one of its operations, and took from its due time until it was answered."""
    rig = make_stage(delay=Constant(0.25))
    record = rig.handle(make_message(begins_here=True))
    assert record.arrival.request == "parse"
    assert record.pipeline_seconds == pytest.approx(0.75, abs=1e-6)  # due half a second before it came
    rig = make_stage(operations={"read": {}, "add": {"path": "/add"}})
    assert rig.handle(make_message(begins_here=True, operation="add")).arrival.request == "parse.add"
    assert rig.handle(make_message(operation="add")).arrival.request == ""


def test_the_arrival_is_what_came(make_stage, make_message):
    """What is recorded of the arrival is the message's own data, the clocks' and the trace's."""
    rig = make_stage()
    rig.time.advance(2.0)
    rig.handle(make_message(message_id="m-9", visit="ab12", caller="injector", via=Via.SCHEDULE))
    (arrival,) = rig.sink.arrivals
    assert (arrival.message_id, arrival.visit, arrival.caller, arrival.via) == ("m-9", "ab12", "injector", "schedule")
    assert (arrival.content_type, arrival.body_bytes) == ("application/json", 8)
    assert (arrival.received_at, arrival.received_unix_ns) == (2.0, 1_700_000_002_000_000_000)
    assert arrival.due_unix_seconds == 1_699_999_999.5
    assert arrival.trace.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_the_chapters_come_in_order(make_stage, make_message):
    """A message is read, then processed, then sent on to each call in turn, each after the answer of the one before."""
    story = []

    def sleep(time, seconds):
        story.append("processing")
        time.advance(seconds)

    def answer(request):
        story.append(host(request))
        return 200, {}, b""

    def read():
        story.append("reading")
        return b"x"

    rig = make_stage(delay=Constant(0.5), calls=("price", "stock", "price", "archive"), answer=answer, sleep=sleep)
    record = rig.handle(make_message(content_type="text/plain", read=read))
    assert story == ["reading", "processing", "price", "stock", "price", "archive"]
    assert record.outcome is Outcome.FORWARDED
    assert rig.sink.started == [call.downstream for call in rig.sink.calls] == story[2:]
    assert record.calls == tuple(rig.sink.calls)
    assert rig.kept.messages == []


def test_what_is_sent_on_is_what_came(make_stage, make_message):
    """Every call gets the body byte for byte, its content type, the message's id and due time, and nothing besides."""
    rig = make_stage(calls=("price", "stock"))
    rig.handle(make_message(BINARY, "image/x-made-up; q=1", message_id="order/7", visit="abcd"))
    assert [request.body for request in rig.adapter.requests] == [BINARY, BINARY]
    assert [request.url for request in rig.adapter.requests] == [
        "http://price:8080/messages",
        "http://stock:8080/messages",
    ]
    for index, request in enumerate(rig.adapter.requests):
        assert request.method == "POST"
        assert dict(request.headers) == {
            "User-Agent": f"simulator/{simulator.__version__}",
            "Accept": "*/*",
            "Connection": "keep-alive",
            "Content-Length": "768",
            "Content-Type": "image/x-made-up; q=1",
            "X-Message-Id": "order/7",
            "X-Simulator-Caller": "parse",
            "X-Simulator-Visit": next_visit("abcd", f"parse/{index}", 1),
            "X-Simulator-Due": "1699999999.500000;-0.500000;;0.500000",
        }


def test_each_call_is_a_visit_of_its_own(make_stage, make_message):
    """Calls of one stage, and a call of another visit, each cause a different visit, and always the same one."""
    rig = make_stage(calls=("price", "price", "price"))
    for visit in ("0", "1", "0"):
        rig.handle(make_message(visit=visit))
    visits = [request.headers["X-Simulator-Visit"] for request in rig.adapter.requests]
    assert visits[:3] == visits[6:]
    assert len(set(visits[:6])) == 6
    assert visits[:3] == [next_visit("0", f"parse/{index}", 1) for index in range(3)]


def test_the_first_call_that_fails_ends_the_story(make_stage, make_message):
    """After a call that failed nobody else is called, and the record has the calls that were made."""

    def answer(request):
        return (500 if host(request) == "stock" else 200), {}, b""

    rig = make_stage(calls=("price", "stock", "archive"), answer=answer)
    with pytest.raises(DownstreamFailed, match="stock: it answered 500"):
        rig.handle(make_message())
    assert [host(request) for request in rig.adapter.requests] == ["price", "stock"]
    assert [(call.downstream, call.outcome) for call in rig.record.calls] == [
        ("price", CallOutcome.OK),
        ("stock", CallOutcome.ERROR_STATUS),
    ]
    assert (rig.record.outcome, rig.record.code) == (Outcome.FAILED, 502)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_downstream_is_a_success_here(make_stage, make_message, status):
    """Every status 2xx of a call means that the message was forwarded."""
    rig = make_stage(calls=("enrich",), answer=answering(status))
    record = rig.handle(make_message())
    assert (record.outcome, record.code) == (Outcome.FORWARDED, 200)
    assert [call.code for call in record.calls] == [status]


@pytest.mark.parametrize(
    ("answer", "error", "outcome", "code", "tried"),
    [
        (answering(302), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.ERROR_STATUS, 302)),
        (answering(400), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.ERROR_STATUS, 400)),
        (answering(404), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.ERROR_STATUS, 404)),
        (answering(500), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.ERROR_STATUS, 500)),
        (answering(503), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.ERROR_STATUS, 503)),
        (answering(503, INJECTED), DownstreamFailed, Outcome.FAULTED, 502, (CallOutcome.ERROR_STATUS, 503)),
        (answering(418, INJECTED), DownstreamFailed, Outcome.FAULTED, 502, (CallOutcome.ERROR_STATUS, 418)),
        (raising(requests.ReadTimeout()), DownstreamTooSlow, Outcome.FAILED, 504, (CallOutcome.TIMEOUT, None)),
        (raising(requests.ConnectTimeout()), DownstreamTooSlow, Outcome.FAILED, 504, (CallOutcome.TIMEOUT, None)),
        (raising(requests.ConnectionError()), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.BROKEN, None)),
        (raising(OSError("gone")), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.BROKEN, None)),
    ],
)
def test_a_failure_downstream_is_told_as_what_it_is(make_stage, make_message, answer, error, outcome, code, tried):
    """A call's error, silence or break makes this handling fail with 502 or 504, and faulted where it was injected."""
    rig = make_stage(calls=("enrich",), answer=answer)
    with pytest.raises(error) as raised:
        rig.handle(make_message())
    assert raised.value.injected is (outcome is Outcome.FAULTED)
    assert (rig.record.outcome, rig.record.code, rig.record.faults) == (outcome, code, ())
    (call,) = rig.record.calls
    assert (call.outcome, call.code) == tried


def test_a_success_with_the_mark_of_a_fault_is_a_success(make_stage, make_message):
    """An answer 2xx is a success whatever headers it has."""
    rig = make_stage(calls=("enrich",), answer=answering(200, INJECTED))
    assert rig.handle(make_message()).outcome is Outcome.FORWARDED


def test_the_time_downstream_is_the_calls_time(make_stage, make_message):
    """The calls' durations are measured each by itself, and their sum is the time downstream."""
    rig = make_stage(delay=Constant(0.5), calls=("price", "stock"))

    def answer(request):
        rig.time.advance({"price": 0.25, "stock": 2.0}[host(request)])
        return 200, {}, b""

    rig.adapter.answer = answer
    record = rig.handle(make_message())
    assert [call.duration_seconds for call in record.calls] == [0.25, 2.0]
    assert (record.processing_seconds, record.downstream_seconds, record.duration_seconds) == (0.5, 2.25, 2.75)


def test_the_worker_is_free_whatever_happened(make_stage, make_message):
    """After any end of a message, foreseen or not, the stage holds nothing of it."""
    rig = make_stage(workers=1, queue=0, calls=("enrich",))
    for answer in (answering(500), raising(requests.ReadTimeout()), raising(ZeroDivisionError()), answering(200)):
        rig.adapter.answer = answer
        with contextlib.suppress(MessageError):
            rig.handle(make_message())
        assert rig.capacity.inside == 0
    assert [record.outcome for record in rig.sink.records] == ["failed", "failed", "failed", "forwarded"]


def test_the_message_s_id_is_baggage_of_the_calls(make_stage, make_message):
    """While a message is forwarded its id is in the baggage of the context, and afterwards it is not."""
    seen = []

    def answer(_):
        seen.append(baggage.get_baggage("simulator.message_id"))
        return 500, {}, b""

    rig = make_stage(calls=("enrich",), answer=answer)
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message(message_id="m-42"))
    assert seen == ["m-42"]
    assert baggage.get_baggage("simulator.message_id") is None


def test_a_change_meets_the_next_message(make_stage, make_message):
    """A message keeps to the behaviour that it started with; what is changed meanwhile holds for the next one."""

    def change(time, seconds):
        time.advance(seconds)
        rig.handling.behaviour = Behaviour(Identity(stage="parse", seed=7), Stage(delay=Constant(2.0)))

    rig = make_stage(delay=Constant(1.0), calls=("price",), sleep=change)
    first = rig.handle(make_message())
    second = rig.handle(make_message())
    assert [(record.delay_drawn_seconds, record.outcome) for record in (first, second)] == [
        (1.0, Outcome.FORWARDED),
        (2.0, Outcome.DELIVERED),
    ]


def test_the_size_of_an_answer_is_drawn(make_stage, make_message):
    """The answer's size is drawn for each message from its distribution, and is none where none is wanted."""
    rig = make_stage(response_bytes="uniform(1KB, 9KB)")
    sizes = []
    for number in range(5):
        message = make_message(message_id=f"m-{number}")
        rig.handle(message)
        sizes += [answer.size_bytes for answer in message.exchange.answers]
    expected = [1000 + 8000 * draw(7, "parse", f"m-{number}", "0", "response size") for number in range(5)]
    assert sizes == [round(size) for size in expected]
    message = make_message()
    make_stage().handle(message)
    assert [answer.size_bytes for answer in message.exchange.answers] == [None]


def test_one_message_twice_at_the_same_time(make_stage, make_message):
    """A client may send a message under one id while the first still is on its way: each is handled for itself."""
    rig = make_stage(delay=Constant(2.0), calls=("enrich",))
    first, second = make_message(), make_message()
    tasks = [rig.time.start(lambda message=message: rig.handling.handle(message)) for message in (first, second)]
    rig.time.pass_time(1.0)
    assert (rig.handling.in_flight, rig.capacity.busy) == (2, 2)
    assert [task.result().outcome for task in tasks] == [Outcome.FORWARDED] * 2
    assert [len(message.exchange.answers) for message in (first, second)] == [1, 1]
    assert len(rig.adapter.requests) == 2
    assert (rig.handling.in_flight, rig.capacity.inside) == (0, 0)


def test_an_answer_comes_when_all_is_done(make_stage, make_message):
    """The answer is given after the calls, and the message is told of after the answer has left."""
    rig, story = make_stage(delay=Constant(0.5), calls=("enrich",)), []

    def leaving(answer):
        story.append((len(rig.adapter.requests), len(rig.sink.records), answer.duration_seconds))

    rig.handle(make_message(leaving=leaving))
    assert story == [(1, 0, 0.5)]
    assert len(rig.sink.records) == 1


def test_an_unforeseen_error_is_answered_and_logged_once(make_stage, make_message, caplog):
    """An unforeseen error is answered as an internal error without details; the log has it, with its traceback."""
    rig, message = make_stage(), make_message()
    rig.kept.error = ZeroDivisionError("a secret of the inside")
    record = rig.handling.handle(message)
    (answer,) = message.exchange.answers
    assert (type(answer.error), answer.error.status) == (Unforeseen, 500)
    assert "secret" not in str(answer.error)
    assert (record.outcome, record.code) == (Outcome.FAILED, 500)
    assert record.error == "ZeroDivisionError: a secret of the inside"
    (logged,) = [logged for logged in caplog.records if logged.exc_info]
    assert (str(logged.exc_info[1]), logged.getMessage()) == (
        "a secret of the inside",
        "the message m-1 could not be handled",
    )

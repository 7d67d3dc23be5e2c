"""The application of a stage: what a client sees of it."""

from __future__ import annotations

import contextvars
import json

import pytest
import requests
from werkzeug.test import EnvironBuilder

from simulator.behaviour.delays import parse_delay
from simulator.behaviour.distributions import Constant
from simulator.behaviour.draws import draw, next_visit
from simulator.errors import OutputFailed
from simulator.stage.exchange import INTERIM, RECEIVED_AT, RECEIVED_UNIX_NS, RESET, WAITED
from simulator.stage.travel import RunIdentity
from simulator.telemetry.record import NO_TRACE, OUTSIDE, Outcome, Via
from simulator.topology.model import Forward
from tests.support.posting import JSON, PROBLEM, TRACE_ID, assert_problem, http_counts, post
from tests.support.sending import WITHHELD
from tests.support.stage_rig import RecordingSink, worker

BINARY = bytes(range(256))


def test_a_receipt(make_web):
    """A message that was handled is answered with 200 and a receipt that says what became of it."""
    web = make_web(delay=Constant(0.25))
    answer = post(web, X_Message_Id="order-7")
    assert (answer.status_code, answer.content_type) == (200, JSON)
    assert json.loads(answer.data) == {
        "message_id": "order-7",
        "stage": "parse",
        "outcome": "delivered",
        "trace_id": TRACE_ID,
        "duration_seconds": 0.25,
    }
    assert (answer.headers["X-Message-Id"], answer.headers["X-Trace-Id"]) == ("order-7", TRACE_ID)
    assert web.rig.kept.messages == [(b'{"n": 1}', JSON)]


@pytest.mark.parametrize("forward", [Forward.WAIT, Forward.ACCEPT])
def test_without_a_trace_no_answer_names_one(make_web, forward):
    """Where there are no spans, as with OTEL_SDK_DISABLED, an answer has no trace's id, rather than zeros."""
    web = make_web(current_trace=lambda: NO_TRACE, forward=forward)
    good, bad = post(web), post(web, b"")
    assert (good.status_code, bad.status_code) == (200 if forward is Forward.WAIT else 202, 400)
    for answer in (good, bad):
        assert "X-Trace-Id" not in answer.headers
        assert "trace_id" not in json.loads(answer.data)


def test_a_forwarded_message(make_web):
    """A stage that sends a message on says in its receipt that it was forwarded."""
    web = make_web(calls=("enrich",))
    assert json.loads(post(web).data)["outcome"] == "forwarded"
    assert [request.body for request in web.rig.adapter.requests] == [b'{"n": 1}']


def test_a_message_without_an_id_gets_one(make_web):
    """A client that gives no id is told the one that its message was given, and no two are the same."""
    web = make_web()
    answers = [post(web) for _ in range(3)]
    assert [answer.headers["X-Message-Id"] for answer in answers] == ["made-1", "made-2", "made-3"]
    assert [json.loads(answer.data)["message_id"] for answer in answers] == ["made-1", "made-2", "made-3"]
    assert [record.arrival.message_id for record in web.rig.sink.records] == ["made-1", "made-2", "made-3"]


@pytest.mark.parametrize("message_id", ["a", "A-z_0.9:@+=/", "x" * 128, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"])
def test_the_client_s_own_id_is_kept(make_web, message_id):
    """An id of letters, digits and the usual marks, up to 128 of them, is kept as the client wrote it."""
    web = make_web()
    answer = post(web, X_Message_Id=message_id)
    assert answer.headers["X-Message-Id"] == message_id
    assert web.rig.record.arrival.message_id == message_id


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "text/plain"),
        (b"not json", "text/json"),
        (b"not json", "application/jsonl"),
        (BINARY, "application/octet-stream"),
        (BINARY, "text/plain; charset=utf-8"),
        (b"a=1&b=2", "application/x-www-form-urlencoded"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b'  {"a" : 1}\r\n', "application/json"),
        (b"\x00", "image/png"),
    ],
)
def test_a_body_of_any_type_goes_on_untouched(make_web, body, content_type):
    """Text, binary, forms and JSON with spaces alike are forwarded byte for byte, with their content type."""
    web = make_web(calls=("enrich",))
    assert post(web, body, content_type).status_code == 200
    (request,) = web.rig.adapter.requests
    assert (request.body, request.headers["Content-Type"]) == (body, content_type)


def test_a_body_without_a_type_is_bytes(make_web):
    """A message that does not say what it is, is taken for bytes."""
    web = make_web()
    assert post(web, BINARY, None).status_code == 200
    assert web.rig.kept.messages == [(BINARY, "application/octet-stream")]


def test_the_largest_body_passes(make_web):
    """A body of exactly max_body is taken."""
    web = make_web(max_body_bytes=1000)
    assert post(web, b"x" * 1000, "text/plain").status_code == 200
    assert web.rig.kept.messages == [(b"x" * 1000, "text/plain")]


def test_no_room(make_web):
    """A stage that is full answers 503 and says when to come again."""
    web = make_web(workers=1, queue=0)
    with worker(web.rig.capacity):
        answer = post(web)
    assert_problem(answer, 503, "No room", message_id="made-1", trace_id=TRACE_ID)
    assert answer.headers["Retry-After"] == "1"
    assert "X-Simulator-Injected" not in answer.headers
    assert web.rig.record.outcome is Outcome.REJECTED


def test_an_injected_fault_says_that_it_is_one(make_web):
    """An injected error is answered with its status, and with "injected": true in body and header."""
    web = make_web(faults=["error(503, 100%)"])
    answer = post(web)
    assert_problem(answer, 503, "Injected fault", message_id="made-1", trace_id=TRACE_ID, injected=True)
    assert answer.headers["X-Simulator-Injected"] == "true"
    assert "Retry-After" not in answer.headers
    assert web.rig.record.outcome is Outcome.FAULTED


def test_a_fault_further_down_is_one_here_too(make_web):
    """What failed by an injected fault downstream is passed on as injected; what failed by itself is not."""
    injected = make_web(calls=("enrich",), answer=lambda _: (503, {"X-Simulator-Injected": "true"}, b""))
    answer = post(injected)
    assert_problem(answer, 502, "Downstream failed", message_id="made-1", trace_id=TRACE_ID, injected=True)
    assert answer.headers["X-Simulator-Injected"] == "true"
    genuine = make_web(calls=("enrich",), answer=lambda _: (503, {}, b""))
    answer = post(genuine)
    detail = assert_problem(answer, 502, "Downstream failed", message_id="made-1", trace_id=TRACE_ID)
    assert detail == "enrich: it answered 503"
    assert "X-Simulator-Injected" not in answer.headers


def test_a_slow_downstream(make_web):
    """A stage whose downstream does not answer in time answers 504."""

    def answer(_):
        raise requests.ReadTimeout

    web = make_web(calls=[{"to": "enrich", "timeout": "250ms"}], answer=answer)
    detail = assert_problem(post(web), 504, "Downstream too slow", message_id="made-1", trace_id=TRACE_ID)
    assert detail == "enrich: no answer within 0.25 s"


def test_a_message_that_can_t_be_kept(make_web):
    """A terminator that can't write a message down answers 500 and says so."""
    web = make_web()
    web.rig.kept.error = OutputFailed("the output file can't be written: No space left on device")
    detail = assert_problem(post(web), 500, "Message not kept", message_id="made-1", trace_id=TRACE_ID)
    assert "No space left" in detail


def test_an_unknown_exception_is_a_500_and_a_failure(make_web):
    """An unforeseen error is answered with 500, without its inner workings, and counted once, as failed."""
    web = make_web()
    web.rig.kept.error = ZeroDivisionError("a secret of the inside")
    answer = post(web)
    assert_problem(answer, 500, "Internal Server Error", message_id="made-1", trace_id=TRACE_ID)
    assert b"secret" not in answer.data
    assert [(record.outcome, record.code) for record in web.rig.sink.records] == [(Outcome.FAILED, 500)]
    assert web.rig.record.error == "ZeroDivisionError: a secret of the inside"
    assert http_counts(web) == {}  # it is counted by the sinks, as the message that it is


def test_an_unknown_exception_can_be_found_in_logs_and_traces(make_web):
    """The 500 of an unknown exception has the ids by which its message is found, as every other answer does."""
    web = make_web()
    web.rig.kept.error = ZeroDivisionError()
    answer = post(web, X_Message_Id="order-7")
    assert (answer.headers["X-Message-Id"], answer.headers["X-Trace-Id"]) == ("order-7", TRACE_ID)


def test_an_unknown_exception_is_logged_with_its_traceback(make_web, caplog):
    """An unforeseen error goes to the log of the process with its traceback, once."""
    web = make_web()
    web.rig.kept.error = ZeroDivisionError("by nought")
    post(web)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["by nought"]


@pytest.mark.parametrize(
    ("given", "caller"),
    [(None, OUTSIDE), ("injector", "injector"), ("enrich", OUTSIDE), ("Injector", OUTSIDE), ("", OUTSIDE)],
)
def test_only_stages_of_the_topology_are_callers(make_web, given, caller):
    """A caller that is not one of this stage's is `outside`, so that no client can make up names."""
    web = make_web()
    headers = {} if given is None else {"X_Simulator_Caller": given}
    assert post(web, **headers).status_code == 200
    assert web.rig.record.arrival.caller == caller
    assert web.rig.record.arrival.via is Via.HTTP


@pytest.mark.parametrize("given", ["soon", "", "nan", "inf", "-inf", "1e400", "1699999000,5"])
def test_a_nonsense_due_time_is_ignored(make_web, given):
    """A due time that is no number is taken for now."""
    web = make_web()
    web.rig.time.advance(8.0)
    assert post(web, X_Simulator_Due=given).status_code == 200
    assert web.rig.record.arrival.due_unix_seconds == 1_700_000_008.0
    assert web.rig.record.pipeline_seconds == 0.0


@pytest.mark.parametrize("given", ["0", "99999999999", "1699481600.0", "1700000008.5"])
def test_a_due_time_that_can_not_be_is_not_observed(make_web, given):
    """Six days ago, in the future: the message is delivered, and its end-to-end duration is not known."""
    web = make_web(path="/messages")
    web.rig.time.advance(8.0)
    assert post(web, X_Simulator_Due=given).status_code == 200
    assert web.rig.record.outcome is Outcome.DELIVERED
    assert web.rig.record.pipeline_seconds is None


FORGED = {
    "Caller": "injector",
    "Due": "1699999990.25",
    "Visit": "00ff",
    "Deadline": "-1",
    "Decisions": '{"hit": true}',
}


@pytest.mark.parametrize("secret", ["", "s3cret", "guessed"])
def test_strangers_are_not_believed_what_they_say_of_the_run(make_web, secret):
    """If the run has a secret, the headers of clients without it are ignored; clients that have it are believed."""
    web = make_web(identity=RunIdentity("s3cret", ""))
    given = {f"X_Simulator_{name}": value for name, value in FORGED.items()}
    answer = post(web, **given, **({"X_Simulator_Secret": secret} if secret else {}))
    arrival = web.rig.record.arrival
    if secret == "s3cret":
        assert (answer.status_code, arrival.caller, arrival.visit) == (504, "injector", "00ff")
        assert (arrival.due_unix_seconds, arrival.deadline_seconds) == (1_699_999_990.25, -1.0)
        assert arrival.decisions == {"hit": True}
    else:
        assert (answer.status_code, arrival.caller, arrival.visit) == (200, "outside", "0")
        assert (arrival.due_unix_seconds, arrival.deadline_seconds) == (1_700_000_000.0, None)
        assert arrival.decisions == {}


def test_a_request_of_a_client_begins_with_its_first_byte(make_web):
    """What it takes from end to end is counted from there, as its span and its other durations are."""
    web = make_web()
    web.rig.time.advance(8.0)
    begin = {RECEIVED_AT: 7.75, RECEIVED_UNIX_NS: 1_700_000_007_750_000_000}
    web.client.post("/messages", data=b'{"n": 1}', content_type="application/json", environ_overrides=begin)
    record = web.rig.record
    assert record.arrival.request == "parse"
    assert record.arrival.due_unix_seconds == pytest.approx(1_700_000_007.75, abs=1e-6)
    assert record.pipeline_seconds == record.duration_seconds >= 0.25


@pytest.mark.parametrize("caller", ["injector", "somebody"])
def test_what_a_stage_has_sent_does_not_begin_here(make_web, caller):
    """Whether its name is known or not, as in a pipeline of stages that were started one by one."""
    web = make_web()
    post(web, X_Simulator_Caller=caller, X_Simulator_Due="1699999990.25")
    assert (web.rig.record.arrival.request, web.rig.record.pipeline_seconds) == ("", None)


def test_a_due_time_and_a_visit_are_taken_up(make_web):
    """The due time and the visit that a caller sends along are the message's own."""
    web = make_web()
    post(web, X_Simulator_Due="1699999990.25", X_Simulator_Visit="00ff")
    assert web.rig.record.arrival.due_unix_seconds == 1_699_999_990.25
    assert web.rig.record.arrival.visit == "00ff"
    assert web.rig.record.pipeline_seconds == pytest.approx(9.75, abs=1e-6)


def test_a_stage_that_shuts_down_lets_connections_go(make_web):
    """While a stage is draining each answer closes its connection; before that none does."""
    web = make_web()
    assert post(web).headers.get("Connection") is None
    web.draining[0] = True
    assert post(web).headers["Connection"] == "close"


def test_no_cookies(make_web):
    """A stage sets no cookies and looks for none."""
    web = make_web()
    answer = post(web, Cookie="session=broken.value")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


def test_a_path_of_one_s_own(make_web):
    """A stage takes messages at the path that it was given, and only there."""
    web = make_web(path="/orders/in")
    assert post(web, path="/orders/in").status_code == 200
    assert post(web, path="/messages").status_code == 404


@pytest.mark.parametrize("path", ["/orders", "/orders//"])
def test_a_slash_is_no_redirection(make_web, path):
    """A path that differs by a slash is the stage's own or nowhere, but no redirection, which no stage follows."""
    web = make_web(path="/orders/")
    answer = post(web, path=path)
    assert answer.status_code in (200, 404)
    assert answer.content_type in (JSON, PROBLEM)


@pytest.mark.parametrize("size", [1000, 4321, 100_000])
def test_an_answer_of_a_size(make_web, size):
    """With a size the receipt has exactly so many bytes, and says all that it says otherwise."""
    web = make_web(response_bytes=f"{size}B", delay=Constant(0.25))
    answer = post(web, X_Message_Id="order-7")
    assert (len(answer.data), answer.headers["Content-Length"]) == (size, str(size))
    assert json.loads(answer.data)["message_id"] == "order-7"


def test_an_error_has_its_own_size(make_web):
    """The answer to a message that failed is not filled."""
    web = make_web(response_bytes="10KB", faults=["error(503, 100%)"])
    assert len(post(web).data) < 1000


def test_too_many_messages(make_web):
    """A message beyond the limit is answered with 429 and when to come again."""
    web = make_web(rate_limit="limit(1/min, burst=1)")
    assert post(web).status_code == 200
    web.rig.time.advance(10.0)
    answer = post(web)
    assert_problem(answer, 429, "Too many messages", message_id="made-2", trace_id=TRACE_ID)
    assert answer.headers["Retry-After"] == "50"
    assert "X-Simulator-Injected" not in answer.headers


def test_a_message_that_comes_too_late(make_web):
    """A message whose sender waits no longer is answered with 504, without a word on when to come again."""
    web = make_web(calls=["enrich"])
    answer = post(web, X_Simulator_Deadline="0")
    assert_problem(answer, 504, "Deadline passed", message_id="made-1", trace_id=TRACE_ID)
    assert "Retry-After" not in answer.headers
    assert web.rig.adapter.requests == []


@pytest.mark.parametrize(("given", "deadline"), [("2.5", 2.5), ("soon", None), ("inf", None), (None, None)])
def test_a_deadline_is_taken_up(make_web, given, deadline):
    """The deadline that a caller sends along is the message's own, and is passed on, less the time that was used."""
    web = make_web(delay=Constant(0.5), calls=["enrich"])
    headers = {} if given is None else {"X_Simulator_Deadline": given}
    assert post(web, **headers).status_code == 200
    assert web.rig.record.arrival.deadline_seconds == deadline
    (request,) = web.rig.adapter.requests
    assert request.headers.get("X-Simulator-Deadline") == (None if deadline is None else "2.000000")


def test_a_reset_is_no_answer(make_web):
    """A message that meets a reset gets no answer: the server is told to reset the connection."""
    web = make_web(faults=["reset(100%)"])
    environ, begun = EnvironBuilder("/messages", method="POST", data=b"x").get_environ(), []
    assert list(web.app(environ, lambda *response: begun.append(response))) == []
    assert (begun, environ[RESET]) == ([], True)
    assert (web.rig.record.outcome, web.rig.record.code) == (Outcome.FAULTED, None)


@pytest.mark.parametrize(("fault", "seconds"), [("truncate(100%)", 0.0), ("slow_body(1KB/s, 100%)", 1.0)])
def test_a_spoiled_answer_says_that_it_is_one(make_web, fault, seconds):
    """An answer that is cut or slow has the mark of a fault and all headers of a whole one, and takes its time."""
    web = make_web(faults=[fault], response_bytes="1000B")
    answer = post(web, X_Message_Id="order-7")
    assert (answer.status_code, answer.headers["X-Simulator-Injected"]) == (200, "true")
    assert (answer.headers["Content-Length"], answer.content_type) == ("1000", JSON)
    assert (answer.headers["X-Message-Id"], answer.headers["X-Trace-Id"]) == ("order-7", TRACE_ID)
    assert len(answer.data) == (1000 if seconds else 500)
    assert web.rig.time.seconds == pytest.approx(seconds)
    # The message is over when its answer has left.
    assert web.rig.record.duration_seconds == web.rig.record.fault_seconds == pytest.approx(seconds)


def test_the_worker_is_held_until_the_answer_has_left(make_web):
    """While a slow answer leaves, its message is inside the stage, and another one finds no room."""
    web = make_web(faults=["slow_body(1KB/s, 100%)"], response_bytes="1000B", workers=1, queue=0)
    slow = web.rig.time.start(lambda: post(web))
    web.rig.time.pass_time(0.5)
    assert (web.rig.capacity.busy, web.rig.handling.in_flight, web.rig.sink.records) == (1, 1, [])
    assert post(web).status_code == 503
    assert (slow.result().status_code, web.rig.capacity.busy) == (200, 0)
    assert [record.duration_seconds for record in web.rig.sink.records] == [0.0, pytest.approx(1.0)]


def test_a_message_begins_with_its_first_byte(make_web):
    """The time at which the server saw the request is that of the arrival, and counts for the delay."""
    web = make_web(delay=Constant(2.0))
    web.rig.time.advance(10.0)
    given = {RECEIVED_AT: 9.5, WAITED: lambda: 0.25}
    assert web.client.post("/messages", data=b"x", environ_overrides=given).status_code == 200
    record = web.rig.record
    assert (record.arrival.received_at, record.reading_seconds) == (9.5, 0.25)
    assert (record.duration_seconds, record.overhead_seconds) == (2.25, 0.0)


def interims(web, **headers):
    """Post a message; return what is said before its answer."""
    said = []
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    web.client.post("/messages", data=b"x", headers=names, environ_overrides={INTERIM: said.append})
    return said


@pytest.mark.parametrize(
    ("secret", "headers", "is_warned"),
    [
        ("", {"X_Simulator_Caller": "injector"}, True),
        ("", {}, False),
        ("s3cret", {"X_Simulator_Caller": "injector", "X_Simulator_Secret": "s3cret"}, True),
        ("s3cret", {"X_Simulator_Caller": "injector"}, False),
        ("s3cret", {"X_Simulator_Secret": "s3cret"}, False),
    ],
)
def test_only_stages_are_warned_of_faults(make_web, secret, headers, is_warned):
    """A caller that is a stage of the run is warned that a fault may withhold the answer; no other client is."""
    web = make_web(faults=["hang(1s, 100%)"], identity=RunIdentity(secret, ""))
    assert interims(web, **headers) == ([WITHHELD] if is_warned else [])


def test_where_no_answer_is_withheld_there_is_no_warning(make_web):
    """A fault that is recorded by the answer itself, or that does not hit, is not warned of."""
    web = make_web(faults=["error(503, 100%)", "hang(1s, 0%)"])
    assert interims(web, X_Simulator_Caller="injector") == []


def test_what_breaks_the_telling_of_a_message(make_web):
    """An error in what is told of messages, outside of their handling, flies to the server, which ends the request."""

    class Broken(RecordingSink):
        def handled(self, record):
            raise ZeroDivisionError

    web = make_web(sinks=[Broken()])
    with pytest.raises(ZeroDivisionError):
        post(web)
    assert (web.rig.capacity.inside, web.rig.handling.in_flight, web.held.bytes) == (0, 0, 0)


def test_from_stage_to_stage(make_stage, make_message, make_web):
    """Through two stages, each in a context of its own, body, id, due time and visit arrive as they were sent."""
    archive = make_web(stage="archive", delay=parse_delay("uniform(5ms, 50ms)"))

    def answer(request):
        def post():
            return archive.client.post("/messages", data=request.body, headers=dict(request.headers))

        response = contextvars.Context().run(post)
        return response.status_code, dict(response.headers), response.data

    parse = make_stage(calls=("archive",), answer=answer)
    parse.handle(make_message(BINARY, "application/octet-stream", message_id="m-5", visit="77"))
    (arrival,), (kept,) = archive.rig.sink.arrivals, archive.rig.kept.messages
    assert kept == (BINARY, "application/octet-stream")
    visit = next_visit("77", "parse/0", 1)
    assert (arrival.message_id, arrival.visit, arrival.due_unix_seconds) == ("m-5", visit, 1_699_999_999.5)
    u = draw(7, "archive", "m-5", visit, "delay")
    assert archive.rig.record.delay_drawn_seconds == parse_delay("uniform(5ms, 50ms)").quantile(u)

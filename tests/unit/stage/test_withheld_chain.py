"""Three stages in a row, in one virtual time: what the last injects is recorded as such by the first."""

from __future__ import annotations

import pytest
import requests
from werkzeug.test import EnvironBuilder

from simulator.behaviour.distributions import Constant
from simulator.errors import DownstreamFailed, DownstreamTooSlow
from simulator.stage.exchange import HANG_UP, INTERIM, RESET
from simulator.stage.transport import Broken
from simulator.telemetry.record import CallOutcome, Outcome
from tests.support.fake_time import FakeTime
from tests.support.sending import WITHHELD

INJECTED = {"X-Simulator-Injected": "true"}


def calling(web):
    """Return what answers a call by handing it to a stage's application, in a task as a server would."""

    def answer(request):
        came = []

        def interim(data):
            assert data == WITHHELD
            request.on_interim(INJECTED)

        environ = EnvironBuilder("/messages", method="POST", data=request.body, headers=request.headers).get_environ()
        environ[INTERIM] = interim

        def start_response(status, headers):
            came.append((status, headers))
            return lambda data: None

        web.rig.time.spawn(lambda: web.app(environ, start_response)).result()
        if environ.get(RESET):
            raise requests.ConnectionError(ConnectionResetError())
        ((status, headers),) = came
        if environ.get(HANG_UP):
            raise Broken(EOFError(), [(name.encode(), value.encode()) for name, value in headers])
        return int(status.split()[0]), dict(headers), b""

    return answer


@pytest.fixture
def chain(make_web):
    """Return a function that makes three stages in a row, the first with a timeout, and returns the outer two."""

    def make(timeout="2s", **last):
        time = FakeTime()
        archive = make_web(time=time, **last)
        parse = make_web(time=time, calls=["archive"], calls_stages=True, answer=calling(archive))
        front = make_web(
            time=time, calls=[{"to": "parse", "timeout": timeout}], calls_stages=True, answer=calling(parse)
        )
        return front.rig, archive.rig

    return make


@pytest.mark.parametrize("fault", ["hang(60s, 100%)", "cpu(60s)", "slow_body(1B/s, 100%)"])
def test_a_silence_at_the_end_is_known_at_the_beginning(chain, make_message, fault):
    """A caller that times out because of a fault further downstream knows it, and waits for nothing else."""
    front, archive = chain(faults=[fault])
    with pytest.raises(DownstreamTooSlow) as raised:
        front.handle(make_message())
    (call,) = front.record.calls
    assert (raised.value.injected, call.outcome, call.duration_seconds) == (True, CallOutcome.TIMEOUT, 2.0)
    assert (front.record.outcome, front.record.duration_seconds) == (Outcome.FAULTED, 2.0)
    front.time.pass_time(600.0)
    assert archive.record.faults == (fault.partition("(")[0],)


@pytest.mark.parametrize("fault", ["reset(100%)", "truncate(100%)", "error(503, 100%)"])
def test_a_failure_at_the_end_is_known_at_the_beginning(chain, make_message, fault):
    """What breaks or fails by an injected fault at the end fails by an injected fault at each stage before it."""
    front, archive = chain(faults=[fault])
    with pytest.raises(DownstreamFailed) as raised:
        front.handle(make_message())
    assert (raised.value.injected, front.record.outcome) == (True, Outcome.FAULTED)
    assert archive.record.outcome is Outcome.FAULTED


def test_a_slow_stage_is_none_that_is_slow_on_purpose(chain, make_message):
    """A delay is no fault: who gives up because of it has failed by itself."""
    front, _ = chain(delay=Constant(60.0))
    with pytest.raises(DownstreamTooSlow) as raised:
        front.handle(make_message())
    assert (raised.value.injected, front.record.outcome) == (False, Outcome.FAILED)


def test_a_fault_that_was_warned_of_and_overcome_is_no_failure(chain, make_message):
    """A message that only was held up at the end goes well at the beginning."""
    front, archive = chain(timeout="30s", faults=["hang(5s, 100%)"])
    record = front.handle(make_message())
    assert (record.outcome, record.duration_seconds) == (Outcome.FORWARDED, 5.0)
    assert record.calls[0].injected is False
    assert archive.record.fault_seconds == 5.0


def test_an_answer_after_a_warning_is_told_by_itself(chain, make_message):
    """A genuine failure in the middle, after a fault further down that did no harm, is recorded as a genuine one."""
    front, archive = chain(timeout="30s", faults=["hang(5s, 100%)"])
    archive.kept.error = ZeroDivisionError()
    with pytest.raises(DownstreamFailed) as raised:
        front.handle(make_message())
    assert (raised.value.injected, front.record.outcome) == (False, Outcome.FAILED)


def test_a_call_that_is_broken_off_while_it_is_withheld(chain, make_message):
    """If the first stage stops while it waits for what a fault withholds, its message is recorded as faulted."""
    front, _ = chain(faults=["hang(60s, 100%)"], timeout="30s")
    task = front.time.start(lambda: front.handling.handle(make_message()))
    front.time.pass_time(2.0)
    assert front.handling.break_off() == 1
    record = task.result()
    assert (record.outcome, record.code, record.duration_seconds) == (Outcome.FAULTED, 503, 2.0)
    assert [(attempt.outcome, attempt.injected) for _, attempt, _ in front.sink.attempts] == [
        (CallOutcome.ABANDONED, True)
    ]
